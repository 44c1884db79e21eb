/** The recorded bytes of both Go clients, replayed at our server: what leaves it is what left the Go server. */
import assert from "node:assert/strict";
import { Ledger, type LogRecord, logTo } from "../../lib/base/mod.ts";
import { toHex } from "../../lib/crypto/mod.ts";
import { checkStreamResponse, DmsgServer, parseSignedObject } from "../../lib/dmsg/mod.ts";
import type { Network } from "../../lib/runtime/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import {
  bytesOf,
  concat,
  ephemeralCounts,
  events,
  keyOf,
  muxFrames,
  muxStreams,
  type Party,
  recordedOpener,
  recordedRandom,
  type Segment,
  segmentsOf,
  splitHandshake,
  splitObject,
  statics,
  streamsOf,
} from "./_recording.ts";
import { asSocket, HandListener, Played, recut, widePair } from "./_wires.ts";

/** How the recorded bytes are cut on their way to the server. */
type Cut = "as recorded" | "one byte at a time" | "in one piece";
const CUTS: readonly Cut[] = ["as recorded", "one byte at a time", "in one piece"];

const PARTIES: readonly Party[] = ["a", "b"];
const FIN = 4;

interface Timed extends Segment {
  readonly party: Party;
}

/** What both clients sent, in the order of the recording; within one millisecond A, who asks, goes first, and ends last. */
function recordedOrder(): Timed[] {
  return PARTIES.flatMap((party) => segmentsOf(party).map((segment) => ({ ...segment, party })))
    .filter(({ direction }) => direction === "c2s")
    .sort((one, other) => one.tMs - other.tMs || Number(isOnlyEnd(one)) - Number(isOnlyEnd(other)));
}

function isOnlyEnd({ bytes }: Timed): boolean {
  return bytes.length === 12 && bytes[3] === FIN;
}

/**
 * As few writes as cause and effect allow: each handshake, then all that A says, then all that B says, and the
 * ends of streams behind the bytes that they end, since a bridge drops what an end overtakes.
 */
function coarseOrder(): Timed[] {
  const timed = (party: Party, bytes: Uint8Array): Timed => ({
    party,
    bytes,
    tMs: 0,
    direction: "c2s",
    isEnd: false,
  });
  const parts = (party: Party) => {
    const { messages, mux } = splitHandshake(bytesOf(party, "c2s"), "c2s");
    const [ends, others] = [true, false].map((wanted) =>
      concat(
        muxFrames(mux).filter(({ flags }) => (flags === FIN) === wanted).map(({ bytes }) => bytes),
      )
    );
    return { handshake: concat(messages), others: others!, ends: ends! };
  };
  const [a, b] = [parts("a"), parts("b")];
  return [
    timed("b", b.handshake),
    timed("a", concat([a.handshake, a.others])),
    timed("b", b.others),
    timed("a", a.ends),
    timed("b", b.ends),
    ...recordedOrder().filter(({ isEnd }) => isEnd),
  ];
}

/** Everything that our server sent to each client. */
async function replay(
  cut: Cut,
): Promise<{ sent: Record<Party, Uint8Array>; log: LogRecord[]; drawsLeft: number }> {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger, wallMs: 1_795_245_150_400 });
  const random = recordedRandom("server");
  const listener = new HandListener();
  const network = { listen: () => Promise.resolve(listener) } as unknown as Network;
  const log: LogRecord[] = [];
  const server = new DmsgServer({
    world: { clock, random, ledger, network },
    local: statics.server,
    log: logTo((record) => log.push(record), () => clock.wallMs()),
  });
  await server.listen(listener.address);
  const played = {} as Record<Party, Played>;
  for (const party of PARTIES) {
    const [near, far] = widePair(ledger);
    const conn = cut === "one byte at a time" ? recut(near, 1) : near;
    listener.give(asSocket(conn, { hostname: "127.0.0.1", port: 40_000 }));
    played[party] = new Played(far);
  }
  for (const { party, tMs, bytes, isEnd } of cut === "in one piece" ? coarseOrder() : recordedOrder()) {
    await clock.advance(Math.max(0, tMs - clock.monotonicMs()));
    if (isEnd) await played[party].conn.closeWrite();
    else played[party].send(bytes);
    await clock.advance(0);
  }
  assert.deepEqual(server.status().sessions, 0, "both sessions ended with their connections");
  const sent = { a: played.a.received, b: played.b.received };
  const closing = server.close();
  await clock.advance(1_000);
  await closing;
  for (const { conn } of Object.values(played)) conn.close();
  assertNothingAlive(ledger, ` of ${cut}`);
  return { sent, log, drawsLeft: random.left };
}

for (const cut of CUTS) {
  Deno.test(`the server takes both recorded clients, ${cut}, and sends what the Go server sent`, async () => {
    const { sent, log, drawsLeft } = await replay(cut);
    assert.equal(drawsLeft, 0);
    assert.deepEqual(log.filter(({ level }) => level === "warn" || level === "error"), []);
    let streams = 0;
    for (const party of PARTIES) {
      const [ours, theirs] = [sent[party], bytesOf(party, "s2c")].map((bytes) =>
        splitHandshake(bytes, "s2c")
      );
      assert.deepEqual(ours!.messages.map(toHex), theirs!.messages.map(toHex), "noise message 2");
      const [ourStreams, theirStreams] = [muxStreams(ours!.mux), muxStreams(theirs!.mux)];
      assert.deepEqual([...ourStreams.keys()].sort(), [...theirStreams.keys()].sort());
      const opener = recordedOpener(party, "s2c");
      for (const recorded of streamsOf(party)) {
        const [mine, wanted] = [ourStreams.get(recorded.stream)!, theirStreams.get(recorded.stream)!];
        const isLookup = recorded.request.fields.IPinfo === true;
        assert.equal(mine.isReset, false);
        assert.equal(mine.isOpened, wanted.isOpened);
        assert.equal(mine.isAccepted, wanted.isAccepted);
        if (isLookup) assertLookup(opener.open(splitObject(mine.data).object));
        else {
          // Counters, keys and signed bytes are the same, so the sealed bytes and the bridge's are, too.
          assert.equal(toHex(mine.data), toHex(wanted.data), `${party}'s stream ${recorded.stream}`);
          const object = party === "a" ? recorded.response : recorded.request;
          if (object !== undefined) {
            const opened = opener.open(splitObject(mine.data).object);
            assert.equal(toHex(opened), object.signed_object);
          }
        }
        streams++;
      }
    }
    assert.equal(streams, 5 + 4);
    const ping = muxFrames(splitHandshake(sent.a, "s2c").mux).find(({ type }) => type === 2);
    assert.equal(toHex(ping!.bytes), "000200020000000000000000");
  });
}

/** A look-up's answer is signed by the server, with another nonce than the Go server's. */
function assertLookup(object: Uint8Array): void {
  const { request, response } = streamsOf("a")[0]!;
  const answer = checkStreamResponse(parseSignedObject(object), {
    request: { hash: Uint8Array.fromHex(request.hash!) },
    destination: { publicKey: keyOf("server") },
  });
  assert.equal(toHex(answer.requestHash), response!.fields.ReqHash);
  assert.equal(toHex(answer.ip!), response!.fields.IP);
  assert.equal(answer.errorCode, 0);
  assert.equal(answer.noiseMessage.length, 0);
}

Deno.test("the recording is whole", () => {
  const withoutEnds = (party: Party) => segmentsOf(party).length;
  assert.equal(withoutEnds("a"), 46);
  assert.equal(withoutEnds("b"), 34);
  assert.equal(events.length, 16);
  assert.deepEqual(ephemeralCounts, { recorded: 11, drawn: 11 });
  assert.deepEqual([streamsOf("a").length, streamsOf("b").length], [5, 4]);
});
