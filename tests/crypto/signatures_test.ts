import assert from "node:assert/strict";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import {
  generateKeyPair,
  InvalidSignatureTextError,
  noiseDh,
  parseSignature,
  publicKeyBytes,
  publicKeyFromBytes,
  SecretKey,
  sha256,
  sign,
  toHex,
  verify,
} from "../../lib/crypto/mod.ts";
import { recover, signHash } from "../../lib/crypto/secp.ts";

const ORDER = secp256k1.Point.Fn.ORDER;
const secretKey = SecretKey.parse("11".repeat(32));
const payload = new TextEncoder().encode("a payload");

Deno.test("sign() and the arithmetic agree with an independent implementation", () => {
  let ran = 0;
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array(), (seed, message) => {
      const secret = sha256(seed);
      const key = SecretKey.fromBytes(secret);
      const signed = sign(message, key);
      const reference = secp256k1.sign(sha256(message), secret, { prehash: false, format: "recovered" });
      assert.deepEqual(signed, Uint8Array.of(...reference.subarray(1), reference[0]!));
      assert.deepEqual(publicKeyBytes(key.publicKey), secp256k1.getPublicKey(secret, true));

      const other = SecretKey.fromBytes(sha256(secret));
      const shared = secp256k1.getSharedSecret(secret, publicKeyBytes(other.publicKey), true);
      assert.deepEqual(noiseDh(key, other.publicKey), Uint8Array.of(...sha256(shared), 0));
      assert.deepEqual(recover(sha256(message), signed), publicKeyBytes(key.publicKey));
      ran++;
    }),
    { seed: 1, numRuns: 50 },
  );
  assert.equal(ran, 50);
});

Deno.test("verify() refuses every damaged field", () => {
  const signed = sign(payload, secretKey);
  assert.equal(verify(secretKey.publicKey, signed, payload), true);
  const other = SecretKey.parse("22".repeat(32)).publicKey;
  assert.equal(verify(other, signed, payload), false);
  assert.equal(verify(secretKey.publicKey, signed, payload.subarray(1)), false);
  for (const length of [0, 1, 64, 66]) {
    const resized = new Uint8Array(length);
    resized.set(signed.subarray(0, length));
    assert.equal(verify(secretKey.publicKey, resized, payload), false);
  }
  for (let bit = 0; bit < 65 * 8; bit++) {
    const damaged = signed.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(verify(secretKey.publicKey, damaged, payload), false, `bit ${bit}`);
  }
});

Deno.test("verify() takes no recovery id but 0 to 3, and no r or s that is 0, the order or above", () => {
  const signed = sign(payload, secretKey);
  for (let id = 0; id < 256; id++) {
    const changed = signed.slice();
    changed[64] = id;
    assert.equal(verify(secretKey.publicKey, changed, payload), id === signed[64], `recovery id ${id}`);
  }
  for (const value of [0n, ORDER, ORDER + 1n, 2n ** 256n - 1n]) {
    for (const offset of [0, 32]) {
      for (let id = 0; id < 4; id++) {
        const changed = signed.slice();
        changed.set(bytesOf(value), offset);
        changed[64] = id;
        assert.equal(verify(secretKey.publicKey, changed, payload), false);
      }
    }
  }
});

Deno.test("verify() judges s by its top bit, as the network does, not by half of the order", () => {
  // s between half of the order and 2^255: such a signature is found by choosing s and r, then the key.
  const half = ORDER / 2n;
  const s = half + 12_345n;
  assert.ok(s < 2n ** 255n);
  const r = signHash(sha256(payload), SecretKey.parse("33".repeat(32)).bytes()).subarray(0, 32);
  const made = Uint8Array.of(...r, ...bytesOf(s), 0);
  const key = recover(sha256(payload), made);
  assert.ok(key !== undefined);
  assert.equal(verify(publicKeyFromBytes(key), made, payload), true);

  // Its twin with the high s has the same key in plain ECDSA, and is refused.
  const twin = Uint8Array.of(...r, ...bytesOf(ORDER - half + 2n ** 254n), 0);
  const twinKey = recover(sha256(payload), twin);
  assert.ok(twinKey !== undefined);
  assert.equal(verify(publicKeyFromBytes(twinKey), twin, payload), false);
});

Deno.test("sign() gives s in the lower half, always", () => {
  for (let count = 0; count < 50; count++) {
    const signed = sign(Uint8Array.of(count), secretKey);
    assert.ok(BigInt("0x" + toHex(signed.subarray(32, 64))) <= ORDER / 2n);
  }
});

Deno.test("parseSignature() takes 130 hex characters of either case and nothing else", () => {
  const signed = sign(payload, secretKey);
  const text = toHex(signed);
  assert.deepEqual(parseSignature(text), signed);
  assert.deepEqual(parseSignature(text.toUpperCase()), signed);
  for (const bad of ["", text.slice(2), text + "00", " " + text.slice(1), "0x" + text.slice(2)]) {
    assert.throws(() => parseSignature(bad), InvalidSignatureTextError);
  }
});

Deno.test("verify() is total: any 65 bytes give an answer", () => {
  const { publicKey } = generateKeyPair({ bytes: (length) => new Uint8Array(length).fill(9) });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 65, maxLength: 65 }), (bytes) => {
      bytes[64]! &= 7;
      assert.equal(verify(publicKey, bytes, payload), false);
    }),
    { seed: 1, numRuns: 200 },
  );
});

function bytesOf(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, index) => Number(value >> BigInt(8 * (31 - index)) & 255n));
}
