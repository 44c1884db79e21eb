/**
 * Project Wycheproof's cases for every primitive in use, 2,619 in all.
 *
 * Their data is not part of this project: the tests are skipped where it does not lie beside it. The library's
 * functions are narrower than some formats there, so that the adapters at the end of this file decode DER.
 */
import assert from "node:assert/strict";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import {
  fromHex,
  hkdfSha256,
  hmacSha256,
  InvalidKemInputError,
  InvalidKeyError,
  kemDecapsulate,
  kemEncapsulate,
  kemKeysFromSeed,
  publicKeyBytes,
  publicKeyFromBytes,
  SecretKey,
  sha256,
  SIGNATURE_BYTES,
  TAG_BYTES,
  toHex,
  verify,
  webCryptoKemFromSeed,
} from "../../lib/crypto/mod.ts";
import { openWithNonce, sealWithNonce } from "../../lib/crypto/chacha.ts";
import { multiply, recover } from "../../lib/crypto/secp.ts";

const folder = new URL("../../../shared/vectors/wycheproof/", import.meta.url);
const counts = new Map<string, number>();

/** The cases of one file, with the fields of their group; the test fails unless it runs exactly `expected`. */
function wycheproof<Case>(
  file: string,
  expected: number,
  judge: (one: Case & { readonly result: Result; readonly comment?: string }) => void | Promise<void>,
): void {
  test(`${file}: ${expected} cases`, async () => {
    const { testGroups } = JSON.parse(Deno.readTextFileSync(new URL(`${file}_test.json`, folder)));
    let ran = 0;
    for (const { tests, ...group } of testGroups) {
      for (const one of tests) {
        try {
          await judge({ group, ...one });
        } catch (cause) {
          throw new Error(`Case ${one.tcId} of ${file}: ${one.comment}`, { cause });
        }
        ran++;
      }
    }
    assert.equal(ran, expected);
    counts.set(file, ran);
  });
}

type Result = "valid" | "invalid" | "acceptable";

function test(name: string, run: () => void | Promise<void>): void {
  const ignore = !exists(folder);
  Deno.test({ name: ignore ? `${name} (skipped: ../shared/vectors is not there)` : name, ignore, fn: run });
}

interface AeadCase {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
}

wycheproof<AeadCase>("chacha20_poly1305", 325, ({ key, iv, aad, msg, ct, tag, result }) => {
  const [keyBytes, nonce, ad, plaintext] = [key, iv, aad, msg].map(fromHex) as Four;
  const sealed = fromHex(ct + tag);
  const opened = new Uint8Array(Math.max(0, sealed.length - TAG_BYTES));
  const open = () => openWithNonce(keyBytes, nonce, ad, sealed, opened, 0);
  if (result === "invalid") {
    assert.throws(open);
    return;
  }
  assert.equal(open(), plaintext.length);
  assert.deepEqual(opened, plaintext);
  const resealed = new Uint8Array(sealed.length);
  sealWithNonce(keyBytes, nonce, ad, plaintext, resealed, 0);
  assert.deepEqual(resealed, sealed);
});

// The library takes compressed points only: what is no plain uncompressed or compressed key never reaches it.
wycheproof<{ readonly public: string; readonly private: string; readonly shared: string }>(
  "ecdh_secp256k1",
  752,
  (one) => {
    const secret = SecretKey.parse(one.private.padStart(64, "0").slice(-64));
    let shared: string | undefined;
    try {
      const point = publicKeyFromBytes(compressed(pointOfSpki(fromHex(one.public))));
      shared = toHex(multiply(secret.bytes(), publicKeyBytes(point)).subarray(1));
    } catch (error) {
      assert.ok(error instanceof InvalidKeyError, String(error));
    }
    if (one.result === "valid") assert.equal(shared, one.shared);
    else if (one.result === "invalid") assert.equal(shared, undefined);
    else assert.ok(shared === undefined || shared === one.shared);
  },
);

interface EcdsaCase {
  readonly group: { readonly publicKey: { readonly uncompressed: string } };
  readonly msg: string;
  readonly sig: string;
}

// Strict DER, and verify(), whose recovery id the cases lack: one of four must do. Bitcoin refuses s above half
// of the order, the network only a set top bit (dmsg, section 1.2): one case lies between the two.
wycheproof<EcdsaCase>("ecdsa_secp256k1_sha256_bitcoin", 463, ({ group, msg, sig, result }) => {
  const key = publicKeyFromBytes(compressed(fromHex(group.publicKey.uncompressed)));
  const compact = compactOfDer(fromHex(sig));
  const accepted = compact !== undefined &&
    recoveryIds(compact).some((signature) => verify(key, signature, fromHex(msg)));
  const isBetween = compact !== undefined && accepted &&
    BigInt("0x" + toHex(compact.subarray(32))) > secp256k1.Point.Fn.ORDER / 2n;
  if (isBetween) between++;
  assert.equal(accepted, result === "valid" || isBetween);
});
let between = 0;

// Here s may be high: recovery, on which verify() rests, takes both halves.
wycheproof<EcdsaCase>("ecdsa_secp256k1_sha256_p1363", 252, ({ group, msg, sig, result }) => {
  const key = toHex(compressed(fromHex(group.publicKey.uncompressed)));
  const compact = fromHex(sig);
  const hash = sha256(fromHex(msg));
  const accepted = compact.length === SIGNATURE_BYTES - 1 && recoveryIds(compact).some((signature) => {
    const recovered = recover(hash, signature);
    return recovered !== undefined && toHex(recovered) === key;
  });
  assert.equal(accepted, result === "valid");
});

interface HkdfCase {
  readonly ikm: string;
  readonly salt: string;
  readonly info: string;
  readonly size: number;
  readonly okm: string;
}

wycheproof<HkdfCase>("hkdf_sha256", 86, ({ ikm, salt, info, size, okm, result }) => {
  const derive = () =>
    hkdfSha256({ salt: fromHex(salt), input: fromHex(ikm), info: fromHex(info), bytes: size });
  if (result === "valid") assert.equal(toHex(derive()), okm);
  else assert.throws(derive, RangeError);
});

wycheproof<{ readonly key: string; readonly msg: string; readonly tag: string }>(
  "hmac_sha256",
  174,
  ({ key, msg, tag, result }) => {
    const made = toHex(hmacSha256(fromHex(key), fromHex(msg))).slice(0, tag.length);
    assert.equal(made === tag, result === "valid");
  },
);

interface EncapsulationCase {
  readonly ek: string;
  readonly m: string;
  readonly c: string;
  readonly K: string;
}

wycheproof<EncapsulationCase>("mlkem_768_encaps", 265, ({ ek, m, c, K, result }) => {
  const encapsulate = () => kemEncapsulate(fromHex(ek), fromHex(m));
  if (result === "invalid") {
    assert.throws(encapsulate, InvalidKemInputError);
    return;
  }
  const { ciphertext, sharedSecret } = encapsulate();
  assert.equal(toHex(ciphertext), c);
  assert.equal(toHex(sharedSecret), K);
});

wycheproof<{ readonly seed: string; readonly ek: string; readonly dk: string }>(
  "mlkem_768_keygen_seed",
  100,
  ({ seed, ek, dk, result }) => {
    assert.equal(result, "valid");
    const { encapsulationKey, decapsulationKey } = kemKeysFromSeed(fromHex(seed));
    assert.equal(toHex(encapsulationKey), ek);
    assert.equal(toHex(decapsulationKey), dk);
  },
);

wycheproof<{ readonly dk: string; readonly c: string; readonly K?: string }>(
  "mlkem_768_semi_expanded_decaps",
  9,
  ({ dk, c, K, result }) => {
    const decapsulate = () => kemDecapsulate(fromHex(dk), fromHex(c));
    if (result === "valid") assert.equal(toHex(decapsulate()), K);
    else assert.throws(decapsulate, InvalidKemInputError);
  },
);

interface KemCase {
  readonly seed: string;
  readonly ek?: string;
  readonly c: string;
  readonly K: string;
}

// Both implementations; a seed of another length is a bug of the caller and hence a RangeError.
wycheproof<KemCase>("mlkem_768", 193, async ({ seed, ek, c, K, result }) => {
  const outside = <T>(work: () => Promise<T>) => work();
  const slow = () => kemDecapsulate(kemKeysFromSeed(fromHex(seed)).decapsulationKey, fromHex(c));
  const fast = async () => (await webCryptoKemFromSeed(outside, fromHex(seed))).decapsulate(fromHex(c));
  if (result === "invalid") {
    const isRefusal = (error: unknown) =>
      error instanceof InvalidKemInputError || error instanceof RangeError;
    assert.throws(slow, isRefusal);
    await assert.rejects(fast, isRefusal);
    return;
  }
  if (ek !== undefined) assert.equal(toHex(kemKeysFromSeed(fromHex(seed)).encapsulationKey), ek);
  assert.equal(toHex(slow()), K);
  assert.equal(toHex(await fast()), K);
});

test("all files together: 2619 cases", () => {
  assert.equal(between, 1, "the one case that the network judges otherwise");
  assert.equal(counts.size, 10);
  assert.equal([...counts.values()].reduce((sum, count) => sum + count, 0), 2_619);
});

type Four = [Uint8Array, Uint8Array, Uint8Array, Uint8Array];

/** The point in a SubjectPublicKeyInfo of exactly the usual form: named curve, either form of the point. */
function pointOfSpki(spki: Uint8Array): Uint8Array {
  for (const header of SPKI_HEADERS) {
    if (toHex(spki).startsWith(header)) return spki.subarray(header.length / 2);
  }
  throw new InvalidKeyError("Cannot read a public key: its header is not the usual one");
}

const SPKI_HEADERS = [
  "3056301006072a8648ce3d020106052b8104000a034200", // then 04, x, y
  "3036301006072a8648ce3d020106052b8104000a032200", // then 02 or 03, x
];

/** Compressed form of a point of 33 or 65 bytes. An uncompressed one off the curve has no such form. */
function compressed(point: Uint8Array): Uint8Array {
  if (point.length === 33) return point;
  if (point.length !== 65 || point[0] !== 4) {
    throw new InvalidKeyError("Cannot read a public key: no such form");
  }
  const short = Uint8Array.of(2 + (point[64]! & 1), ...point.subarray(1, 33));
  const whole = secp256k1.Point.fromBytes(publicKeyBytes(publicKeyFromBytes(short))).toBytes(false);
  if (toHex(whole) !== toHex(point)) throw new InvalidKeyError("Cannot read a public key: y is wrong");
  return short;
}

function recoveryIds(compact: Uint8Array): Uint8Array[] {
  return [0, 1, 2, 3].map((id) => Uint8Array.of(...compact, id));
}

/** r and s, 64 bytes, of a signature in strict DER; undefined for any other encoding. */
function compactOfDer(der: Uint8Array): Uint8Array | undefined {
  if (der[0] !== 0x30 || der.length > 72 || der[1] !== der.length - 2) return undefined;
  const compact = new Uint8Array(64);
  let offset = 2;
  for (const end of [32, 64]) {
    if (der[offset] !== 2) return undefined;
    const length = der[offset + 1]!;
    let digits = der.subarray(offset + 2, offset + 2 + length);
    if (digits.length !== length || length === 0 || digits[0]! >= 0x80) return undefined;
    if (digits[0] === 0 && length > 1) {
      if (digits[1]! < 0x80) return undefined; // a zero that is not needed
      digits = digits.subarray(1);
    }
    if (digits.length > 32) return undefined;
    compact.set(digits, end - digits.length);
    offset += 2 + length;
  }
  return offset === der.length ? compact : undefined;
}

function exists(url: URL): boolean {
  try {
    return Deno.statSync(url).isDirectory;
  } catch {
    return false;
  }
}
