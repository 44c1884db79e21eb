/** The buffer pool and the receive buffer: nobody's bytes change under a view. @module */
import assert from "node:assert/strict";
import { giveBuffer, ReceiveBuffer, takeBuffer } from "../../lib/base/mod.ts";
import { Pattern } from "./_compliance_bench.ts";

const PATTERN = new Pattern(3);
const KIB = 1024;

Deno.test("takeBuffer() gives at least what was asked, and a given buffer again", () => {
  for (const bytes of [0, 1, 4 * KIB, 4 * KIB + 1, 64 * KIB, 256 * KIB, 256 * KIB + 1]) {
    const buffer = takeBuffer(bytes);
    assert.ok(buffer.length >= bytes);
    giveBuffer(buffer);
  }
  const buffer = takeBuffer(16 * KIB);
  giveBuffer(buffer);
  assert.equal(takeBuffer(16 * KIB), buffer);
});

Deno.test("giveBuffer() never pools a view, whatever its size and place", () => {
  const whole = takeBuffer(256 * KIB);
  const views = [
    whole.subarray(0, 4 * KIB),
    whole.subarray(64 * KIB, 128 * KIB),
    whole.subarray(0, 64 * KIB),
  ];
  for (const view of views) giveBuffer(view);
  for (const view of views) {
    for (let count = 0; count < 40; count++) {
      const taken = takeBuffer(view.length);
      assert.notEqual(taken.buffer, whole.buffer, `A view of ${view.length} bytes came out of the pool`);
    }
  }
});

Deno.test("giveBuffer() keeps a bounded number", () => {
  const given = Array.from({ length: 100 }, () => new Uint8Array(4 * KIB));
  for (const buffer of given) giveBuffer(buffer);
  const kept = new Set<Uint8Array>(given);
  const again = given.map(() => takeBuffer(4 * KIB)).filter((buffer) => kept.has(buffer));
  assert.ok(again.length <= 32, `${again.length} were kept`);
});

Deno.test("ReceiveBuffer gives what was appended, in order, and an empty view when nothing is there", () => {
  const buffer = new ReceiveBuffer();
  assert.equal(buffer.take(10).length, 0);
  buffer.append(PATTERN.bytes(0, 3));
  buffer.append(PATTERN.bytes(3, 5_000));
  assert.equal(buffer.size, 5_003);
  const first = buffer.take(1_000);
  assert.equal(first.length, 1_000);
  PATTERN.check(first, 0);
  const rest = buffer.take(1 << 20);
  PATTERN.check(rest, 1_000);
  assert.equal(rest.length, 4_003);
  assert.equal(buffer.size, 0);
});

Deno.test("ReceiveBuffer leaves a view alone until the next take, whatever is appended", () => {
  for (const limit of [100, 1 << 20]) {
    const buffer = new ReceiveBuffer();
    let appended = 0;
    const append = (bytes: number) => {
      buffer.append(PATTERN.bytes(appended, bytes));
      appended += bytes;
    };
    append(500);
    let taken = 0;
    for (let round = 0; round < 60; round++) {
      const view = buffer.take(limit);
      const snapshot = view.slice();
      for (let count = 0; count < 5; count++) append(777);
      takeBuffer(4 * KIB).fill(0xee); // whoever takes from the pool must not get the reader's view
      takeBuffer(16 * KIB).fill(0xee);
      takeBuffer(64 * KIB).fill(0xee);
      assert.deepEqual(view, snapshot);
      PATTERN.check(view, taken);
      taken += view.length;
    }
  }
});

Deno.test("ReceiveBuffer stays within twice its content when the reader never takes everything", () => {
  const buffer = new ReceiveBuffer();
  const window = 1 << 20;
  let appended = 0;
  let taken = 0;
  let largest = 0;
  const piece = new Uint8Array(64 * KIB);
  for (let round = 0; round < 400; round++) {
    while (buffer.size + piece.length <= window) {
      buffer.append(PATTERN.fill(piece, appended));
      appended += piece.length;
    }
    const view = buffer.take(64 * KIB);
    if (round % 50 === 0) PATTERN.check(view, taken);
    taken += view.length;
    largest = Math.max(largest, view.buffer.byteLength);
  }
  assert.ok(taken > 20 * window);
  assert.ok(largest <= 2 * window + piece.length, `${largest} bytes of memory for a window of ${window}`);
});

Deno.test("ReceiveBuffer.clear() pools nothing that a reader may still hold", () => {
  for (const limit of [10, 1 << 20]) {
    const buffer = new ReceiveBuffer();
    buffer.append(PATTERN.bytes(0, 100));
    const view = buffer.take(limit);
    buffer.append(PATTERN.bytes(100, 100));
    buffer.clear();
    assert.equal(buffer.size, 0);
    for (let count = 0; count < 40; count++) takeBuffer(4 * KIB).fill(0xee);
    PATTERN.check(view, 0);
  }
});

Deno.test("ReceiveBuffer holds more than a piece without moving it, in order, over any pattern of sizes", () => {
  const sizes = [1, 4 * KIB, 70 * KIB, 256 * KIB, 256 * KIB + 1, 900 * KIB, 3, 64 * KIB];
  for (const limit of [1 << 20, 256 * KIB, 100 * KIB, 999]) {
    const buffer = new ReceiveBuffer();
    let appended = 0, taken = 0, held: Uint8Array | undefined;
    for (let round = 0; round < 60; round++) {
      const bytes = sizes[round % sizes.length]!;
      buffer.append(PATTERN.bytes(appended, bytes));
      appended += bytes;
      if (held !== undefined) PATTERN.check(held, taken - held.length); // left alone by the append
      assert.equal(buffer.size, appended - taken);
      for (let takes = 0; takes < round % 5; takes++) {
        const view = held = buffer.take(limit);
        assert(view.length <= limit);
        assert(view.length > 0 || buffer.size === 0);
        PATTERN.check(view, taken);
        taken += view.length;
      }
    }
    while (buffer.size > 0) {
      const view = buffer.take(limit);
      PATTERN.check(view, taken);
      taken += view.length;
    }
    assert.equal(taken, appended);
    assert.equal(buffer.take(limit).length, 0);
  }
});

Deno.test("ReceiveBuffer gives whole pieces back to the pool, and none that a reader may hold", () => {
  const buffer = new ReceiveBuffer();
  buffer.append(PATTERN.bytes(0, 900 * KIB));
  const held = buffer.take(100 * KIB);
  buffer.clear();
  assert.equal(buffer.size, 0);
  for (let count = 0; count < 40; count++) {
    const taken = takeBuffer(256 * KIB);
    assert.notEqual(taken.buffer, held.buffer);
    taken.fill(0xee);
  }
  PATTERN.check(held, 0);
  // Taken whole, a piece is lent until the next take and free after it.
  buffer.append(PATTERN.bytes(0, 600 * KIB));
  const first = buffer.take(1 << 20);
  const second = buffer.take(1 << 20);
  PATTERN.check(second, first.length);
  const pooled = Array.from({ length: 33 }, () => takeBuffer(256 * KIB));
  assert.equal(pooled.some((each) => each.buffer === first.buffer), true);
  assert.equal(pooled.some((each) => each.buffer === second.buffer), false);
  buffer.clear();
});
