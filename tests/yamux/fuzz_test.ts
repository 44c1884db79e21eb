/** Any bytes give frames or a typed end, in bounded memory; any schedule of two sessions carries every byte. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Ledger, memoryPair, SkyError } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { putHeader } from "../../lib/yamux/frame.ts";
import { YamuxSession, type YamuxStream } from "../../lib/yamux/mod.ts";
import { joined, pattern, Peer, randomInts, sessionPair } from "./support.ts";

/** A frame that is likely to mean something: few ids, few flags, sometimes the wrong length. */
const likelyFrame = fc.record({
  type: fc.integer({ min: 0, max: 4 }),
  flags: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(0, 1, 2, 4, 5, 8) },
    fc.integer({ min: 0, max: 0xffff }),
  ),
  id: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 6 }) }, fc.nat(0xffff_ffff)),
  length: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 40 }) }, fc.nat(0xffff_ffff)),
  payload: fc.uint8Array({ maxLength: 40 }),
  isHonest: fc.boolean(),
}).map(({ type, flags, id, length, payload, isHonest }) => {
  const isData = type === 0;
  const bytes = new Uint8Array(12 + (isData ? payload.length : 0));
  putHeader(
    bytes,
    0,
    type === 4 && isHonest ? 1 : type,
    flags,
    id,
    isData && isHonest ? payload.length : length,
  );
  if (isData) bytes.set(payload, 12);
  return bytes;
});

const input = fc.oneof(
  fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 10 }),
  fc.array(likelyFrame, { maxLength: 40 }),
);

Deno.test("any bytes: a session lives on, or ends with a typed error and leaves nothing", async () => {
  let ran = 0, lived = 0;
  const property = fc.asyncProperty(
    input,
    fc.constantFrom("client", "server"),
    fc.nat(),
    async (pieces, role, seed) => {
      const below = randomInts(seed);
      const ledger = new Ledger();
      const clock = new VirtualClock({ ledger });
      const [near, far] = memoryPair({ ledger });
      const peer = new Peer(far).start();
      const touch = (stream: YamuxStream) => {
        const act = below(6);
        if (act === 0) stream.close();
        else if (act === 1) stream.close(new Error("fuzz"));
        else if (act === 2) stream.closeWrite().catch(() => {});
        else if (act === 3) stream.write(pattern(below(400))).catch(() => {});
        else if (act === 4) stream.read().catch(() => {});
      };
      const session = new YamuxSession(near, { role, world: { clock, ledger }, onStream: touch });
      for (let count = below(4); count > 0; count--) touch(session.open());
      const bytes = joined(pieces);
      for (let offset = 0; offset < bytes.length;) {
        const end = Math.min(bytes.length, offset + 1 + below(64));
        peer.send(bytes.subarray(offset, end));
        offset = end;
      }
      await clock.advance(0);
      if (session.isLive) lived++;
      else if (session.failure !== undefined) assert.ok(session.failure instanceof SkyError);
      session.close(new Error("done"));
      far.close();
      await session.closed;
      await clock.advance(0);
      assert.deepEqual(ledger.live(), {});
      ran++;
    },
  );
  await fc.assert(property, { numRuns: 400, seed: 20_260_101 });
  assert.ok(ran >= 400 && lived > 40 && lived < ran - 40, `${lived} of ${ran} lived`);
});

for (const seed of [11, 12, 13, 14, 15, 16, 17, 18]) {
  Deno.test(`two sessions agree on every byte under a random schedule (seed ${seed})`, async () => {
    const below = randomInts(seed);
    const ledger = new Ledger();
    const world = { ledger, clock: new VirtualClock({ ledger }) };
    const accepted = new Map<string, YamuxStream>();
    const names = { odd: "client", even: "server" };
    const { client, server } = sessionPair(world, {
      bytesMax: [37, 1_000, 64 * 1024][seed % 3],
      onStream: (stream) =>
        accepted.set(`${stream.id % 2 === 1 ? names.odd : names.even} ${stream.id}`, stream),
    });
    const streams: [name: string, near: YamuxStream][] = [];
    for (let index = 0; index < 6; index++) {
      const [name, session] = below(2) === 0 ? ["client", client] as const : ["server", server] as const;
      const stream = session.open();
      streams.push([`${name} ${stream.id}`, stream]);
    }
    await world.clock.advance(0);
    const pause = async () => {
      for (let turns = below(12); turns > 0; turns--) await Promise.resolve();
    };
    const send = async (stream: YamuxStream, bytes: Uint8Array) => {
      for (let offset = 0; offset < bytes.length;) {
        const end = Math.min(bytes.length, offset + 1 + below(below(6) === 0 ? 300_000 : 3_000));
        const written = stream.write(bytes.slice(offset, end));
        if (below(2) === 0) await written;
        await pause();
        offset = end;
      }
      await stream.closeWrite();
    };
    const receive = async (stream: YamuxStream) => {
      const pieces: Uint8Array[] = [];
      for (let view = await stream.read(); view !== null; view = await stream.read()) {
        pieces.push(view.slice());
        view.fill(0xee); // a view is the reader's to change
        await pause();
      }
      return joined(pieces);
    };
    await Promise.all(streams.map(async ([name, near], index) => {
      const far = accepted.get(name)!;
      const [there, back] = [pattern(below(900_000), index), pattern(below(50_000), index + 50)];
      const [gotThere, gotBack] = await Promise.all([
        receive(far),
        receive(near),
        send(near, there),
        send(far, back),
      ]);
      assert.deepEqual(gotThere, there);
      assert.deepEqual(gotBack, back);
      await Promise.all([near.closed, far.closed]);
    }));
    assert.deepEqual([client.streamCount, server.streamCount], [0, 0]);
    assert.deepEqual([client.bytesIn, server.bytesIn], [server.bytesOut, client.bytesOut]);
    client.close();
    await Promise.all([client.closed, server.closed]);
    assert.deepEqual(ledger.live(), {});
  });
}
