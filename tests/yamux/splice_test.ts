/** Two streams joined: bytes intact, one stalled end, and every way to end. */
import assert from "node:assert/strict";
import { ConnClosedError, ConnResetError, Ledger, TimedOutError } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { spliceStreams, YamuxSession, type YamuxStream } from "../../lib/yamux/mod.ts";
import { memoryPair } from "../../lib/base/mod.ts";
import {
  frame,
  joined,
  pattern,
  Peer,
  randomInts,
  readAll,
  readCount,
  sessionPair,
  utf8,
  watch,
} from "./support.ts";

/** A -- relay -- B: two sessions that end in one process, A's streams spliced to new ones of B. */
async function withRelay(
  { idleMs, bytesMax }: { idleMs?: number; bytesMax?: number },
  test: (relay: {
    a: YamuxSession;
    b: YamuxSession;
    relayA: YamuxSession;
    relayB: YamuxSession;
    atB: YamuxStream[];
    ends: ReturnType<typeof watch<void>>[];
    clock: VirtualClock;
    settle: () => Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const world = { clock, ledger };
  const atB: YamuxStream[] = [];
  const ends: ReturnType<typeof watch<void>>[] = [];
  const { client: b, server: relayB } = sessionPair(world, {
    onStream: (stream) => atB.push(stream),
    bytesMax,
  });
  const { client: a, server: relayA } = sessionPair(world, {
    onStream: (stream) => ends.push(watch(spliceStreams(stream, relayB.open(), { idleMs }))),
    bytesMax,
  });
  await test({ a, b, relayA, relayB, atB, ends, clock, settle: () => clock.advance(0) });
  for (const session of [a, b, relayA, relayB]) session.close(new Error("done"));
  await Promise.all([a, b, relayA, relayB].map(({ closed }) => closed));
  await clock.advance(0);
  assert.deepEqual(ends.filter(({ state }) => state === "pending"), []);
  assert.deepEqual(ledger.live(), {});
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  Deno.test(`bytes pass a splice intact both ways, in random pieces (seed ${seed})`, () =>
    withRelay({ bytesMax: seed % 2 === 0 ? 1_000 : undefined }, async ({ a, atB, ends, settle }) => {
      const below = randomInts(seed);
      const streams = Array.from({ length: 3 }, () => a.open());
      await settle();
      const pieces = () =>
        Array.from({ length: 40 }, () => pattern(1 + below(below(4) === 0 ? 60_000 : 500), below(99)));
      await Promise.all(streams.map(async (near, index) => {
        const [there, back] = [pieces(), pieces()];
        const send = async (stream: YamuxStream, all: Uint8Array[]) => {
          for (const piece of all) {
            if (below(3) === 0) await stream.write(piece);
            else void stream.write(piece);
            if (below(5) === 0) await settleTurns(below(8));
          }
        };
        const far = atB[index]!;
        const [gotThere, gotBack] = await Promise.all([
          readCount(far, joined(there).length),
          readCount(near, joined(back).length),
          send(near, there),
          send(far, back),
        ]);
        assert.deepEqual(gotThere, joined(there));
        assert.deepEqual(gotBack, joined(back));
        near.close();
        assert.equal(await far.read(), null);
        far.close();
        await Promise.all([near.closed, far.closed]);
      }));
      await settle();
      assert.deepEqual(ends.map(({ state }) => state), ["done", "done", "done"]);
    }));
}

async function settleTurns(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await Promise.resolve();
}

Deno.test("the end of one direction closes both streams, after every byte before it", () =>
  withRelay({}, async ({ a, atB, relayA, relayB, ends, settle }) => {
    const near = a.open();
    await settle();
    const bytes = pattern(1_000_000);
    const got = readAll(atB[0]!);
    await near.write(bytes);
    await near.closeWrite();
    assert.deepEqual(await got, bytes);
    assert.equal(await near.read(), null, "and the other direction has ended with it");
    atB[0]!.close();
    await settle();
    assert.deepEqual([relayA.streamCount, relayB.streamCount], [0, 0]);
    assert.equal(ends[0]!.state, "done");
  }));

Deno.test("an end behind a full window waits for the window", () =>
  withRelay({}, async ({ a, atB, relayA, ends, settle }) => {
    const near = a.open();
    await settle();
    const bytes = pattern(262_144 + 100_000); // B's window, and more in the relay's queue
    await near.write(bytes);
    await near.closeWrite();
    await settle();
    assert.equal(ends[0]!.state, "pending");
    assert.equal(relayA.streamCount, 1);
    assert.deepEqual(await readAll(atB[0]!), bytes);
    await settle();
    assert.equal(ends[0]!.state, "done");
  }));

Deno.test("a reset on either side resets the other, and the splice tells why", () =>
  withRelay({}, async ({ a, atB, relayA, relayB, ends, settle }) => {
    const [first, second] = [a.open(), a.open()];
    await settle();
    first.close(new Error("A gave up"));
    atB[1]!.close(new Error("B gave up"));
    await settle();
    await assert.rejects(atB[0]!.read(), ConnResetError);
    await assert.rejects(second.read(), ConnResetError);
    for (const end of ends) assert.ok(end.error instanceof ConnResetError);
    assert.deepEqual([relayA.streamCount, relayB.streamCount], [0, 0]);
  }));

Deno.test("the end of a session ends the streams of the other one, and only those that were joined", () =>
  withRelay({}, async ({ a, b, atB, relayA, relayB, ends, settle }) => {
    a.open();
    await settle();
    b.open(); // not joined to anything
    await settle();
    a.close();
    await a.closed;
    await settle();
    assert.equal(relayA.isLive, false);
    assert.equal(relayB.streamCount, 1);
    assert.equal(relayB.isLive, true);
    await assert.rejects(atB[0]!.read(), ConnResetError);
    assert.ok(ends[0]!.error instanceof ConnResetError);
  }));

Deno.test("closing a spliced stream closes both", () => {
  const joints: YamuxStream[] = [];
  return withPair(async ({ open, settle, clock }) => {
    for (const reason of [undefined, new Error("operator")]) {
      const [near, far, nearPeer, farPeer] = open();
      joints.push(near, far);
      const end = watch(spliceStreams(near, far, { idleMs: 60_000 }));
      near.close(reason);
      await settle();
      const frameText = `window_update ${reason === undefined ? "FIN" : "RST"}`;
      assert.ok(nearPeer.takeFrames().some((frame) => frame.startsWith(frameText)));
      assert.ok(farPeer.takeFrames().some((frame) => frame.startsWith(frameText)));
      assert.equal(end.state, reason === undefined ? "done" : "failed");
      assert.equal(end.error?.cause, reason);
    }
    await clock.advance(1);
  });
});

Deno.test("a stalled receiver holds back its own sender only, and the queue is its window", () =>
  withRelay({}, async ({ a, atB, relayA, settle }) => {
    const stalled = a.open();
    await settle();
    const stuck = watch(stalled.write(new Uint8Array(1_000_000)));
    await settle();
    assert.equal(stuck.state, "pending");
    // B's window has gone through. As much of A's again waits here, less what is not worth an update yet.
    const received = relayA.bytesIn;
    assert.ok(received > 262_144 + 131_072 && received < 2 * 262_144 + 1_000, `${received} bytes came in`);
    const others = Array.from({ length: 4 }, () => a.open());
    await settle();
    const bytes = pattern(1_500_000, 7);
    const writes = others.map((stream) => stream.write(bytes));
    for (const far of atB.slice(1)) assert.deepEqual(await readCount(far, bytes.length), bytes);
    await Promise.all(writes);
    assert.equal(stuck.state, "pending");
    await readCount(atB[0]!, 1_000_000);
    await settle();
    assert.equal(stuck.state, "done");
  }));

Deno.test("a splice that moves nothing for its idle limit is reset; one byte in time keeps it", () =>
  withRelay({ idleMs: 300_000 }, async ({ a, atB, ends, clock, settle, relayA, relayB }) => {
    const near = a.open();
    await settle();
    await clock.advance(200_000);
    await near.write(utf8("x"));
    assert.equal((await atB[0]!.read())!.length, 1);
    await clock.advance(299_999);
    assert.equal(ends[0]!.state, "pending");
    await clock.advance(1);
    assert.ok(ends[0]!.error instanceof TimedOutError && ends[0]!.error.afterMs === 300_000);
    await assert.rejects(near.read(), ConnResetError);
    assert.deepEqual([relayA.streamCount, relayB.streamCount], [0, 0]);
  }));

Deno.test("what had arrived before the splice goes first, an end included", () =>
  withPair(async ({ open, settle }) => {
    const [near, far, nearPeer, farPeer] = open();
    nearPeer.send(frame("data FIN 2", utf8("early")));
    await settle();
    const written = far.write(utf8("answer, "));
    const end = watch(spliceStreams(near, far));
    await written;
    await settle();
    assert.equal(end.state, "done");
    const bytes = farPeer.takeBytes();
    assert.match(new TextDecoder().decode(bytes), /answer, early/);
    assert.ok(nearPeer.takeFrames().includes("window_update FIN 2 0"));
  }));

Deno.test("what had arrived on the second stream goes first as well", () =>
  withPair(async ({ open, settle }) => {
    const [near, far, nearPeer, farPeer] = open();
    farPeer.send(frame("data 2", utf8("early")));
    await settle();
    nearPeer.takeBytes();
    const end = spliceStreams(near, far);
    await settle();
    assert.deepEqual(nearPeer.takeFrames(), ["data 2 5"]);
    farPeer.send(frame("window_update FIN 2 0"));
    await end;
  }));

Deno.test("a header goes out only with the bytes that are at hand", () =>
  withPair(async ({ open, settle }) => {
    const [near, far, nearPeer, farPeer] = open();
    const end = spliceStreams(near, far);
    nearPeer.send(frame("data 2 1000").subarray(0, 12), pattern(300));
    await settle();
    assert.deepEqual(farPeer.takeFrames(), ["window_update SYN 2 0", "data 2 300"]);
    nearPeer.send(pattern(700));
    await settle();
    assert.deepEqual(farPeer.takeFrames(), ["data 2 700"]);
    nearPeer.send(frame("window_update FIN 2 0"));
    await end;
  }));

Deno.test("a window is announced as its bytes are moved, not as they arrive", () =>
  withPair(async ({ open, settle }) => {
    const [near, far, nearPeer, farPeer] = open();
    const end = spliceStreams(near, far);
    for (const half of [1, 2]) {
      nearPeer.send(frame("data 2", pattern(131_072)));
      await settle();
      assert.deepEqual(updates(nearPeer), [131_072], `half ${half} went into B's window`);
    }
    nearPeer.send(frame("data 2", pattern(262_144)));
    await settle();
    assert.deepEqual(updates(nearPeer), [], "none of it did");
    farPeer.send(frame("window_update 2 131071"));
    await settle();
    assert.deepEqual(updates(nearPeer), []);
    farPeer.send(frame("window_update 2 1"));
    await settle();
    assert.deepEqual(updates(nearPeer), [131_072]);
    nearPeer.send(frame("window_update RST 2 0"));
    await assert.rejects(end, ConnResetError);
  }));

Deno.test("two streams of one session can be spliced: a client that dials itself through its server", async () => {
  const ledger = new Ledger();
  const world = { ledger, clock: new VirtualClock({ ledger }) };
  const [nearConn, farConn] = memoryPair({ ledger });
  const incoming = Promise.withResolvers<YamuxStream>();
  const client = new YamuxSession(nearConn, { role: "client", world, onStream: incoming.resolve });
  const ends: Promise<void>[] = [];
  const server = new YamuxSession(farConn, {
    role: "server",
    world,
    onStream: (stream) => ends.push(spliceStreams(stream, stream.session.open())),
  });
  const near = client.open();
  const far = await incoming.promise;
  const bytes = pattern(1_000_000);
  const [there, back] = await Promise.all([
    readCount(far, bytes.length),
    readCount(near, bytes.length),
    near.write(bytes),
    far.write(bytes),
  ]);
  assert.deepEqual(there, bytes);
  assert.deepEqual(back, bytes);
  far.close();
  assert.equal(await near.read(), null);
  near.close();
  await Promise.all(ends);
  assert.equal(ends.length, 1);
  client.close();
  await Promise.all([client.closed, server.closed]);
  assert.deepEqual(ledger.live(), {});
});

Deno.test("only free streams can be spliced, and a spliced one is not for reading", () =>
  withPair(async ({ open, settle }) => {
    const [near, far] = open();
    assert.throws(() => spliceStreams(near, near), TypeError);
    const reading = near.read();
    assert.throws(() => spliceStreams(near, far), TypeError);
    near.close();
    await assert.rejects(reading, ConnClosedError);
    await assert.rejects(spliceStreams(near, far), ConnClosedError, "a dead stream ends the splice at once");
    const [a, b] = open();
    const end = spliceStreams(a, b);
    assert.throws(() => spliceStreams(b, a), TypeError);
    await assert.rejects(a.read(), TypeError);
    await assert.rejects(a.write(utf8("x")), TypeError);
    a.close();
    await end;
    await settle();
  }));

function updates(peer: Peer): number[] {
  return peer.takeFrames()
    .filter((frame) => /^window_update \d/.test(frame))
    .map((frame) => Number(frame.split(" ").at(-1)));
}

/** Two sessions of a relay, with both far ends played by hand. */
async function withPair(
  test: (bench: {
    open: () => [near: YamuxStream, far: YamuxStream, nearPeer: Peer, farPeer: Peer];
    settle: () => Promise<void>;
    clock: VirtualClock;
  }) => Promise<void>,
): Promise<void> {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const sessions: YamuxSession[] = [];
  const peers: Peer[] = [];
  const make = () => {
    const [near, far] = memoryPair({ bytesMax: 1024 * 1024, ledger });
    const session = new YamuxSession(near, { role: "server", world: { clock, ledger }, onStream() {} });
    sessions.push(session);
    const peer = new Peer(far).start();
    peers.push(peer);
    return [session, peer] as const;
  };
  const open = (): [YamuxStream, YamuxStream, Peer, Peer] => {
    const [[near, nearPeer], [far, farPeer]] = [make(), make()];
    return [near.open(), far.open(), nearPeer, farPeer]; // number 2, both of them
  };
  await test({ open, settle: () => clock.advance(0), clock });
  for (const session of sessions) session.close(new Error("done"));
  for (const peer of peers) peer.conn.close();
  await Promise.all(sessions.map(({ closed }) => closed));
  await clock.advance(0);
  assert.deepEqual(ledger.live(), {});
}
