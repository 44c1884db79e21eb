/** Fields of a message, big endian. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MalformedError } from "../../lib/base/mod.ts";
import { ByteReader, ByteWriter } from "../../lib/wire/mod.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

Deno.test("ByteReader refuses every field that goes past the end, and takes nothing", () => {
  const reader = new ByteReader(bytes(1, 2, 3), "Route packet");
  reader.u8();
  const takes = [() => reader.u32(), () => reader.u64(), () => reader.bytes(3)];
  for (const take of takes) {
    assert.throws(take, (error) => {
      assert.ok(error instanceof MalformedError);
      assert.match(error.message, /^Route packet is too short: \d bytes wanted at 1, 2 left$/);
      return true;
    });
  }
  assert.equal(reader.u16(), 0x0203);
  assert.throws(() => reader.u8(), MalformedError);
});

Deno.test("ByteReader refuses lengths that are none, and bytes behind the message", () => {
  const reader = new ByteReader(bytes(1, 2), "Greeting");
  for (const length of [-1, 0.5, NaN, Infinity, 2 ** 60]) {
    assert.throws(() => reader.bytes(length), RangeError);
  }
  reader.u8();
  assert.throws(() => reader.end(), /Greeting has 1 bytes too many at 1/);
  assert.deepEqual(reader.rest(), bytes(2));
  reader.end();
});

Deno.test("ByteReader reads a view at an offset of a larger buffer", () => {
  const buffer = bytes(9, 9, 0, 1, 2, 3, 4, 5, 6, 7, 9, 9);
  assert.equal(new ByteReader(buffer.subarray(2, 10)).u64(), 0x0001020304050607n);
  assert.throws(() => new ByteReader(buffer.subarray(2, 9)).u64(), MalformedError);
});

Deno.test("ByteWriter puts every field big endian and grows", () => {
  const written = new ByteWriter(1).u8(1).u16(0x0203).u32(0x04050607).u64(0x08090a0b0c0d0e0fn).bytes(
    bytes(16),
  );
  assert.equal(written.length, 16);
  assert.deepEqual([...written.finish()], Array.from({ length: 16 }, (_, index) => index + 1));
  assert.deepEqual(new ByteWriter(0).u8(255).finish(), bytes(255));
});

Deno.test("ByteWriter refuses what does not fit, and writes nothing of it", () => {
  const writer = new ByteWriter();
  for (const value of [-1, 0.5, NaN, 256]) assert.throws(() => writer.u8(value), RangeError);
  assert.throws(() => writer.u16(65_536), RangeError);
  assert.throws(() => writer.u32(2 ** 32), RangeError);
  assert.throws(() => writer.u64(2n ** 64n), RangeError);
  assert.throws(() => writer.u64(-1n), RangeError);
  assert.deepEqual(writer.finish(), bytes());
});

Deno.test("ByteWriter.finish() gives a copy", () => {
  const writer = new ByteWriter().u8(1);
  const first = writer.finish();
  writer.u8(2);
  first[0] = 9;
  assert.deepEqual(writer.finish(), bytes(1, 2));
});

Deno.test("ByteReader reads back what ByteWriter wrote", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 65_535 }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.uint8Array({ maxLength: 600 }),
      (u8, u16, u32, u64, tail) => {
        const whole = new ByteWriter(3).u8(u8).u16(u16).u32(u32).u64(u64).bytes(tail).finish();
        const reader = new ByteReader(whole);
        assert.deepEqual([reader.u8(), reader.u16(), reader.u32(), reader.u64()], [u8, u16, u32, u64]);
        assert.equal(reader.remaining, tail.length);
        assert.deepEqual(reader.rest(), tail);
        reader.end();
        assert.equal(reader.offset, whole.length);
      },
    ),
    { seed: 7, numRuns: 200 },
  );
});
