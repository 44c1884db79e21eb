/**
 * Keys of nodes (protocol: dmsg, sections 1.1 and 1.3).
 *
 * A public key is a validated text and therefore usable as a map key, with `===`, in JSON and in templates. A
 * secret key is an object that shows itself to nobody who does not ask for it by name.
 *
 * @module
 */
import type { Random } from "../runtime/mod.ts";
import { InvalidKeyError, quoted } from "./errors.ts";
import { sha256 } from "./hash.ts";
import { decodeHex, toHex } from "./hex.ts";
import { derive, isPoint, isSecret, multiply, PUBLIC_KEY_BYTES, SECRET_KEY_BYTES } from "./secp.ts";

declare const validated: unique symbol;
/** A point of secp256k1: 66 lower-case hex characters. Made by the parsers here only. */
export type PublicKey = string & { readonly [validated]: true };

/** A secret key and its public half. */
export interface KeyPair {
  readonly publicKey: PublicKey;
  readonly secretKey: SecretKey;
}

/**
 * The strict parser: exactly 66 hex characters of either case, a point of the curve. For command lines and
 * URL parameters. Throws {@link InvalidKeyError}.
 */
export function parsePublicKey(text: string): PublicKey {
  // The length first: a peer's megabyte must not be decoded to be refused.
  const bytes = text.length === 2 * PUBLIC_KEY_BYTES ? decodeHex(text) : undefined;
  if (bytes === undefined) {
    throw new InvalidKeyError(`Cannot read a public key: expected 66 hex characters, got ${shown(text)}`, {
      hint: "a public key looks like 02 or 03 and 64 more hex characters",
    });
  }
  return publicKeyFromBytes(bytes);
}

/** A refused text for a message, unless it may be a secret key in the wrong place: messages end up in logs. */
function shown(text: string): string {
  return SECRET_KEY_SHAPE.test(text) ? "what looks like a secret key" : quoted(text);
}

/**
 * The parser of JSON and URL path segments: a text of zeros only, of any count, none included, is the null key,
 * given as undefined. Everything else as {@link parsePublicKey}.
 */
export function parsePublicKeyLenient(text: string): PublicKey | undefined {
  return /[^0]/.test(text) ? parsePublicKey(text) : undefined;
}

/** The key in its 33-byte form. Throws {@link InvalidKeyError}, also for 33 zero bytes. */
export function publicKeyFromBytes(bytes: Uint8Array): PublicKey {
  if (bytes.length !== PUBLIC_KEY_BYTES) {
    throw new InvalidKeyError(`Cannot read a public key: expected 33 bytes, got ${bytes.length}`);
  }
  const text = toHex(bytes);
  if (!isPoint(bytes)) {
    throw new InvalidKeyError(`Cannot read a public key: ${text} is no point of secp256k1`);
  }
  return text as PublicKey;
}

/** A fresh copy of the 33 bytes: 2 or 3, then x. */
export function publicKeyBytes(key: PublicKey): Uint8Array {
  return decodeHex(key)!;
}

/** A secret key. Printing, logging or serialising it gives `[secret key]`; `reveal` and `bytes` give it away. */
export class SecretKey {
  readonly #bytes: Uint8Array;
  /** The public half. */
  readonly publicKey: PublicKey;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.publicKey = toHex(derive(bytes)) as PublicKey;
  }

  /** Reads 64 hex characters. Throws {@link InvalidKeyError}, whose message does not repeat the text. */
  static parse(text: string): SecretKey {
    const bytes = text.length === 2 * SECRET_KEY_BYTES ? decodeHex(text) : undefined;
    if (bytes === undefined) {
      throw new InvalidKeyError(
        `Cannot read a secret key: expected 64 hex characters, got ${text.length} characters`,
      );
    }
    return SecretKey.fromBytes(bytes);
  }

  /** Copies 32 bytes, big endian, above 0 and below the order of the curve. Throws {@link InvalidKeyError}. */
  static fromBytes(bytes: Uint8Array): SecretKey {
    if (bytes.length !== SECRET_KEY_BYTES) {
      throw new InvalidKeyError(`Cannot read a secret key: expected 32 bytes, got ${bytes.length}`);
    }
    if (!isSecret(bytes)) throw new InvalidKeyError("Cannot read a secret key: it is out of range");
    return new SecretKey(bytes.slice());
  }

  /** A fresh copy of the 32 bytes. */
  bytes(): Uint8Array {
    return this.#bytes.slice();
  }

  /** The 64 hex characters, for the one file that stores them. */
  reveal(): string {
    return toHex(this.#bytes);
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return HIDDEN;
  }

  [Symbol.for("Deno.customInspect")](): string {
    return HIDDEN;
  }
}

/** A new key pair. */
export function generateKeyPair(random: Random): KeyPair {
  for (let draw = 0; draw < DRAWS_MAX; draw++) {
    const bytes = random.bytes(SECRET_KEY_BYTES);
    if (isSecret(bytes)) return pairOf(SecretKey.fromBytes(bytes));
  }
  throw new Error("The source of randomness gives no usable bytes");
}

/** The key pair of a seed of at least one byte (dmsg, section 1.3). Throws {@link InvalidKeyError}. */
export function keyPairFromSeed(seed: Uint8Array): KeyPair {
  if (seed.length === 0) throw new InvalidKeyError("Cannot derive a key pair: the seed is empty");
  const hash = sha256(seed);
  const shared = multiply(nextSecret(hash), derive(nextSecret(sha256(hash))));
  const first = sha256(hash, shared);
  return pairOf(SecretKey.fromBytes(nextSecret(sha256(seed, first))));
}

/** Hashes at least once, until the result is a secret key. */
function nextSecret(bytes: Uint8Array): Uint8Array {
  do bytes = sha256(bytes); while (!isSecret(bytes));
  return bytes;
}

function pairOf(secretKey: SecretKey): KeyPair {
  return { publicKey: secretKey.publicKey, secretKey };
}

const HIDDEN = "[secret key]";

/** 64 hex digits in a row that are not part of a longer row. */
const SECRET_KEY_SHAPE = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/i;

/** One draw fails with a chance of 2^-128; so many in a row mean a broken source, which must not hang us. */
const DRAWS_MAX = 8;
