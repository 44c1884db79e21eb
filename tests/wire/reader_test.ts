/** Reads by need, and messages with a length in front. @module */
import assert from "node:assert/strict";
import { LimitError, memoryPair, TruncatedError, withPrefix } from "../../lib/base/mod.ts";
import {
  ConnReader,
  READ_EXACTLY_BYTES_MAX,
  readU16Frame,
  U16_FRAME_BYTES_MAX,
  u16Frame,
} from "../../lib/wire/mod.ts";
import { strictReads } from "../support/strict_reads.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("ConnReader.readExactly() names what was cut when the peer ends inside or in front of it", async () => {
  for (const chunks of [[], [bytes(1, 2)]]) {
    const reader = new ConnReader(strictReads(...chunks));
    await assert.rejects(reader.readExactly(3, "a greeting"), (error) => {
      assert.ok(error instanceof TruncatedError);
      assert.match(error.message, /a greeting/);
      return true;
    });
  }
});

Deno.test("ConnReader.readExactly() refuses impossible lengths before it reads", async () => {
  let reads = 0;
  const conn = { ...strictReads(), read: () => (reads++, Promise.resolve(null)) };
  for (const length of [-1, 1.5, NaN, READ_EXACTLY_BYTES_MAX + 1]) {
    await assert.rejects(new ConnReader(conn).readExactly(length), RangeError);
  }
  assert.equal(reads, 0);
});

Deno.test("ConnReader gives bytes by need, as copies, over any chunks", async () => {
  const reader = new ConnReader(strictReads(bytes(1), bytes(2, 3, 4, 5), bytes(6, 7)));
  const first = await reader.readExactly(3);
  const none = await reader.readExactly(0);
  const second = await reader.readExactly(3);
  assert.deepEqual([...first, ...none, ...second], [1, 2, 3, 4, 5, 6]);
  assert.equal(await reader.isAtEnd(), false);
  assert.deepEqual(await reader.readExactly(1), bytes(7));
  assert.equal(await reader.isAtEnd(), true);
});

Deno.test("ConnReader.readExactly() grows with what came, not with what was claimed", async () => {
  const [near, far] = memoryPair({ bytesMax: 1 << 20 });
  const whole = new Uint8Array(100_000).map((_, index) => index * 7);
  await near.write(whole);
  assert.deepEqual(await new ConnReader(far).readExactly(whole.length), whole);
  near.close();
  far.close();

  // 64 peers that claim 4 MiB each, and send one byte.
  const before = Deno.memoryUsage().external;
  const pairs = Array.from({ length: 64 }, () => memoryPair());
  const claims = pairs.map(([peer, conn]) => {
    const reading = new ConnReader(conn).readExactly(READ_EXACTLY_BYTES_MAX);
    return Promise.all([assert.rejects(reading, TruncatedError), peer.write(bytes(1))]);
  });
  await new Promise((resolve) => setImmediate(resolve));
  const held = Deno.memoryUsage().external - before;
  assert.ok(held < 16 * 1024 * 1024, `${held} bytes are held for 64 bytes that came`);
  for (const [peer] of pairs) peer.close();
  await Promise.all(claims);
  for (const [, conn] of pairs) conn.close();
});

Deno.test("ConnReader.rest() and withPrefix() lose nothing", async () => {
  const conn = strictReads(encode("hello, wor"), encode("ld"));
  const reader = new ConnReader(conn);
  assert.equal(text(await reader.readExactly(5)), "hello");
  const on = withPrefix(conn, reader.rest());
  assert.deepEqual(reader.rest(), bytes());
  let rest = "";
  for (let view = await on.read(); view !== null; view = await on.read()) rest += text(view);
  assert.equal(rest, ", world");
});

Deno.test("ConnReader.rest() is a copy, which further reads of the Conn leave alone", async () => {
  const conn = strictReads(encode("hello, wor"), encode("ld"));
  const reader = new ConnReader(conn);
  await reader.readExactly(7);
  const rest = reader.rest();
  assert.equal(text((await conn.read())!), "ld");
  assert.equal(text(rest), "wor");
});

Deno.test("ConnReader.readUntil() stops at the delimiter, at its bound, at the end", async () => {
  const reader = new ConnReader(strictReads(encode("one\ntw"), encode("o\nthree")));
  assert.equal(text(await reader.readUntil(10, { bytesMax: 4 })), "one\n");
  assert.equal(text(await reader.readUntil(10, { bytesMax: 4 })), "two\n");
  await assert.rejects(reader.readUntil(10, { bytesMax: 100, what: "a header" }), (error) => {
    assert.ok(error instanceof TruncatedError);
    assert.match(error.message, /a header/);
    return true;
  });
  for (const chunks of [["abcd\n"], ["ab", "cd\n"], ["abcd", "\n"], ["abcde"]]) {
    const bounded = new ConnReader(strictReads(...chunks.map(encode)));
    await assert.rejects(bounded.readUntil(10, { bytesMax: 4 }), LimitError, chunks.join("|"));
  }
});

Deno.test("ConnReader gathers a line, and a message, that come byte by byte", async () => {
  const line = Uint8Array.from({ length: 5_000 }, (_, index) => 1 + index % 200).with(4_999, 0);
  const byteByByte = () => strictReads(...Array.from(line, (byte) => bytes(byte)));
  assert.deepEqual(await new ConnReader(byteByByte()).readUntil(0, { bytesMax: 5_000 }), line);
  await assert.rejects(new ConnReader(byteByByte()).readUntil(0, { bytesMax: 4_999 }), LimitError);
  const full = new ConnReader(strictReads(bytes(1, 2, 3))); // refused at the bound, without waiting for more
  await assert.rejects(full.readUntil(0, { bytesMax: 3 }), LimitError);
  const reader = new ConnReader(byteByByte());
  assert.deepEqual(await reader.readExactly(4_000), line.subarray(0, 4_000));
  assert.deepEqual(await reader.readUntil(0, { bytesMax: 1_000 }), line.subarray(4_000));
});

Deno.test("ConnReader refuses a second pending read", async () => {
  const [near, far] = memoryPair();
  const reader = new ConnReader(far);
  const first = reader.readExactly(1);
  await assert.rejects(reader.readExactly(1), TypeError);
  await assert.rejects(reader.isAtEnd(), TypeError);
  await near.write(bytes(9));
  assert.deepEqual(await first, bytes(9));
  near.close();
  far.close();
});

Deno.test("u16Frame() and readU16Frame() agree at every border", async () => {
  for (const length of [0, 1, 255, 256, U16_FRAME_BYTES_MAX]) {
    const message = new Uint8Array(length).fill(length);
    const frame = u16Frame(message);
    assert.equal(frame.length, length + 2);
    const reader = new ConnReader(strictReads(frame.slice(0, 1), frame.slice(1)));
    assert.deepEqual(await readU16Frame(reader), message);
    assert.equal(await readU16Frame(reader), null);
  }
  assert.throws(() => u16Frame(new Uint8Array(U16_FRAME_BYTES_MAX + 1)), RangeError);
});

Deno.test("readU16Frame() refuses a long length before its bytes, and an end inside", async () => {
  const long = new ConnReader(strictReads(bytes(1, 1)));
  await assert.rejects(readU16Frame(long, { bytesMax: 256, what: "a greeting" }), LimitError);
  for (const cut of [bytes(0), bytes(0, 2), bytes(0, 2, 1)]) {
    await assert.rejects(readU16Frame(new ConnReader(strictReads(cut))), TruncatedError);
  }
});
