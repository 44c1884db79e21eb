import assert from "node:assert/strict";
import { inspect } from "node:util";
import fc from "fast-check";
import {
  fromHex,
  generateKeyPair,
  InvalidHexError,
  InvalidKeyError,
  keyPairFromSeed,
  parsePublicKey,
  parsePublicKeyLenient,
  publicKeyBytes,
  publicKeyFromBytes,
  SecretKey,
  toHex,
} from "../../lib/crypto/mod.ts";

const FIELD_PRIME = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";
const ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const ORDER_LESS_ONE = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140";
const GENERATOR = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

Deno.test("parsePublicKey() refuses x at and above the field's prime", () => {
  // x = p + 1 would be the valid x = 1 if it were reduced.
  for (const x of [FIELD_PRIME, FIELD_PRIME.replace(/2f$/, "30"), "ff".repeat(32)]) {
    assert.throws(() => parsePublicKey("02" + x), InvalidKeyError);
    assert.throws(() => publicKeyFromBytes(fromHex("03" + x)), InvalidKeyError);
  }
  assert.equal(parsePublicKey("02" + "00".repeat(31) + "01"), "02" + "00".repeat(31) + "01");
});

Deno.test("parsePublicKey() refuses blanks, other lengths, other first bytes and what is no hex", () => {
  const x = GENERATOR.slice(2);
  const bad = [
    ` ${GENERATOR}`,
    `${GENERATOR}\n`,
    `0x${x}`,
    `04${x}`,
    `00${x}`,
    x,
    `${GENERATOR}00`,
    GENERATOR.replace("7", "g"),
    GENERATOR.replace("7", "\u0667"), // a digit, but not ours
    "a".repeat(1_000_000),
  ];
  for (const text of bad) assert.throws(() => parsePublicKey(text), InvalidKeyError);
  assert.throws(() => parsePublicKey(bad.at(-1)!), (error: Error) => error.message.length < 300);
});

Deno.test("parsePublicKey() does not repeat a secret key that was put in the place of a public one", () => {
  const secret = "1234567890abcdef".repeat(4);
  for (const text of [secret, secret.toUpperCase(), ` ${secret}\n`, `0x${secret}`, `${secret}:80`]) {
    for (const parse of [parsePublicKey, parsePublicKeyLenient]) {
      assert.throws(() => parse(text), (error: Error) => {
        assert.ok(error instanceof InvalidKeyError);
        return !error.message.toLowerCase().includes("1234") && error.message.includes("secret key");
      });
    }
  }
  assert.throws(() => parsePublicKey("12345"), /got "12345"/);
});

Deno.test("parsePublicKeyLenient() takes zeros for no key, and nothing else", () => {
  assert.equal(parsePublicKeyLenient(""), undefined);
  assert.equal(parsePublicKeyLenient("0".repeat(1000)), undefined);
  assert.equal(parsePublicKeyLenient(GENERATOR.toUpperCase()), GENERATOR);
  assert.throws(() => parsePublicKeyLenient(" "), InvalidKeyError);
  assert.throws(() => parsePublicKeyLenient("0".repeat(65) + "1"), InvalidKeyError);
});

Deno.test("publicKeyFromBytes() is total: a key that survives the way back, or an InvalidKeyError", () => {
  assert.throws(() => publicKeyFromBytes(new Uint8Array(33)), InvalidKeyError);
  let valid = 0;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (bytes, shaped) => {
      const tried = shaped ? Uint8Array.of(2 + (bytes.length & 1), ...padded(bytes, 32)) : bytes;
      try {
        assert.deepEqual(publicKeyBytes(publicKeyFromBytes(tried)), tried);
        valid++;
      } catch (error) {
        assert.ok(error instanceof InvalidKeyError);
      }
    }),
    { seed: 1, numRuns: 400 },
  );
  assert.ok(valid > 20, `only ${valid} of the tried points were valid`);
});

Deno.test("SecretKey refuses 0, the order and above, and other lengths, without repeating them", () => {
  for (const text of ["00".repeat(32), ORDER, "ff".repeat(32), "11".repeat(31), "zz".repeat(32), ""]) {
    assert.throws(() => SecretKey.parse(text), (error: Error) => {
      assert.ok(error instanceof InvalidKeyError);
      return text === "" || !error.message.includes(text);
    });
  }
  assert.throws(() => SecretKey.fromBytes(new Uint8Array(33).fill(1)), InvalidKeyError);
  assert.equal(SecretKey.parse("00".repeat(31) + "01").publicKey, GENERATOR);
  assert.equal(SecretKey.parse(ORDER_LESS_ONE).publicKey, GENERATOR.replace(/^02/, "03"));
});

Deno.test("SecretKey shows itself only when asked by name", () => {
  const hex = "1234567890abcdef".repeat(4);
  const key = SecretKey.parse(hex);
  const shown = [`${key}`, JSON.stringify({ key }), inspect({ key }), Deno.inspect({ key }), String([key])];
  for (const text of shown) {
    assert.match(text, /\[secret key\]/);
    assert.ok(!text.includes("1234"), text);
  }
  assert.equal(key.reveal(), hex);
});

Deno.test("SecretKey keeps its own copy, and gives copies", () => {
  const bytes = new Uint8Array(32).fill(1);
  const key = SecretKey.fromBytes(bytes);
  bytes.fill(2);
  key.bytes().fill(3);
  assert.equal(key.reveal(), "01".repeat(32));
});

Deno.test("generateKeyPair() draws again for what is no key, and gives up on a broken source", () => {
  let draws = 0;
  const pair = generateKeyPair({ bytes: (length) => new Uint8Array(length).fill(draws++ === 0 ? 255 : 1) });
  assert.equal(pair.secretKey.reveal(), "01".repeat(32));
  assert.equal(draws, 2);
  assert.throws(() => generateKeyPair({ bytes: (length) => new Uint8Array(length) }), /randomness/);
});

Deno.test("keyPairFromSeed() refuses an empty seed", () => {
  assert.throws(() => keyPairFromSeed(new Uint8Array(0)), InvalidKeyError);
});

Deno.test("hex survives the way back, in either case; anything else is an InvalidHexError", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.deepEqual(fromHex(toHex(bytes)), bytes);
      assert.deepEqual(fromHex(toHex(bytes).toUpperCase()), bytes);
    }),
    { seed: 1 },
  );
  for (const text of ["0", "0g", "g0", " 00", "0x", "é0", "\u{1f600}", "--"]) {
    assert.throws(() => fromHex(text), InvalidHexError, text);
  }
});

function padded(bytes: Uint8Array, length: number): Uint8Array {
  const whole = new Uint8Array(length);
  whole.set(bytes.subarray(0, length));
  return whole;
}
