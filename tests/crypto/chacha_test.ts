import assert from "node:assert/strict";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import fc from "fast-check";
import {
  AuthenticationError,
  chachaOpen,
  chachaOpenInto,
  chachaSeal,
  chachaSealInto,
  hkdf2,
  hkdfSha256,
  hmacSha256,
  sha256,
} from "../../lib/crypto/mod.ts";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 as referenceSha256 } from "@noble/hashes/sha2.js";

const key = new Uint8Array(32).fill(7);
const NOTHING = new Uint8Array(0);

Deno.test("chachaSeal() agrees with an independent implementation, counter by counter", () => {
  const counters = [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
  for (const counter of counters) {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true);
    const ad = Uint8Array.of(1, 2, 3);
    const plaintext = new Uint8Array(100).fill(counter);
    const expected = chacha20poly1305(key, nonce, ad).encrypt(plaintext);
    assert.deepEqual(chachaSeal(key, counter, ad, plaintext), expected);
    assert.deepEqual(chachaSeal(key, BigInt(counter), ad, plaintext), expected);
    assert.deepEqual(chachaOpen(key, counter, ad, expected), plaintext);
  }
  assert.deepEqual(
    chachaOpen(key, 2n ** 64n - 1n, NOTHING, chachaSeal(key, 2n ** 64n - 1n, NOTHING, key)),
    key,
  );
});

Deno.test("chachaOpen() refuses another counter, key, associated data, and any changed or missing byte", () => {
  const ad = Uint8Array.of(1);
  const sealed = chachaSeal(key, 5, ad, Uint8Array.of(1, 2, 3));
  const wrong: (() => unknown)[] = [
    () => chachaOpen(key, 6, ad, sealed),
    () => chachaOpen(key, 5 + 2 ** 32, ad, sealed),
    () => chachaOpen(new Uint8Array(32), 5, ad, sealed),
    () => chachaOpen(key, 5, NOTHING, sealed),
  ];
  for (let length = 0; length < sealed.length; length++) {
    wrong.push(() => chachaOpen(key, 5, ad, sealed.subarray(0, length)));
    wrong.push(() => chachaOpen(key, 5, ad, sealed.with(length, sealed[length]! ^ 128)));
  }
  for (const open of wrong) assert.throws(open, AuthenticationError);
  assert.equal(wrong.length, 4 + 2 * 19);
});

Deno.test("chachaOpenInto() works in place, and leaves the buffer alone when the tag is wrong", () => {
  const buffer = new Uint8Array(200).fill(9);
  const plaintext = Uint8Array.from({ length: 100 }, (_, index) => index);
  assert.equal(chachaSealInto(key, 3, plaintext, buffer, 10), 116);
  assert.equal(buffer[9], 9);
  assert.equal(buffer[126], 9);
  const before = buffer.slice();
  assert.throws(() => chachaOpenInto(key, 4, buffer.subarray(10, 126), buffer, 0), AuthenticationError);
  assert.deepEqual(buffer, before);
  assert.equal(chachaOpenInto(key, 3, buffer.subarray(10, 126), buffer, 2), 100);
  assert.deepEqual(buffer.subarray(2, 102), plaintext);
});

Deno.test("hashes agree with an independent implementation on both sides of the native border", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }), key32(), (parts, key) => {
      const whole = Uint8Array.from(parts.flatMap((part) => [...part]));
      assert.deepEqual(sha256(...parts), referenceSha256(whole));
      assert.deepEqual(hmacSha256(key, whole), hmac(referenceSha256, key, whole));
    }),
    { seed: 1, numRuns: 100 },
  );
});

Deno.test("hkdf2() is HKDF with the chaining key as salt and no info", () => {
  fc.assert(
    fc.property(key32(), fc.uint8Array({ maxLength: 100 }), (chainingKey, input) => {
      const [first, second] = hkdf2(chainingKey, input);
      const both = hkdf(referenceSha256, input, chainingKey, NOTHING, 64);
      assert.deepEqual(Uint8Array.of(...first, ...second), both);
    }),
    { seed: 1, numRuns: 50 },
  );
});

Deno.test("hkdfSha256() refuses lengths that RFC 5869 does not give", () => {
  for (const bytes of [0, -1, 255 * 32 + 1, 1.5, NaN]) {
    assert.throws(() => hkdfSha256({ salt: key, input: key, info: key, bytes }), RangeError);
  }
});

function key32(): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: 32, maxLength: 32 });
}
