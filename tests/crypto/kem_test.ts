import assert from "node:assert/strict";
import fc from "fast-check";
import {
  InvalidKemInputError,
  type Kem,
  kemDecapsulate,
  kemEncapsulate,
  kemKeysFromSeed,
  seededKem,
  webCryptoKem,
} from "../../lib/crypto/mod.ts";

let draws = 0;
const random = { bytes: (length: number) => new Uint8Array(length).fill(++draws) };
let callsOutside = 0;
const outside = <T>(work: () => Promise<T>): Promise<T> => {
  callsOutside++;
  return work();
};
const kems: Record<string, Kem> = { seededKem: seededKem(random), webCryptoKem: webCryptoKem(outside) };

for (const [one, mine] of Object.entries(kems)) {
  for (const [other, theirs] of Object.entries(kems)) {
    Deno.test(`${one}() and ${other}() agree on a secret`, async () => {
      const pair = await mine.generate();
      assert.equal(pair.encapsulationKey.length, 1184);
      const { ciphertext, sharedSecret } = await theirs.encapsulate(pair.encapsulationKey);
      assert.equal(ciphertext.length, 1088);
      assert.equal(sharedSecret.length, 32);
      assert.deepEqual(await pair.decapsulate(ciphertext), sharedSecret);
      const damaged = ciphertext.with(7, ciphertext[7]! ^ 1);
      assert.notDeepEqual(await pair.decapsulate(damaged), sharedSecret); // no error: implicit rejection
    });
  }

  Deno.test(`${one}() refuses wrong lengths and a key that is not reduced`, async () => {
    const pair = await mine.generate();
    for (const length of [0, 1183, 1185]) {
      await assert.rejects(mine.encapsulate(new Uint8Array(length)), InvalidKemInputError);
    }
    await assert.rejects(mine.encapsulate(new Uint8Array(1184).fill(255)), InvalidKemInputError);
    for (const length of [0, 1087, 1089]) {
      await assert.rejects(pair.decapsulate(new Uint8Array(length)), InvalidKemInputError);
    }
  });
}

Deno.test("webCryptoKem() waits through `outside` only", async () => {
  callsOutside = 0;
  const pair = await webCryptoKem(outside).generate();
  assert.equal(callsOutside, 2);
  await pair.decapsulate(new Uint8Array(1088));
  assert.equal(callsOutside, 3);
});

Deno.test("the KEM's functions are total on bytes of the right length", () => {
  const { encapsulationKey, decapsulationKey } = kemKeysFromSeed(new Uint8Array(64).fill(1));
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1184, maxLength: 1184 }), (bytes) => {
      // One in five of 768 random coefficients is not reduced: none of the keys passes.
      assert.throws(() => kemEncapsulate(bytes, new Uint8Array(32)), InvalidKemInputError);
      assert.equal(kemDecapsulate(decapsulationKey, bytes.subarray(0, 1088)).length, 32);
    }),
    { seed: 1, numRuns: 20 },
  );
  assert.throws(() => kemEncapsulate(encapsulationKey, new Uint8Array(31)), RangeError);
  assert.throws(() => kemKeysFromSeed(new Uint8Array(63)), RangeError);
});
