/**
 * ML-KEM-768 (FIPS 203): the post-quantum half of the hybrid handshake.
 *
 * Two implementations with the same bytes. WebCrypto is several times faster, but waits outside of the event
 * loop and draws its own randomness. The one in JavaScript takes coins, so that the simulated world and the
 * recorded vectors can fix them.
 *
 * @module
 */
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import type { Random, World } from "../runtime/mod.ts";
import { InvalidKemInputError } from "./errors.ts";

/** d and z: what a key pair is derived from. */
export const KEM_SEED_BYTES = 64;
/** m: what an encapsulation is derived from. */
export const KEM_COINS_BYTES = 32;
export const ENCAPSULATION_KEY_BYTES = 1184;
/** The expanded form of FIPS 203. */
export const DECAPSULATION_KEY_BYTES = 2400;
export const KEM_CIPHERTEXT_BYTES = 1088;
export const SHARED_SECRET_BYTES = 32;

export interface Encapsulation {
  /** 1088 bytes, for the holder of the key. */
  readonly ciphertext: Uint8Array;
  /** 32 bytes, the same on both sides. */
  readonly sharedSecret: Uint8Array;
}

/** A key pair, of which only the public half leaves. */
export interface KemKeyPair {
  /** 1184 bytes. */
  readonly encapsulationKey: Uint8Array;
  /**
   * The secret in `ciphertext`. A damaged one of the right length gives another secret, not an error.
   * Rejects with {@link InvalidKemInputError} for another length.
   */
  decapsulate(ciphertext: Uint8Array): Promise<Uint8Array>;
}

/** Makes key pairs and encapsulates, with randomness of its own. */
export interface Kem {
  generate(): Promise<KemKeyPair>;
  /** Rejects with {@link InvalidKemInputError} for what is no encapsulation key. */
  encapsulate(encapsulationKey: Uint8Array): Promise<Encapsulation>;
}

/** The KEM in JavaScript: everything follows from `random`. */
export function seededKem(random: Random): Kem {
  return {
    async generate() {
      const { encapsulationKey, decapsulationKey } = kemKeysFromSeed(random.bytes(KEM_SEED_BYTES));
      return {
        encapsulationKey,
        decapsulate: async (ciphertext) => kemDecapsulate(decapsulationKey, ciphertext),
      };
    },
    encapsulate: async (key) => kemEncapsulate(key, random.bytes(KEM_COINS_BYTES)),
  };
}

/** Both keys of a 64-byte seed, in the raw forms of FIPS 203. Another length is a `RangeError`. */
export function kemKeysFromSeed(
  seed: Uint8Array,
): { encapsulationKey: Uint8Array; decapsulationKey: Uint8Array } {
  if (seed.length !== KEM_SEED_BYTES) throw new RangeError(`KEM seed of ${seed.length} bytes, not 64`);
  const { publicKey, secretKey } = ml_kem768.keygen(seed);
  return { encapsulationKey: publicKey, decapsulationKey: secretKey };
}

/** Encapsulates with given coins (32 bytes, used once). Throws {@link InvalidKemInputError}. */
export function kemEncapsulate(encapsulationKey: Uint8Array, coins: Uint8Array): Encapsulation {
  if (coins.length !== KEM_COINS_BYTES) throw new RangeError(`KEM coins of ${coins.length} bytes, not 32`);
  expectBytes("encapsulation key", encapsulationKey, ENCAPSULATION_KEY_BYTES);
  try {
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(encapsulationKey, coins);
    return { ciphertext: cipherText, sharedSecret };
  } catch (cause) {
    throw invalidKey("encapsulation key", cause); // FIPS 203, 7.2: a coefficient is not reduced
  }
}

/** The secret in `ciphertext`. Throws {@link InvalidKemInputError} for wrong lengths or a damaged key. */
export function kemDecapsulate(decapsulationKey: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  expectBytes("ciphertext", ciphertext, KEM_CIPHERTEXT_BYTES);
  expectBytes("decapsulation key", decapsulationKey, DECAPSULATION_KEY_BYTES);
  try {
    return ml_kem768.decapsulate(ciphertext, decapsulationKey);
  } catch (cause) {
    throw invalidKey("decapsulation key", cause); // FIPS 203, 7.3: the hash inside is not that of the key
  }
}

/** The KEM of WebCrypto; every call goes through the World's `outside`. */
export function webCryptoKem(outside: World["outside"]): Kem {
  return {
    async generate() {
      const pair = await outside(() => subtle.generateKey(ALGORITHM, false, [...BOTH]));
      const raw = await outside(() => subtle.exportKey("raw-public", pair.publicKey));
      return {
        encapsulationKey: new Uint8Array(raw),
        decapsulate: (ciphertext) => decapsulateOutside(outside, pair.privateKey, ciphertext),
      };
    },
    async encapsulate(encapsulationKey) {
      expectBytes("encapsulation key", encapsulationKey, ENCAPSULATION_KEY_BYTES);
      const { ciphertext, sharedKey } = await outside(async () => {
        try {
          const key = await subtle.importKey("raw-public", encapsulationKey, ALGORITHM, false, [BOTH[0]]);
          return await subtle.encapsulateBits(ALGORITHM, key);
        } catch (cause) {
          throw invalidKey("encapsulation key", cause); // noticed by either call
        }
      });
      return { ciphertext: new Uint8Array(ciphertext), sharedSecret: new Uint8Array(sharedKey) };
    },
  };
}

/** A WebCrypto key pair of a given seed, for the recorded vectors: encapsulation by others, decapsulation here. */
export async function webCryptoKemFromSeed(
  outside: World["outside"],
  seed: Uint8Array,
): Promise<KemKeyPair> {
  const { encapsulationKey } = kemKeysFromSeed(seed);
  const key = await outside(() => subtle.importKey("raw-seed", seed, ALGORITHM, false, ["decapsulateBits"]));
  return {
    encapsulationKey,
    decapsulate: (ciphertext) => decapsulateOutside(outside, key, ciphertext),
  };
}

async function decapsulateOutside(
  outside: World["outside"],
  key: CryptoKey,
  ciphertext: Uint8Array,
): Promise<Uint8Array> {
  expectBytes("ciphertext", ciphertext, KEM_CIPHERTEXT_BYTES);
  return new Uint8Array(await outside(() => subtle.decapsulateBits(ALGORITHM, key, ciphertext)));
}

function expectBytes(what: string, bytes: Uint8Array, expected: number): void {
  if (bytes.length === expected) return;
  throw new InvalidKemInputError(
    `Cannot use an ML-KEM-768 ${what} of ${bytes.length} bytes, not ${expected}`,
  );
}

function invalidKey(what: string, cause: unknown): InvalidKemInputError {
  return new InvalidKemInputError(`Cannot use an ML-KEM-768 ${what}: it is damaged`, { cause });
}

const ALGORITHM = "ML-KEM-768";
const BOTH = ["encapsulateBits", "decapsulateBits"] as const;

/** What WebCrypto has beyond the types that TypeScript knows. */
interface KemSubtleCrypto {
  generateKey(algorithm: string, extractable: boolean, usages: readonly string[]): Promise<CryptoKeyPair>;
  exportKey(format: "raw-public", key: CryptoKey): Promise<ArrayBuffer>;
  importKey(
    format: "raw-public" | "raw-seed",
    bytes: Uint8Array,
    algorithm: string,
    extractable: boolean,
    usages: readonly string[],
  ): Promise<CryptoKey>;
  encapsulateBits(
    algorithm: string,
    key: CryptoKey,
  ): Promise<{ ciphertext: ArrayBuffer; sharedKey: ArrayBuffer }>;
  decapsulateBits(algorithm: string, key: CryptoKey, ciphertext: Uint8Array): Promise<ArrayBuffer>;
}

const subtle = globalThis.crypto.subtle as unknown as KemSubtleCrypto;
