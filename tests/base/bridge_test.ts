/** Bridges, prefixes, and what memory pairs do beyond the contract's cases. @module */
import assert from "node:assert/strict";
import {
  bridge,
  type Conn,
  ConnClosedError,
  ConnResetError,
  Ledger,
  memoryPair,
  READ_BYTES_MAX,
  withPrefix,
} from "../../lib/base/mod.ts";
import { Pattern, track, turn } from "./_compliance_bench.ts";

const THERE = new Pattern(5);

async function readAll(conn: Conn): Promise<number> {
  let bytes = 0;
  for (let view = await conn.read(); view !== null; view = await conn.read()) {
    THERE.check(view, bytes);
    bytes += view.length;
  }
  return bytes;
}

/** What a bridge joins, `a` and `b`, and the users behind both. */
function bridgeEnds() {
  const ledger = new Ledger();
  const [left, a] = memoryPair({ ledger });
  const [b, right] = memoryPair({ ledger });
  return { ledger, left, right, a, b };
}

/** A user at each end of a bridge, and a ledger of all four ends between them. */
function bridged(options?: { together?: boolean }) {
  const ends = bridgeEnds();
  return { ...ends, done: track(bridge(ends.a, ends.b, options)) };
}

Deno.test("bridge() carries both directions to their ends, then frees both", async () => {
  const { ledger, left, right, done } = bridged();
  const sent = left.write(THERE.bytes(0, 300_000)).then(() => left.closeWrite());
  assert.equal(await readAll(right), 300_000);
  await sent;
  await turn();
  assert.equal(done.state, "pending"); // the other direction is still open
  const answered = right.write(THERE.bytes(0, 1_000)).then(() => right.closeWrite());
  assert.equal(await readAll(left), 1_000);
  await answered;
  await done.promise;
  left.close();
  right.close();
  assert.deepEqual(ledger.live(), {});
});

Deno.test("bridge() closes both when either direction ended, together", async () => {
  const { ledger, left, right, done } = bridged({ together: true });
  const sent = left.write(THERE.bytes(0, 1_000)).then(() => left.closeWrite());
  assert.equal(await readAll(right), 1_000);
  await sent;
  await done.promise;
  assert.equal(await left.read(), null);
  left.close();
  right.close();
  assert.deepEqual(ledger.live(), {});
});

Deno.test("bridge() is together unless both of its ends half-close", async () => {
  for (const [leftHalf, rightHalf] of [[true, false], [false, true], [false, false]] as const) {
    const [left, a] = memoryPair();
    const [b, right] = memoryPair();
    const withHalf = (conn: Conn, halfClose: boolean): Conn =>
      Object.assign(Object.create(null), {
        halfClose,
        closed: conn.closed,
        read: () => conn.read(),
        write: (bytes: Uint8Array) => conn.write(bytes),
        closeWrite: () => conn.closeWrite(),
        close: (reason?: unknown) => conn.close(reason),
      });
    const done = bridge(withHalf(a, leftHalf), withHalf(b, rightHalf));
    await right.closeWrite();
    await done;
    assert.equal(await left.read(), null);
    left.close();
    right.close();
  }
});

Deno.test("bridge() closes both with the first failure, and no loop outlives it", async () => {
  const { ledger, left, right, done, a, b } = bridged();
  const reason = new Error("cable cut");
  left.close(reason);
  await assert.rejects(done.promise, ConnResetError);
  await assert.rejects(right.read(), ConnResetError);
  for (const end of [a, b]) {
    await assert.rejects(end.read(), (error) => {
      assert.ok(error instanceof ConnClosedError && error.cause instanceof ConnResetError);
      return true;
    });
  }
  right.close();
  assert.deepEqual(ledger.live(), {});
});

Deno.test("bridge() waits for a loop that its closes do not wake at once", async () => {
  const { left, right, a, b } = bridgeEnds();
  const gate = Promise.withResolvers<void>();
  const slow: Conn = {
    halfClose: false,
    closed: b.closed,
    read: () => b.read().finally(() => gate.promise),
    write: (bytes) => b.write(bytes),
    closeWrite: () => b.closeWrite(),
    close: (reason) => b.close(reason),
  };
  const done = track(bridge(a, slow));
  await left.closeWrite();
  assert.equal(await right.read(), null);
  await turn();
  assert.equal(done.state, "pending"); // closed, but its read is still under way
  gate.resolve();
  await done.promise;
  left.close();
  right.close();
});

Deno.test("bridge() ends when one of its ends is closed from outside, in the middle of a write", async () => {
  const { ledger, left, right, done, b } = bridged();
  const writing = track(left.write(new Uint8Array(1 << 20)));
  await turn();
  assert.equal(writing.state, "pending");
  const reason = new Error("shutting down");
  b.close(reason);
  await assert.rejects(done.promise, { cause: reason });
  await assert.rejects(writing.promise, ConnResetError);
  right.close();
  left.close();
  assert.deepEqual(ledger.live(), {});
});

Deno.test("withPrefix() gives the rest first, in reads of the largest size, then the Conn's bytes", async () => {
  const [near, far] = memoryPair();
  const length = READ_BYTES_MAX + 10;
  const conn = withPrefix(far, THERE.bytes(0, length));
  const sizes: number[] = [];
  let bytes = 0;
  await near.write(THERE.bytes(length, 5));
  await near.closeWrite();
  for (let view = await conn.read(); view !== null; view = await conn.read()) {
    THERE.check(view, bytes);
    bytes += view.length;
    view.fill(0xee);
    sizes.push(view.length);
  }
  assert.deepEqual(sizes, [READ_BYTES_MAX, 10, 5]);
  assert.equal(conn.halfClose, true);
  near.close();
  conn.close();
  await conn.closed;
});

Deno.test("withPrefix() gives nothing of the rest after a close, and is nothing without a rest", async () => {
  const [near, far] = memoryPair();
  assert.equal(withPrefix(far, new Uint8Array(0)), far);
  const conn = withPrefix(far, THERE.bytes(0, 10));
  conn.close("enough");
  await assert.rejects(conn.read(), ConnClosedError);
  near.close();
});

Deno.test("memoryPair() takes in as much as its bound says, and counts both ends", async () => {
  const ledger = new Ledger();
  const [near, far] = memoryPair({ ledger, bytesMax: 1_000 });
  assert.deepEqual(ledger.live(), { "memory-conn": 2 });
  await near.write(THERE.bytes(0, 999));
  const second = track(near.write(THERE.bytes(999, 2)));
  await turn();
  assert.equal(second.state, "pending");
  assert.equal((await far.read())!.length, 1_000); // the first byte of the second write is in
  await second.promise;
  near.close();
  assert.deepEqual(ledger.live(), { "memory-conn": 1 });
  assert.equal((await far.read())!.length, 1);
  assert.equal(await far.read(), null);
  await assert.rejects(far.write(Uint8Array.of(1)), ConnResetError); // nobody will read it
  far.close();
  assert.deepEqual(ledger.live(), {});
});
