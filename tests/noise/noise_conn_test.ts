import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Conn,
  ConnClosedError,
  ConnResetError,
  Ledger,
  LimitError,
  MalformedError,
  memoryPair,
  TruncatedError,
} from "../../lib/base/mod.ts";
import { AuthenticationError, fromHex, parsePublicKey, toHex } from "../../lib/crypto/mod.ts";
import {
  GapError,
  kkInitiator,
  kkResponder,
  noiseConn,
  ReplayError,
  type SplitKeys,
} from "../../lib/noise/mod.ts";
import { FrameOpener, FrameSealer } from "../../lib/noise/frames.ts";
import recorded from "../vectors/dmsg/noise-frames.json" with { type: "json" };
import { KeepingConn } from "../support/keeping_conn.ts";
import { drainPool, isAnyInPool } from "../support/pool.ts";
import { KEYS, noRandom, pairOf, text } from "./support.ts";

/** A bare end and, at the other end, the connection inside noise. */
function withBareEnd(keys: SplitKeys = KEYS.far): { bare: Conn; conn: Conn; ledger: Ledger } {
  const ledger = new Ledger();
  const [bare, below] = memoryPair({ bytesMax: 1024 * 1024, ledger });
  return { bare, conn: noiseConn(below, keys, { ledger }), ledger };
}

function bothEnds(): { near: Conn; far: Conn; ledger: Ledger } {
  const ledger = new Ledger();
  const [a, b] = memoryPair({ ledger });
  return { near: noiseConn(a, KEYS.near, { ledger }), far: noiseConn(b, KEYS.far, { ledger }), ledger };
}

/** Closes, and shows that nothing is left. */
async function end(ledger: Ledger, ...conns: Conn[]): Promise<void> {
  for (const conn of conns) conn.close();
  await Promise.all(conns.map((conn) => conn.closed));
  assert.deepEqual(ledger.live(), {});
}

/** Frames of `plaintexts` with counters from 1, as a peer with the near keys sends them. */
function frames(...plaintexts: Uint8Array[]): Uint8Array[] {
  const sealer = new FrameSealer(KEYS.near.send);
  return plaintexts.map((plaintext) => {
    const frame = new Uint8Array(plaintext.length + 26);
    assert.equal(sealer.sealInto(plaintext, frame, 0), frame.length);
    return frame;
  });
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

async function readAll(conn: Conn): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let view = await conn.read(); view !== null; view = await conn.read()) parts.push(view.slice());
  return concat(parts);
}

function recordedKeys(): { initiator: SplitKeys; responder: SplitKeys } {
  const initiator = kkInitiator({
    local: pairOf(recorded.initiator_static),
    remote: parsePublicKey(recorded.responder_static.pk),
    ephemeral: pairOf(recorded.initiator_ephemeral),
    random: noRandom,
  });
  const responder = kkResponder({
    local: pairOf(recorded.responder_static),
    remote: parsePublicKey(recorded.initiator_static.pk),
    ephemeral: pairOf(recorded.responder_ephemeral),
    random: noRandom,
  });
  const message1 = initiator.writeMessage1();
  assert.equal(toHex(message1), recorded.handshake_message_1);
  responder.readMessage1(message1);
  const message2 = responder.writeMessage2();
  assert.equal(toHex(message2), recorded.handshake_message_2);
  initiator.readMessage2(message2);
  return { initiator: initiator.finish().keys, responder: responder.finish().keys };
}

const wire = fromHex(recorded.wire);
const plaintext = fromHex(recorded.one_write_plaintext);

Deno.test("noiseConn writes the recorded frames, in one write below", async () => {
  const { bare, conn, ledger } = withBareEnd(recordedKeys().initiator);
  await conn.write(plaintext);
  assert.equal(toHex((await bare.read())!), recorded.wire);
  let offset = 0;
  for (const prefix of recorded.frame_prefix_values) {
    assert.equal(wire[offset]! << 8 | wire[offset + 1]!, prefix);
    offset += 2 + prefix;
  }
  assert.equal(offset, wire.length);
  await end(ledger, bare, conn);
});

Deno.test("noiseConn reads the recorded frames, however they are cut", async () => {
  const { responder } = recordedKeys();
  for (const step of [wire.length, 4096, 4095, 4097, 1000, 1]) {
    const { bare, conn, ledger } = withBareEnd(responder);
    const reading = readAll(conn);
    for (let offset = 0; offset < wire.length; offset += step) {
      await bare.write(wire.subarray(offset, offset + step));
    }
    await bare.closeWrite();
    assert.equal(toHex(await reading), recorded.one_write_plaintext);
    await end(ledger, bare, conn);
  }
});

Deno.test("noiseConn hands up the frames of one view as one chunk", async () => {
  const { bare, conn, ledger } = withBareEnd(recordedKeys().responder);
  await bare.write(wire);
  assert.equal((await conn.read())!.length, plaintext.length);
  await end(ledger, bare, conn);
});

Deno.test("noiseConn refuses mutants of the recorded frames, and hands up what came before", async () => {
  const second = 2 + recorded.frame_prefix_values[0]!;
  const flip = (at: number) => wire.with(at, wire[at]! ^ 1);
  const prefix = (length: number) => wire.with(second, length >> 8).with(second + 1, length & 255);
  const first = wire.subarray(0, second);
  const mutants: [string, Uint8Array, new (...args: never[]) => Error][] = [
    ["counter", flip(second + 9), AuthenticationError],
    ["first byte of the ciphertext", flip(second + 10), AuthenticationError],
    ["last byte of the tag", flip(2 * second - 1), AuthenticationError],
    ["length one short", prefix(4093), AuthenticationError],
    ["length above the bound", prefix(4095), LimitError],
    ["length of all bits", prefix(65_535), LimitError],
    ["length that holds no tag", prefix(23), MalformedError],
    ["length of nothing", prefix(0), MalformedError],
    ["frame repeated", concat([first, first]), ReplayError],
    ["counter beyond 2^53", wire.with(second + 2, 1), LimitError],
    ["another frame's place", concat([first, wire.subarray(2 * second), wire.subarray(second)]), ReplayError],
    ["cut inside a frame", wire.subarray(0, second + 100), TruncatedError],
    ["cut inside a length", wire.subarray(0, second + 1), TruncatedError],
  ];
  for (const [name, bytes, expected] of mutants) {
    for (const step of [bytes.length, 1_500, 1]) {
      const { bare, conn, ledger } = withBareEnd(recordedKeys().responder);
      const failed = assert.rejects(readAll(conn), expected, name);
      const writing = (async () => {
        for (let offset = 0; offset < bytes.length; offset += step) {
          await bare.write(bytes.subarray(offset, offset + step));
        }
        await bare.closeWrite();
      })().catch(() => {}); // reset below, once the reader has refused
      await Promise.all([failed, writing]);
      const refusal = await conn.read().catch((error) => error);
      assert.ok(refusal instanceof ConnClosedError && refusal.cause instanceof expected, name);
      await assert.rejects(conn.write(text("more")), ConnClosedError);
      await end(ledger, bare, conn);
    }
  }
});

Deno.test("noiseConn hands up authentic bytes in front of a bad frame before it fails", async () => {
  const { bare, conn, ledger } = withBareEnd();
  const [good, bad] = frames(text("good"), text("bad"));
  await bare.write(concat([good!, bad!.with(12, bad![12]! ^ 1)]));
  assert.deepEqual(await conn.read(), text("good"));
  await assert.rejects(conn.read(), AuthenticationError);
  await assert.rejects(bare.read(), ConnResetError);
  await end(ledger, bare, conn);
});

Deno.test("noiseConn allows gaps in counters but no step back", async () => {
  const { bare, conn, ledger } = withBareEnd();
  const [one, two, three] = frames(text("1"), text("2"), text("3"));
  await bare.write(one!);
  assert.deepEqual(await conn.read(), text("1"));
  await bare.write(three!);
  assert.deepEqual(await conn.read(), text("3"));
  await bare.write(two!);
  await assert.rejects(conn.read(), ReplayError);
  await end(ledger, bare, conn);
});

Deno.test("noiseConn refuses its own frames when they are sent back", async () => {
  const { bare, conn, ledger } = withBareEnd();
  await conn.write(text("echo"));
  await bare.write((await bare.read())!.slice());
  await assert.rejects(conn.read(), AuthenticationError);
  await end(ledger, bare, conn);
});

Deno.test("noiseConn skips empty frames, and sends none for an empty write", async () => {
  const { bare, conn, ledger } = withBareEnd();
  const empty = new Uint8Array(0);
  const [one, two, full, three] = frames(empty, empty, text("full"), empty);
  const reading = conn.read();
  await bare.write(one!);
  await bare.write(concat([two!, full!, three!]));
  assert.deepEqual(await reading, text("full"));
  await conn.write(empty);
  await conn.write(text("x"));
  assert.equal((await bare.read())!.length, 27);
  await end(ledger, bare, conn);
});

Deno.test("noiseConn seals at most 16 frames into a write below, each with its own counter", async () => {
  const sizes: number[] = [];
  const [bare, below] = memoryPair({ bytesMax: 1024 * 1024 });
  const counted: Conn = Object.assign(Object.create(below), {
    write(bytes: Uint8Array) {
      sizes.push(bytes.length);
      return below.write(bytes);
    },
    close: (reason?: unknown) => below.close(reason),
    closed: below.closed,
  });
  const conn = noiseConn(counted, KEYS.near);
  await conn.write(new Uint8Array(20 * 4070 + 1));
  assert.deepEqual(sizes, [16 * 4096, 4 * 4096 + 27]);
  const bytes = (await bare.read())!;
  for (let index = 0; index < 21; index++) assert.equal(bytes[index * 4096 + 9], index + 1);
  conn.close();
  bare.close();
  await Promise.all([conn.closed, bare.closed]);
});

Deno.test("noiseConn puts small writes that wait into one write below, in call order", async () => {
  const { bare, conn, ledger } = withBareEnd();
  const writes = Array.from({ length: 40 }, (_, index) => conn.write(Uint8Array.of(index)));
  await Promise.all(writes);
  const bytes = (await bare.read())!;
  assert.equal(bytes.length, 40 * 27);
  for (let index = 0; index < 40; index++) assert.equal(bytes[index * 27 + 9], index + 1);
  await end(ledger, bare, conn);
});

Deno.test("noiseConn carries any bytes in any pieces, both ways at once", async () => {
  const pieces = fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(pieces, pieces, async (there, back) => {
      const { near, far, ledger } = bothEnds();
      const send = async (conn: Conn, sizes: number[]) => {
        // Half of the writes wait for no other.
        const writes = sizes.map((size, index) => conn.write(new Uint8Array(size).fill(index + 1)));
        await Promise.all(writes);
        await conn.closeWrite();
      };
      const [, , atFar, atNear] = await Promise.all([
        send(near, there),
        send(far, back),
        readAll(far),
        readAll(near),
      ]);
      assert.deepEqual(atFar, concat(there.map((size, index) => new Uint8Array(size).fill(index + 1))));
      assert.deepEqual(atNear, concat(back.map((size, index) => new Uint8Array(size).fill(index + 1))));
      assert.equal(await near.read(), null); // the end stays the end
      await end(ledger, near, far);
    }),
    { seed: 1, numRuns: 25 },
  );
});

Deno.test("noiseConn reads one at a time, and is woken by its close", async () => {
  const { near, far, ledger } = bothEnds();
  const waiting = near.read();
  await assert.rejects(near.read(), TypeError);
  const reason = new Error("enough");
  near.close(reason);
  await assert.rejects(waiting, (error: Error) => error instanceof ConnClosedError && error.cause === reason);
  await assert.rejects(near.write(text("x")), ConnClosedError);
  await assert.rejects(near.closeWrite(), ConnClosedError);
  await assert.rejects(far.read(), ConnResetError);
  await end(ledger, near, far);
});

Deno.test("noiseConn's writers wait for the reader, and are woken by a close with their order kept", async () => {
  const { near, far, ledger } = bothEnds();
  const settled: number[] = [];
  const writes = [0, 1, 2].map((index) =>
    near.write(new Uint8Array(200_000)).then(() => settled.push(index), () => settled.push(-index - 1))
  );
  for (let read = 0; read < 200_000;) read += (await far.read())!.length;
  near.close();
  await Promise.all(writes);
  assert.deepEqual(settled, [0, -2, -3]);
  await end(ledger, near, far);
});

Deno.test("noiseConn's writes fail with the reset of the peer, now and later", async () => {
  const { near, far, ledger } = bothEnds();
  const first = near.write(new Uint8Array(300_000));
  const second = near.write(text("queued"));
  far.close(new Error("gone"));
  await assert.rejects(first, ConnResetError);
  await assert.rejects(second, ConnResetError);
  await assert.rejects(near.write(text("later")), ConnResetError);
  await assert.rejects(near.closeWrite(), ConnResetError);
  await end(ledger, near, far);
});

Deno.test("closeWrite() of a noiseConn comes after the writes, once", async () => {
  const { near, far, ledger } = bothEnds();
  assert.equal(near.halfClose, false);
  const write = near.write(new Uint8Array(150_000));
  const ends = [near.closeWrite(), near.closeWrite()];
  await assert.rejects(near.write(text("late")), ConnClosedError);
  assert.equal((await readAll(far)).length, 150_000);
  await Promise.all([write, ...ends]);
  await end(ledger, near, far);
});

Deno.test("noiseConn never pools what was written below and did not settle: it may still be read there", async () => {
  const below = new KeepingConn();
  const conn = noiseConn(below, KEYS.near);
  const writing = assert.rejects(conn.write(text("a secret of this connection")), ConnClosedError);
  drainPool(below.kept[0]!.buffer.byteLength);
  conn.close(new Error("abort"));
  await writing;
  assert.equal(isAnyInPool(...below.kept), false);
  below.settleClosed();
  await conn.closed;
});

Deno.test("noiseConn pools the buffer of a cut frame while it waits, and never on a close", async () => {
  for (const ending of ["wait", "close"] as const) {
    const { bare, conn, ledger } = withBareEnd();
    const [frame] = frames(text("hello")) as [Uint8Array];
    await bare.write(frame.subarray(0, 10));
    const reading = conn.read();
    await new Promise((resolve) => setImmediate(resolve));
    await bare.write(frame.subarray(10));
    const view = (await reading)!;
    assert.deepEqual(view, text("hello"));
    drainPool(view.buffer.byteLength);
    if (ending === "wait") {
      const next = assert.rejects(conn.read(), ConnClosedError); // the reader is done with its view
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(isAnyInPool(view), true, "an idle connection holds a buffer");
      conn.close();
      await next;
    } else {
      conn.close();
      assert.equal(isAnyInPool(view), false, "whoever has the view may still be writing it elsewhere");
    }
    await end(ledger, bare, conn);
  }
});

Deno.test("FrameOpener takes no counter from a frame that is not authentic", () => {
  const [first, second] = frames(text("one"), text("two")) as [Uint8Array, Uint8Array];
  const opener = new FrameOpener(KEYS.near.send);
  const forged = second.with(second.length - 1, second.at(-1)! ^ 1);
  assert.ok(opener.open(forged).failure instanceof AuthenticationError);
  assert.equal(opener.open(first.slice()).failure, undefined);
  assert.equal(opener.open(second.slice()).failure, undefined);
  assert.ok(opener.open(second.slice()).failure instanceof ReplayError);
});

Deno.test("a strict connection refuses a gap, behind what came in front of it; another lets it through", async () => {
  const all = ["one", "two", "three", "four"].map(text);
  for (const strict of [true, false]) {
    const [one, two, , four] = frames(...all);
    const ledger = new Ledger();
    const [bare, below] = memoryPair({ bytesMax: 1024 * 1024, ledger });
    const conn = noiseConn(below, KEYS.far, { ledger, strict });
    await bare.write(concat([one!, two!, four!]));
    const first = new TextDecoder().decode((await conn.read())!);
    if (strict) {
      assert.equal(first, "onetwo");
      await assert.rejects(
        conn.read(),
        (error) => error instanceof GapError && error.counter === 4 && error.expected === 3,
      );
      await assert.rejects(conn.read(), ConnClosedError);
    } else assert.equal(first, "onetwofour");
    await end(ledger, bare, conn);
  }
});

Deno.test("a strict connection takes no gap from one who lacks the key", async () => {
  const [, forged] = frames(text("a"), text("b"));
  forged![forged!.length - 1]! ^= 1;
  const ledger = new Ledger();
  const [bare, below] = memoryPair({ bytesMax: 1024 * 1024, ledger });
  const conn = noiseConn(below, KEYS.far, { ledger, strict: true });
  await bare.write(forged!);
  await assert.rejects(conn.read(), AuthenticationError);
  await end(ledger, bare, conn);
});
