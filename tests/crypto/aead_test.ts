/** The cipher in WebAssembly against `node:crypto`, at every length at which it takes another way. */
import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import {
  AuthenticationError,
  chachaOpen,
  chachaOpenInto,
  chachaSeal,
  chachaSealInto,
} from "../../lib/crypto/mod.ts";

const NOTHING = new Uint8Array(0);

/** The same bytes in every run. */
function drawing(seed: number): (bytes: number) => Uint8Array {
  let state = seed;
  return (bytes) =>
    Uint8Array.from({ length: bytes }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    });
}

function reference(key: Uint8Array, counter: number, ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true);
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  cipher.setAAD(ad, { plaintextLength: plaintext.length });
  return Uint8Array.from([...cipher.update(plaintext), ...cipher.final(), ...cipher.getAuthTag()]);
}

Deno.test("every length up to five steps of the cipher, and those around 4 KiB and 16 KiB", () => {
  const draw = drawing(1);
  const lengths = [
    ...Array.from({ length: 5 * 256 + 2 }, (_, length) => length),
    ...[4069, 4070, 4071, 4094, 4095, 4096, 8191, 16_383, 16_384, 16_385, 65_535],
  ];
  for (const length of lengths) {
    const [key, plaintext] = [draw(32), draw(length)];
    const sealed = chachaSeal(key, length, NOTHING, plaintext);
    assert.deepEqual(sealed, reference(key, length, NOTHING, plaintext), `${length} bytes`);
    assert.deepEqual(chachaOpen(key, length, NOTHING, sealed), plaintext, `${length} bytes`);
    assert.throws(() => chachaOpen(key, length + 1, NOTHING, sealed), AuthenticationError);
  }
});

Deno.test("associated data of every length, also where both together are just small enough", () => {
  const draw = drawing(2);
  const cases = [
    ...Array.from({ length: 130 }, (_, length) => [length, 100 - length % 50] as const),
    ...[[16_384, 0], [16_383, 1], [16_300, 84], [16_300, 85], [20_000, 20], [60_000, 20]] as const,
  ];
  for (const [adBytes, bytes] of cases) {
    const [key, ad, plaintext] = [draw(32), draw(adBytes), draw(bytes)];
    const sealed = chachaSeal(key, 7, ad, plaintext);
    assert.deepEqual(sealed, reference(key, 7, ad, plaintext), `${adBytes} and ${bytes} bytes`);
    assert.deepEqual(chachaOpen(key, 7, ad, sealed), plaintext);
    assert.throws(() => chachaOpen(key, 7, Uint8Array.of(...ad, 0), sealed), AuthenticationError);
  }
});

Deno.test("what an earlier message left in the memory does not show", () => {
  const draw = drawing(3);
  for (let round = 0; round < 300; round++) {
    chachaSeal(draw(32), round, draw(300), new Uint8Array(5_000).fill(255));
    const [key, plaintext] = [draw(32), draw(round)];
    assert.deepEqual(chachaSeal(key, 1, NOTHING, plaintext), reference(key, 1, NOTHING, plaintext));
  }
});

Deno.test("ciphertexts of ones alone carry through every limb", () => {
  const draw = drawing(4);
  for (let round = 0; round < 200; round++) {
    const key = draw(32);
    const length = 16 * (1 + round % 64);
    const stream = reference(key, round, NOTHING, new Uint8Array(length)).subarray(0, length);
    const plaintext = stream.map((byte) => byte ^ 255); // its ciphertext is ones
    assert.deepEqual(chachaSeal(key, round, NOTHING, plaintext), reference(key, round, NOTHING, plaintext));
  }
});

Deno.test("a wrong tag leaves the buffer alone, whichever way the message takes", () => {
  const draw = drawing(5);
  for (const length of [0, 1, 4_070, 16_384, 16_385, 40_000]) {
    const key = draw(32);
    const sealed = chachaSeal(key, 9, NOTHING, draw(length));
    for (const at of [0, length, sealed.length - 1]) {
      const into = new Uint8Array(length + 16).fill(5);
      const changed = sealed.with(at, sealed[at]! ^ 1);
      assert.throws(() => chachaOpenInto(key, 9, changed, into, 0), AuthenticationError);
      assert.deepEqual(into, new Uint8Array(length + 16).fill(5));
    }
  }
});

Deno.test("keys of other lengths are refused before anything is written", () => {
  for (const bytes of [0, 31, 33]) {
    const into = new Uint8Array(64);
    const key = new Uint8Array(bytes);
    assert.throws(() => chachaSealInto(key, 1, Uint8Array.of(1), into, 0), RangeError);
    assert.deepEqual(into, new Uint8Array(64));
  }
});
