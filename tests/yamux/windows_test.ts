/** Flow control: who may send how much, and who waits for whom. */
import assert from "node:assert/strict";
import { type Conn, ConnClosedError, Ledger, memoryPair } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { WINDOW_BYTES } from "../../lib/yamux/frame.ts";
import { FrameReader } from "../../lib/yamux/_frame_reader.ts";
import { WindowBudget, YamuxSession, type YamuxStream } from "../../lib/yamux/mod.ts";
import {
  frame,
  framesOf,
  joined,
  pattern,
  readCount,
  sessionPair,
  utf8,
  watch,
  withBench,
} from "./support.ts";

/** 1 MiB for a stream and more, 4 MiB for all of a session. */
const LARGE = { windowBytesMax: 16 << 20, windowExtraBytesMax: 4 << 20 };

Deno.test("a window update goes out when half of the window was taken, with exactly that number", () =>
  withBench({}, async ({ peer, accepted, settle }) => {
    peer.send(frame("data SYN 1", pattern(131_071)));
    await readCount((await settle(), accepted[0]!), 131_071);
    await settle();
    assert.deepEqual(peer.takeFrames(), ["window_update ACK 1 0"], "one byte is missing");
    peer.send(frame("data 1", pattern(3)));
    await readCount(accepted[0]!, 3);
    await settle();
    assert.deepEqual(peer.takeFrames(), ["window_update 1 131074"]);
    // 262144 - 131074 were left, and 131074 came back: the whole window, to the byte.
    peer.send(frame("data 1", pattern(262_144)));
    await settle();
    await readCount(accepted[0]!, 262_144);
    await settle();
    assert.deepEqual(peer.takeFrames(), ["window_update 1 262144"]);
  }));

Deno.test("bytes that nobody took are not announced, and the window is exact", () =>
  withBench({}, async ({ session, peer, settle }) => {
    peer.send(frame("data SYN 1", pattern(200_000)), frame("data 1", pattern(62_144)));
    await settle();
    assert.deepEqual(peer.takeFrames(), ["window_update ACK 1 0"]);
    assert.equal(session.isLive, true);
    peer.send(frame("data 1", utf8("x")));
    await session.closed;
    assert.ok(session.failure instanceof Error);
  }));

Deno.test("nothing is announced behind the peer's FIN", () =>
  withBench({}, async ({ peer, accepted, settle }) => {
    peer.send(frame("data SYN|FIN 1", pattern(200_000)));
    await settle();
    await readCount(accepted[0]!, 200_000);
    await settle();
    assert.deepEqual(peer.takeFrames(), ["window_update ACK 1 0"]);
  }));

Deno.test("a writer sends the window to the byte, then waits for an update", () =>
  withBench({ role: "client" }, async ({ session, peer, settle }) => {
    const stream = session.open();
    const bytes = pattern(WINDOW_BYTES + 10);
    const writing = watch(stream.write(bytes));
    const second = watch(stream.write(utf8("next")));
    await settle();
    const first = peer.takeBytes();
    assert.equal(dataBytes(first), WINDOW_BYTES);
    assert.equal(writing.state, "pending");
    peer.send(frame("window_update ACK 1 9"));
    await settle();
    assert.equal(dataBytes(peer.takeBytes()), 9);
    assert.equal(writing.state, "pending");
    peer.send(frame("window_update 1 3"));
    await settle();
    assert.equal(writing.state, "done");
    assert.equal(second.state, "pending");
    assert.equal(dataBytes(peer.takeBytes()), 3);
    peer.send(frame("window_update 1 100"));
    await settle();
    assert.equal(second.state, "done");
    assert.deepEqual(peer.takeFrames(), ["data 1 2"]);
  }));

function dataBytes(bytes: Uint8Array): number {
  return framesOf(bytes)
    .filter((frame) => frame.startsWith("data"))
    .reduce((sum, frame) => sum + Number(frame.split(" ").at(-1)), 0);
}

Deno.test("a window of 2^32 - 1, announced twice, is no more than that", () =>
  withBench({ role: "client" }, async ({ session, peer, settle }) => {
    const stream = session.open();
    peer.send(frame("window_update ACK 1 4294967295"), frame("window_update 1 4294967295"));
    await settle();
    const writing = watch(stream.write(new Uint8Array(1_000_000)));
    await settle();
    assert.equal(writing.state, "done");
  }));

Deno.test("closeWrite() waits for the writes before it; close() gives them up", () =>
  withBench({ role: "client" }, async ({ session, peer, settle }) => {
    const [waiting, dropped] = [session.open(), session.open()];
    const writes = [waiting, dropped].map((stream) => watch(stream.write(new Uint8Array(WINDOW_BYTES + 1))));
    const ends = [waiting, dropped].map((stream) => watch(stream.closeWrite()));
    await settle();
    assert.deepEqual([...writes, ...ends].map(({ state }) => state), Array(4).fill("pending"));
    await assert.rejects(waiting.write(utf8("x")), ConnClosedError);
    dropped.close();
    await settle();
    assert.ok(writes[1]!.error instanceof ConnClosedError && ends[1]!.error instanceof ConnClosedError);
    assert.equal(peer.takeFrames().at(-1), "window_update FIN 3 0");
    peer.send(frame("window_update 1 1"));
    await settle();
    assert.deepEqual([writes[0]!.state, ends[0]!.state], ["done", "done"]);
    assert.deepEqual(peer.takeFrames(), ["data 1 1", "window_update FIN 1 0"]);
    assert.equal(await waiting.closeWrite(), undefined);
    peer.send(frame("window_update FIN 1 0"));
    await waiting.closed;
  }));

// --- batches -------------------------------------------------------------------------------------

Deno.test("what is written in one go is one frame of at most 64 KiB, and each buffer is the caller's again", () =>
  withBench({ role: "client" }, async ({ session, peer, settle }) => {
    const stream = session.open();
    await settle();
    peer.takeBytes();
    for (let index = 0; index < 5; index++) {
      const buffer = Uint8Array.of(index, index);
      const writing = stream.write(buffer);
      await Promise.resolve(); // the promise has settled; a flush is a microtask later
      void writing.then(() => buffer.fill(99));
    }
    await settle();
    const payload = joined(payloadsOf(peer.takeBytes()));
    assert.deepEqual([...payload], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);

    const other = session.open();
    for (let index = 0; index < 3; index++) void stream.write(utf8("abc"));
    void other.write(utf8("other"));
    void stream.write(new Uint8Array(0));
    void stream.write(utf8("d"));
    await settle();
    assert.deepEqual(peer.takeFrames(), ["window_update SYN 3 0", "data 1 9", "data 3 5", "data 1 1"]);
  }));

function payloadsOf(bytes: Uint8Array): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  new FrameReader({ onHeader() {}, onPayload: (piece) => void payloads.push(piece.slice()) }).push(bytes);
  return payloads;
}

Deno.test("one pass over the input wakes a reader once, with all of it", () =>
  withBench({ role: "client" }, async ({ session, peer }) => {
    const stream = session.open();
    const reading = stream.read();
    const bytes = pattern(40_000);
    peer.send(
      joined(Array.from({ length: 10 }, (_, n) => frame("data 1", bytes.slice(n * 4000, n * 4000 + 4000)))),
    );
    assert.deepEqual(await reading, bytes);
  }));

Deno.test("headers and payloads that come byte by byte are the same frames", () =>
  withBench({}, async ({ session, peer, accepted, settle }) => {
    const bytes = joined([
      frame("data SYN 1", utf8("hello")),
      frame("ping SYN 0 77"),
      frame("data FIN 1", utf8(" world")),
    ]);
    for (const byte of bytes) {
      peer.send(Uint8Array.of(byte));
      await settle();
    }
    assert.deepEqual(peer.takeFrames(), ["window_update ACK 1 0", "ping ACK 0 77"]);
    assert.equal(new TextDecoder().decode(await readCount(accepted[0]!, 11)), "hello world");
    assert.equal(session.bytesIn, bytes.length);
  }));

// --- one among many ------------------------------------------------------------------------------

Deno.test("a stalled stream holds back nobody: 8 others carry 2 MiB each", async () => {
  const ledger = new Ledger();
  const world = { ledger, clock: new VirtualClock({ ledger }) };
  const accepted: YamuxStream[] = [];
  const { client, server } = sessionPair(world, { onStream: (stream) => accepted.push(stream) });
  const stalled = client.open();
  const stuck = watch(stalled.write(new Uint8Array(2 * 1024 * 1024)));
  await world.clock.advance(0);
  const total = 2 * 1024 * 1024;
  const streams = Array.from({ length: 8 }, () => client.open());
  await world.clock.advance(0);
  const writes = streams.map((stream, index) => stream.write(pattern(total, index)));
  for (const [index, stream] of accepted.slice(1).entries()) {
    assert.deepEqual(await readCount(stream, total), pattern(total, index));
  }
  await Promise.all(writes);
  assert.equal(stuck.state, "pending");
  client.close(new Error("done"));
  await Promise.all([client.closed, server.closed]);
  assert.deepEqual(ledger.live(), {});
});

Deno.test("writers take turns of 64 KiB: a large write does not keep a small one out", () =>
  withBench({ role: "client", isReading: false, bytesMax: 1024 }, async ({ session, peer, settle }) => {
    const streams = Array.from({ length: 4 }, () => session.open());
    const large = streams.slice(0, 3).map((stream) => watch(stream.write(new Uint8Array(250_000))));
    await settle();
    const small = watch(streams[3]!.write(utf8("small")));
    peer.start();
    await settle();
    assert.deepEqual([...large, small].map(({ state }) => state), Array(4).fill("done"));
    const order = peer.takeFrames().filter((frame) => frame.startsWith("data")).map((frame) =>
      frame.split(" ")
    );
    for (const [, , length] of order) assert.ok(Number(length) <= 65_536);
    const smallAt = order.findIndex(([, id]) => id === "7");
    const before = order.slice(0, smallAt).reduce((sum, [, , length]) => sum + Number(length), 0);
    assert.ok(smallAt > 0 && before < 3 * 2 * 65_536 + 65_536, `${before} bytes went first`);
    const firstTurns = new Set(order.slice(0, smallAt).map(([, id]) => id));
    assert.equal(firstTurns.size, 3, "each large writer had a turn");
  }));

Deno.test("a lone large write goes in frames of 64 KiB at most, too", () =>
  withBench({ role: "client" }, async ({ session, peer, settle }) => {
    const stream = session.open();
    for (let count = 0; count < 5; count++) {
      await stream.write(new Uint8Array(200_000)); // until batches have their full size
      peer.send(frame(`window_update ${stream.id} 200000`));
      await settle();
    }
    peer.takeBytes();
    await stream.write(new Uint8Array(200_000));
    await settle();
    const lengths = peer.takeFrames().map((frame) => Number(frame.split(" ")[2]));
    assert.equal(lengths.reduce((sum, length) => sum + length), 200_000);
    assert.equal(Math.max(...lengths), 65_536);
  }));

Deno.test("writers wait while the peer's connection takes nothing, and memory stays bounded", () =>
  withBench({ role: "client", isReading: false, bytesMax: 1024 }, async ({ session, peer, settle }) => {
    const writes = [];
    for (let index = 0; index < 20; index++) {
      writes.push(watch(session.open().write(new Uint8Array(100_000))));
    }
    await settle();
    assert.ok(session.bytesOut <= 128 * 1024, `${session.bytesOut} bytes were handed on`);
    const taken = writes.filter(({ state }) => state === "done").length;
    assert.ok(taken < 6, `${taken} x 100,000 bytes were taken in`);
    peer.start();
    await settle();
    assert.deepEqual(writes.map(({ state }) => state), Array(20).fill("done"));
  }));

Deno.test("closing a stream takes its writes out of the row", () =>
  withBench({ role: "client", isReading: false, bytesMax: 1024 }, async ({ session, peer, settle }) => {
    const streams = Array.from({ length: 6 }, () => session.open());
    const writes = streams.map((stream) => watch(stream.write(new Uint8Array(200_000))));
    await settle();
    const waiting = writes.findLastIndex(({ state }) => state === "pending");
    streams[waiting]!.close(new Error("not any more"));
    await settle();
    assert.ok(writes[waiting]!.error instanceof ConnClosedError);
    peer.start();
    await settle();
    assert.equal(writes.filter(({ state }) => state === "done").length, 5);
  }));

Deno.test("a larger window is announced with SYN and ACK, and given back at half of it", () =>
  withBench({ limits: LARGE }, async ({ session, peer, accepted, settle }) => {
    session.open();
    peer.send(frame("window_update SYN 1 0"));
    await settle();
    // A quarter of what the session has left: 1 MiB of 4, then a quarter of 3.
    assert.deepEqual(peer.takeFrames(), ["window_update SYN 2 1048576", "window_update ACK 1 786432"]);
    const whole = 262_144 + 786_432;
    peer.send(frame("data 1", pattern(whole)));
    await settle();
    assert.equal((await accepted[0]!.read())?.length, whole / 4);
    await settle();
    assert.deepEqual(peer.takeFrames(), [], "a quarter is not announced");
    assert.equal((await accepted[0]!.read())?.length, whole / 4);
    await settle();
    assert.deepEqual(peer.takeFrames(), [`window_update 1 ${whole / 2}`]);
  }));

Deno.test("what a stream held of the session's larger windows goes back with it, once", () =>
  withBench({ limits: LARGE }, async ({ session, peer, settle }) => {
    for (let round = 0; round < 100; round++) {
      const stream = session.open();
      await settle();
      assert.deepEqual(peer.takeFrames(), [`window_update SYN ${stream.id} 1048576`]);
      if (round % 3 === 0) stream.close(new Error("no"));
      else if (round % 3 === 1) peer.send(frame(`window_update RST ${stream.id} 0`));
      else {
        peer.send(frame(`window_update FIN ${stream.id} 0`));
        await settle();
        await stream.closeWrite();
      }
      await settle();
      stream.close();
      stream.close(new Error("again"));
      peer.takeFrames();
    }
    for (let streams = 0; streams < 40; streams++) session.open();
    await settle();
    const extra = peer.takeFrames().map((text) => Number(text.split(" ").at(-1)));
    assert.equal(extra.length, 40);
    assert(extra.reduce((sum, bytes) => sum + bytes, 0) <= 4 << 20, "more than the session has");
    assert.equal(extra.at(-1)! < 1_024, true, "the last ones have what the protocol gives them");
  }));

Deno.test("sessions with one budget share it, and what ends gives its part back, once", async () => {
  const budget = new WindowBudget(4 << 20);
  const extra = async () => {
    let bytes = 0;
    await withBench({ limits: LARGE, windowBudget: budget }, async ({ session, peer, settle }) => {
      const stream = session.open();
      session.open();
      await settle();
      bytes = Number(peer.takeFrames()[0]!.split(" ").at(-1));
      peer.send(frame(`window_update FIN ${stream.id} 0`));
      await settle();
      await stream.closeWrite(); // ended by both, and closed by nobody
      await settle();
      assert.equal(budget.left, (4 << 20) - (1 << 20) - (3 << 18));
    });
    return bytes;
  };
  assert.equal(await extra(), 1 << 20);
  assert.equal(budget.left, 4 << 20, "all of it");
  assert.equal(await extra(), 1 << 20);
  const session = new WindowBudget(1 << 20, budget);
  session.take(1 << 20);
  assert.deepEqual([session.left, budget.left], [0, 3 << 20]);
  session.end();
  assert.equal(budget.left, 4 << 20);
  session.give(1 << 20);
  assert.equal(budget.left, 4 << 20);
});

Deno.test("ended settles when the streams have failed, before the connection is gone", async () => {
  const [near, far] = memoryPair();
  const lingering = Promise.withResolvers<void>();
  const slow: Conn = {
    halfClose: true,
    closed: lingering.promise,
    read: () => near.read(),
    write: (bytes) => near.write(bytes),
    closeWrite: () => near.closeWrite(),
    close: (reason) => near.close(reason),
  };
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  const session = new YamuxSession(slow, { role: "client", world, onStream() {} });
  const stream = session.open();
  far.close();
  await session.ended;
  await assert.rejects(stream.read(), { code: "CONN_RESET" });
  let isClosed = false;
  session.closed.then(() => isClosed = true);
  await Promise.resolve();
  assert.equal(isClosed, false);
  lingering.resolve();
  await session.closed;
});
