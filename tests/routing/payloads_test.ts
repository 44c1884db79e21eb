/** Every packet of the recordings, taken apart and made again; what is too short is refused. @module */
import assert from "node:assert/strict";
import { MalformedError } from "../../lib/base/mod.ts";
import { fromHex, toHex } from "../../lib/crypto/mod.ts";
import {
  CAPABILITY,
  encodeHandshake,
  encodePing,
  encodeSack,
  encodeSequenced,
  ERROR_TEXT_CHARACTERS_MAX,
  parseClose,
  parseErrorText,
  parseHandshake,
  parsePing,
  parseSack,
  parseSequenced,
  pongOf,
} from "../../lib/routing/mod.ts";
import { encodePacket, PacketType, parsePacket } from "../../lib/transport/mod.ts";
import recorded from "../vectors/routing/packets.json" with { type: "json" };
import { decode, encode } from "./_rig.ts";

interface RecordedPacket {
  readonly name: string;
  readonly hex: string;
  readonly type: number;
  readonly route_id: number;
  readonly payload_len: number;
  readonly payload?: string;
  readonly code?: number;
  readonly encrypt?: boolean;
  readonly caps?: number;
  readonly timestamp_ms?: number;
  readonly throughput?: number;
  readonly text?: string;
  readonly seq?: number;
  readonly last_contiguous?: number;
  readonly words?: readonly string[];
}
const vectors = recorded.vectors as readonly RecordedPacket[];

/** The payload, taken apart and made again, with its fields held against the recorded ones. */
function again(vector: RecordedPacket, payload: Uint8Array): Uint8Array {
  switch (vector.type) {
    case PacketType.close:
      assert.equal(parseClose(payload), vector.code);
      return Uint8Array.of(parseClose(payload));
    case PacketType.handshake: {
      const { encrypt, capabilities, rest } = parseHandshake(payload);
      assert.deepEqual([encrypt, capabilities, rest.length], [vector.encrypt, vector.caps ?? 0, 0]);
      return encodeHandshake({ encrypt, capabilities, legacy: payload.length === 1 });
    }
    case PacketType.ping:
    case PacketType.pong: {
      const ping = parsePing(payload);
      assert.equal(ping.timestampMs, BigInt(vector.timestamp_ms!));
      assert.equal(ping.throughput, BigInt(vector.throughput ?? 0));
      return vector.type === PacketType.ping ? encodePing(ping) : pongOf(ping);
    }
    case PacketType.error:
      assert.equal(parseErrorText(payload), vector.text);
      return encode(parseErrorText(payload));
    case PacketType.sack: {
      const sack = parseSack(payload);
      assert.equal(sack.lastContiguous, vector.last_contiguous);
      assert.deepEqual(sack.words.map((word) => word.toString(16).padStart(16, "0")), vector.words);
      return encodeSack(sack);
    }
    case PacketType.data:
      if (vector.seq !== undefined) {
        const { sequence, bytes } = parseSequenced(payload);
        assert.deepEqual([sequence, decode(bytes)], [vector.seq, "foo"]);
        return encodeSequenced(sequence, bytes);
      }
      if (vector.payload !== undefined) assert.equal(toHex(payload), vector.payload);
      return payload.slice();
    default:
      return payload.slice(); // of transports: their own tests look inside
  }
}

Deno.test("packets: every recorded one is decoded, and encoded to the same bytes", () => {
  let decoded = 0;
  for (const vector of vectors) {
    const { type, routeId, payload } = parsePacket(fromHex(vector.hex));
    assert.deepEqual([type, routeId, payload.length], [vector.type, vector.route_id, vector.payload_len]);
    assert.equal(toHex(encodePacket(type, routeId, again(vector, payload))), vector.hex, vector.name);
    decoded++;
  }
  assert.equal(decoded, recorded.case_counts.vectors);
  assert.equal(decoded, 25);
});

Deno.test("parseHandshake() reads every form: 2024, 2026, with a noise message behind; capabilities little-endian", () => {
  assert.deepEqual(parseHandshake(Uint8Array.of(1)), {
    encrypt: true,
    capabilities: 0,
    rest: new Uint8Array(),
  });
  assert.equal(parseHandshake(Uint8Array.of(1, 3)).capabilities, 0);
  const long = parseHandshake(Uint8Array.of(1, 0xd3, 0x01, 9, 9));
  assert.deepEqual([long.capabilities, [...long.rest]], [0x01d3, [9, 9]]);
  assert.equal(long.capabilities & CAPABILITY.mux, 1);
  assert.equal(parseHandshake(Uint8Array.of(2)).encrypt, false);
  assert.throws(() => parseHandshake(new Uint8Array()), MalformedError);
  assert.deepEqual([...encodeHandshake({ encrypt: true, capabilities: 0x0102 })], [1, 2, 1]);
});

Deno.test("parsePing() takes 16 bytes and more, and refuses less", () => {
  for (let length = 0; length < 16; length++) {
    assert.throws(() => parsePing(new Uint8Array(length)), MalformedError, `${length}`);
  }
  assert.equal(parsePing(new Uint8Array(20).fill(0xff)).timestampMs, -1n);
  assert.equal(toHex(pongOf({ timestampMs: -1n, throughput: 5n })), "ff".repeat(8) + "00".repeat(8));
});

Deno.test("parseErrorText() is short, and harmless in a line of ours", () => {
  const text = parseErrorText(encode("a\u001b[31m\nb" + "x".repeat(70_000)));
  assert.ok(
    text.length === ERROR_TEXT_CHARACTERS_MAX && !text.includes("\n") && !text.includes("\u001b"),
    text,
  );
  assert.equal(parseErrorText(new Uint8Array()), "");
});

Deno.test("parseSack() takes the early form of 12 bytes, and refuses wrong counts", () => {
  const early = parseSack(fromHex("0000000a00000000000000ff"));
  assert.deepEqual(early, { lastContiguous: 10, words: [0xffn] });
  for (
    const wrong of ["", "0000000a", "0000000a01", "0000000a0100000000000005", "0000000a21", "0000000a0000"]
  ) {
    if (wrong.length === 24) continue; // which is the early form
    assert.throws(() => parseSack(fromHex(wrong)), MalformedError, wrong);
  }
  assert.equal(toHex(encodeSack({ lastContiguous: 1, words: [1n, 0n, 0n] })), "00000001010000000000000001");
  assert.throws(() => encodeSack({ lastContiguous: 1, words: new Array(33).fill(1n) }), RangeError);
  assert.throws(() => parseSequenced(new Uint8Array(3)), MalformedError);
});
