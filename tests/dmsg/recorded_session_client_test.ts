/** The recorded bytes of the Go server, replayed at our client: as A, who dials, and as B, who answers. */
import assert from "node:assert/strict";
import {
  type Conn,
  Ledger,
  type LogRecord,
  logTo,
  Scope,
  silentLog,
  TimedOutError,
} from "../../lib/base/mod.ts";
import { parsePublicKey, toHex } from "../../lib/crypto/mod.ts";
import { initiateStream } from "../../lib/dmsg/_initiate.ts";
import { PortTable } from "../../lib/dmsg/_port_table.ts";
import { respondToStream } from "../../lib/dmsg/_respond.ts";
import {
  answerPings,
  checkStreamRequest,
  checkStreamResponse,
  connectSession,
  decodeStreamResponse,
  encodeStreamResponse,
  Listener,
  parseSignedObject,
  pingOnce,
  type Session,
  signObject,
} from "../../lib/dmsg/mod.ts";
import { HttpClient, type RawHandler, serveHttpConn } from "../../lib/http/mod.ts";
import { ObjectOpener, ObjectSealer } from "../../lib/noise/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import type { YamuxStream } from "../../lib/yamux/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import {
  bytesOf,
  concat,
  type Direction,
  events,
  keyOf,
  muxFrame,
  muxFrames,
  muxStreams,
  NO_OFFER,
  type Party,
  plaintext,
  recordedOpener,
  recordedRandom,
  segmentsOf,
  sessionKey,
  splitHandshake,
  splitObject,
  statics,
  streamsOf,
  streamToPort,
} from "./_recording.ts";
import { Played, recut, widePair } from "./_wires.ts";

type Cut = "as recorded" | "one byte at a time" | "in one piece";
const CUTS: readonly Cut[] = ["as recorded", "one byte at a time", "in one piece"];
const SERVER_ADDRESS = { hostname: "127.0.0.1", port: 41_355 };
const [SYN, ACK, FIN] = [1, 2, 4] as const;

/** What A wrote and read back, in order: 10, 1, 4070, 4071 and 10000 bytes. */
const ECHOES = events.flatMap(({ plaintext }) =>
  plaintext === undefined ? [] : [Uint8Array.fromHex(plaintext)]
);

const HTTP_ANSWER_BODY = `host=${keyOf("b")}:80 remote=${keyOf("a")}:49156 method=POST body="body!"`;

interface Bench {
  readonly clock: VirtualClock;
  readonly ledger: Ledger;
  readonly log: LogRecord[];
  readonly session: Session;
  readonly server: Played;
  readonly random: ReturnType<typeof recordedRandom>;
}

/** A session of ours, as `party`, with the recorded server; its three handshake messages are the recorded ones. */
async function withRecordedServer(
  party: Party,
  cut: Cut,
  onStream: (stream: YamuxStream, session: Session, bench: Omit<Bench, "session" | "server">) => void,
  test: (bench: Bench) => Promise<void>,
): Promise<void> {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger, wallMs: 1_795_245_150_800 });
  const random = recordedRandom(party);
  const records: LogRecord[] = [];
  const log = logTo((record) => records.push(record), () => clock.wallMs());
  const [near, far] = widePair(ledger);
  const server = new Played(far);
  const connecting = connectSession(
    cut === "one byte at a time" ? recut(near, 1) : near,
    SERVER_ADDRESS,
    keyOf("server"),
    {
      world: { clock, random, ledger },
      local: statics[party],
      log,
      postQuantum: NO_OFFER,
      onStream: (stream, session) => onStream(stream, session, { clock, ledger, log: records, random }),
    },
  );
  await clock.advance(0);
  const { messages: [message2] } = splitHandshake(bytesOf(party, "s2c"), "s2c");
  server.send(message2!);
  await clock.advance(50);
  const session = await connecting;
  const { messages } = splitHandshake(bytesOf(party, "c2s"), "c2s");
  assert.equal(toHex(server.received), toHex(concat(messages)), "noise messages 1 and 3");
  assert.equal(session.remote, keyOf("server"));
  await test({ clock, ledger, log: records, session, server, random });
  session.close();
  await clock.advance(0);
  await session.closed;
  far.close();
  assert.equal(random.left, 0, "every recorded ephemeral key was used");
  assertNothingAlive(ledger, ` of ${party}, ${cut}`);
}

/** What our client sent behind its handshake. */
function sentBy({ server }: Bench): Uint8Array {
  return splitHandshake(server.received, "c2s").mux;
}

/** Reads what a stream gives up to `bytes` bytes. */
async function readBytes(conn: Conn, bytes: number): Promise<Uint8Array> {
  return await new ConnReader(conn).readExactly(bytes);
}

/**
 * Plays the recorded server for one stream of A: acknowledges it, answers the request in the recorded way (the
 * hash and with it the signature are of our request, as signatures differ), and sends what B said.
 */
class PlayedStream {
  readonly #bench: Bench;
  readonly #opener = new ObjectOpener(sessionKey("a", "c2s"));
  readonly #sealer = new ObjectSealer(sessionKey("a", "s2c"));
  readonly #cut: Cut;

  constructor(bench: Bench, cut: Cut) {
    this.#bench = bench;
    this.#cut = cut;
    this.#sealer.seal(new Uint8Array(1)); // counter 1 went with the answer to the look-up
  }

  /** The request that came on the stream to `port`, held against the recorded one. */
  acceptRequest(port: number) {
    const recorded = streamToPort(port);
    const data = muxStreams(sentBy(this.#bench)).get(recorded.stream)!.data;
    const signed = parseSignedObject(this.#opener.open(splitObject(data).object).slice());
    const request = checkStreamRequest(signed);
    const { SrcAddr, DstAddr, NoiseMsg = "", IPinfo = false } = recorded.request.fields;
    assert.equal(`${request.source.publicKey}:${request.source.port}`, `${SrcAddr!.PK}:${SrcAddr!.Port}`);
    assert.equal(
      `${request.destination.publicKey}:${request.destination.port}`,
      `${DstAddr!.PK}:${DstAddr!.Port}`,
    );
    assert.equal(request.ipInfo, IPinfo);
    assert.equal(toHex(request.noiseMessage), NoiseMsg, "KK message 1");
    return { recorded, signed };
  }

  /** Answers it and sends B's frames, in one breath or in three. */
  answer(port: number): void {
    const { recorded, signed } = this.acceptRequest(port);
    const response = parseSignedObject(Uint8Array.fromHex(recorded.response!.signed_object));
    const rewritten = signObject(
      encodeStreamResponse({ ...decodeStreamResponse(response.body), requestHash: signed.hash }, "2024"),
      statics.b.secretKey,
    );
    const data = muxStreams(splitHandshake(bytesOf("a", "s2c"), "s2c").mux).get(recorded.stream)!.data;
    const frames = [
      muxFrame(recorded.stream, new Uint8Array(0), ACK),
      muxFrame(recorded.stream, this.#sealer.seal(rewritten.bytes)),
      muxFrame(recorded.stream, splitObject(data).rest),
    ];
    for (const bytes of this.#cut === "in one piece" ? [concat(frames)] : frames) {
      this.#bench.server.send(bytes);
    }
  }

  end(port: number): void {
    this.#bench.server.send(muxFrame(streamToPort(port).stream, new Uint8Array(0), FIN));
  }
}

for (const cut of CUTS) {
  Deno.test(`as A our client dials through the recorded server, ${cut}`, () =>
    withRecordedServer("a", cut, () => assert.fail("nobody dials A"), async (bench) => {
      const { clock, session, server, random, ledger } = bench;
      const played = new PlayedStream(bench, cut);

      const pinged = session.mux.ping();
      await clock.advance(0);
      server.send(
        muxFrames(splitHandshake(bytesOf("a", "s2c"), "s2c").mux).find(({ type }) => type === 2)!.bytes,
      );
      await clock.advance(0);
      assert.equal(await pinged, 0);

      await lookUpIp(bench);

      let sourcePort = 49_153;
      const dial = async (port: number, timeoutMs?: number) => {
        const dialling = initiateStream(session, {
          world: { clock, random, ledger },
          local: statics.a,
          source: { publicKey: keyOf("a"), port: ++sourcePort },
          destination: { publicKey: keyOf("b"), port },
          postQuantum: NO_OFFER,
          timeoutMs,
        });
        const outcome = dialling.catch((error: unknown) => error);
        await clock.advance(0);
        return { dialling, outcome };
      };
      /** Dials and is answered; the frames that leave are compared once the stream is over. */
      const dialed = async (port: number): Promise<Conn> => {
        const { dialling } = await dial(port);
        played.answer(port);
        const { conn, remote } = await dialling;
        assert.equal(remote, keyOf("b"));
        return conn;
      };
      const over = async (port: number, conn: Conn) => {
        played.end(port);
        await clock.advance(0);
        conn.close();
        await clock.advance(0);
        const [ours, theirs] = [sentBy(bench), splitHandshake(bytesOf("a", "c2s"), "c2s").mux].map((mux) =>
          muxStreams(mux).get(streamToPort(port).stream)!
        );
        assert.equal(toHex(splitObject(ours!.data).rest), toHex(splitObject(theirs!.data).rest));
        assert.equal(ours!.isEnded, true);
      };

      const echo = await dialed(1000);
      const reader = new ConnReader(echo);
      for (const sent of ECHOES) {
        await echo.write(sent.slice());
        assert.equal(toHex(await reader.readExactly(sent.length)), toHex(sent));
      }
      await over(1000, echo);

      const control = await dialed(7);
      assert.equal(await pingOnce(control, new ConnReader(control), clock), 0);
      await over(7, control);

      const http = new HttpClient({ clock, ledger, userAgent: "vector", dial: () => dialed(80) });
      const response = await http.send({
        method: "POST",
        url: `http://${keyOf("b")}:80/hello?x=1`,
        headers: [],
        body: "body!",
      });
      assert.equal(response.status, 200);
      assert.equal(await response.text(1_000), HTTP_ANSWER_BODY);
      await http.close();
      const wrote = muxStreams(sentBy(bench)).get(streamToPort(80).stream)!;
      const recordedWrote = muxStreams(splitHandshake(bytesOf("a", "c2s"), "c2s").mux)
        .get(streamToPort(80).stream)!;
      assert.equal(toHex(splitObject(wrote.data).rest), toHex(splitObject(recordedWrote.data).rest));

      const { outcome } = await dial(9999, 2_000);
      played.acceptRequest(9999);
      server.send(muxFrame(streamToPort(9999).stream, new Uint8Array(0), ACK));
      await clock.advance(1_999);
      assert.equal(session.mux.streamCount > 0, true);
      await clock.advance(1);
      assert.ok(await outcome instanceof TimedOutError);
      assert.equal(session.isLive, true, "a dial that got no answer ends nothing but its stream");

      const frames = muxFrames(sentBy(bench));
      const opened = frames.filter(({ type, flags }) => type !== 2 && (flags & SYN) !== 0);
      assert.deepEqual(opened.map(({ stream }) => stream), [1, 3, 5, 7, 9]);
    }));
}

/** The recorded look-up, sent as it was signed: its recorded answer is accepted. */
async function lookUpIp({ session, clock, server }: Bench): Promise<void> {
  const [recorded] = streamsOf("a");
  const request = parseSignedObject(Uint8Array.fromHex(recorded!.request.signed_object));
  const stream = session.mux.open();
  await stream.write(session.sealer.seal(request.bytes));
  await clock.advance(0);
  const ofStream = (direction: Direction) =>
    muxStreams(splitHandshake(bytesOf("a", direction), direction).mux).get(1)!;
  assert.equal(
    toHex(muxStreams(splitHandshake(server.received, "c2s").mux).get(1)!.data),
    toHex(ofStream("c2s").data),
  );
  server.send(concat([muxFrame(1, new Uint8Array(0), ACK), muxFrame(1, ofStream("s2c").data)]));
  const data = await readBytes(stream, ofStream("s2c").data.length);
  const answer = checkStreamResponse(
    parseSignedObject(session.opener.open(splitObject(data).object.slice())),
    { request, destination: { publicKey: keyOf("server") } },
  );
  assert.equal(toHex(answer.ip!), "7f000001");
  stream.close();
}

for (const cut of CUTS) {
  Deno.test(`as B our client answers what the recorded server forwards, ${cut}`, async () => {
    const ports = new PortTable();
    const responding: Promise<void>[] = [];
    const aborter = new AbortController();
    await withRecordedServer("b", cut, (stream, session, { clock, ledger, random, log }) => {
      responding.push(respondToStream(stream, session, {
        world: { clock, ledger, random },
        local: statics.b,
        ports,
        log: logTo((record) => log.push(record), () => clock.wallMs()),
        postQuantum: NO_OFFER,
        readIdleMs: 120_000,
        signal: aborter.signal,
      }));
    }, async (bench) => {
      const { clock, server, session, log } = bench;
      await using scope = new Scope();
      serveRecordedPorts(ports, scope, bench);
      const pieces = cut === "in one piece"
        ? [splitHandshake(bytesOf("b", "s2c"), "s2c").mux]
        : segmentsOf("b").filter(({ direction, isEnd }) => direction === "s2c" && !isEnd).slice(1)
          .map(({ bytes }) => bytes);
      for (const bytes of pieces) {
        server.send(bytes);
        await clock.advance(0);
      }
      await Promise.all(responding);
      await clock.advance(0);
      assert.equal(responding.length, 4);

      const [ours, theirs] = [sentBy(bench), splitHandshake(bytesOf("b", "c2s"), "c2s").mux].map(muxStreams);
      const [opener, recordedOpens] = [recordedOpener("b", "c2s"), recordedOpener("b", "c2s")];
      let answered = 0;
      for (const { stream, request, response, frames_responder_to_initiator } of streamsOf("b")) {
        const [mine, recorded] = [ours!.get(stream)!, theirs!.get(stream)!];
        assert.equal(mine.isAccepted, true);
        assert.equal(mine.isReset, false);
        if (response === undefined) {
          assert.equal(request.fields.DstAddr!.Port, "9999");
          assert.equal(mine.data.length, 0, "nobody listens: nothing is said");
          assert.equal(mine.isEnded, true, "and the stream ends");
          continue;
        }
        const [sent, wanted] = [splitObject(mine.data), splitObject(recorded.data)];
        const signed = parseSignedObject(opener.open(sent.object.slice()));
        const fields = checkStreamResponse(signed, {
          request: { hash: Uint8Array.fromHex(request.hash!) },
          destination: { publicKey: parsePublicKey(request.fields.DstAddr!.PK) },
        });
        assert.equal(toHex(recordedOpens.open(wanted.object.slice())), response.signed_object);
        assert.equal(toHex(fields.noiseMessage), response.fields.NoiseMsg, "KK message 2");
        assert.equal(toHex(fields.requestHash), response.fields.ReqHash);
        assert.equal(fields.errorCode, 0);
        // The frames are sealed with keys and counters of the recording: equal to the byte, whatever they hold.
        assert.equal(toHex(sent.rest), toHex(wanted.rest));
        assert.ok(plaintext(frames_responder_to_initiator).length > 0);
        answered++;
      }
      assert.equal(answered, 3);
      assert.deepEqual(
        log.map(({ fields }) => fields.cause),
        ["dmsg error 306 - request has no associated listener"],
      );
      assert.equal(session.isLive, true);
      for (const listener of ports.listeners()) listener.close();
    });
    aborter.abort();
  });
}

/** B's services, as the test program of the recording ran them. */
function serveRecordedPorts(ports: PortTable, scope: Scope, { clock, ledger }: Bench): void {
  const serve = (port: number, work: (conn: Conn) => Promise<void>) => {
    const listener = new Listener(port, (closed) => ports.unbind(closed));
    ports.bind(listener);
    scope.spawn(`port ${port}`, async () => {
      const stream = (await listener.accept())!;
      assert.equal(stream.remote.publicKey, keyOf("a"));
      assert.equal(stream.local.port, port);
      assert.equal(stream.server, keyOf("server"));
      await work(stream);
      stream.close();
    });
  };
  serve(1000, async (stream) => {
    const reader = new ConnReader(stream);
    for (const sent of ECHOES) await stream.write(await reader.readExactly(sent.length));
    assert.equal(await stream.read(), null);
  });
  serve(7, answerPings);
  serve(80, async (stream) => {
    const raw = async ({ method, host, remote, body }: Parameters<RawHandler>[0]) => {
      const text = new TextDecoder().decode((await body.read())!);
      return {
        status: 200,
        headers: [["Content-Type", "text/plain"]] as [string, string][],
        body: `host=${host} remote=${remote} method=${method} body="${text}"`,
      };
    };
    await serveHttpConn(stream, { raw }, {
      clock,
      ledger,
      remote: `${keyOf("a")}:49156`,
      sendDate: false,
      log: silentLog,
    });
  });
}

Deno.test("the recorded echoes are those of five lengths", () => {
  assert.deepEqual(ECHOES.map(({ length }) => length), [10, 1, 4070, 4071, 10_000]);
  assert.equal(toHex(plaintext(streamToPort(1000).frames_initiator_to_responder)), toHex(concat(ECHOES)));
});
