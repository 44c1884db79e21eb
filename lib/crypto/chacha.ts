/**
 * ChaCha20-Poly1305 with counters as nonces, as Noise uses it.
 *
 *     nonce 12 = [ 0 0 0 0 ][ counter u64 ]      little endian
 *     sealed   = [ ciphertext, as long as the plaintext ][ tag 16 ]
 *
 * Up to 16 KiB by WebAssembly with SIMD (`_aead.ts`), which has no cost per call; larger ones by `node:crypto`.
 *
 * @module
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { AEAD_BYTES_MAX, openSmall, sealSmall } from "./_aead.ts";
import { AuthenticationError } from "./errors.ts";

export const CIPHER_KEY_BYTES = 32;
export const NONCE_BYTES = 12;
/** Bytes that sealing adds. */
export const TAG_BYTES = 16;
/** Counters are exact numbers up to here; at 64 KiB a batch that is beyond any session. */
export const COUNTER_MAX = Number.MAX_SAFE_INTEGER;

const ALGORITHM = "chacha20-poly1305";
const OPTIONS = { authTagLength: TAG_BYTES };
const NOTHING = new Uint8Array(0);
const TWO_TO_32 = 2 ** 32;
const WRONG_TAG = "Cannot open a ciphertext: it is not authentic, its tag is wrong";

// Written before and read during each synchronous call, hence shared: no allocation per frame.
const counterNonce = new Uint8Array(NONCE_BYTES);
const counterView = new DataView(counterNonce.buffer);

/** Seals `plaintext` under a counter: ciphertext and tag. Counters are never used twice with one key. */
export function chachaSeal(
  key: Uint8Array,
  counter: number | bigint,
  ad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
  sealWithNonce(key, nonceOf(counter), ad, plaintext, sealed, 0);
  return sealed;
}

/** The plaintext of {@link chachaSeal}. Throws {@link AuthenticationError}. */
export function chachaOpen(
  key: Uint8Array,
  counter: number | bigint,
  ad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  const plaintext = new Uint8Array(Math.max(0, sealed.length - TAG_BYTES));
  openWithNonce(key, nonceOf(counter), ad, sealed, plaintext, 0);
  return plaintext;
}

/**
 * The hot path's seal: no associated data, ciphertext and tag written into `into` at `offset`. Gives the
 * number of bytes written. `plaintext` may be a view of `into`.
 */
export function chachaSealInto(
  key: Uint8Array,
  counter: number,
  plaintext: Uint8Array,
  into: Uint8Array,
  offset: number,
): number {
  return sealWithNonce(key, nonceOf(counter), NOTHING, plaintext, into, offset);
}

/**
 * The hot path's open: no associated data, plaintext written into `into` at `offset`, only once it is
 * authentic. Gives the number of bytes written. `sealed` may be a view of `into`. Throws
 * {@link AuthenticationError}.
 */
export function chachaOpenInto(
  key: Uint8Array,
  counter: number,
  sealed: Uint8Array,
  into: Uint8Array,
  offset: number,
): number {
  return openWithNonce(key, nonceOf(counter), NOTHING, sealed, into, offset);
}

/** {@link chachaSealInto} with associated data and a whole nonce of 12 bytes. */
export function sealWithNonce(
  key: Uint8Array,
  nonce: Uint8Array,
  ad: Uint8Array,
  plaintext: Uint8Array,
  into: Uint8Array,
  offset: number,
): number {
  if (plaintext.length + ad.length <= AEAD_BYTES_MAX) {
    checkLengths(key, nonce);
    sealSmall({ key, nonce, ad }, plaintext, into, offset);
    return plaintext.length + TAG_BYTES;
  }
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS);
  if (ad.length > 0) cipher.setAAD(ad, { plaintextLength: plaintext.length });
  into.set(cipher.update(plaintext), offset);
  cipher.final();
  into.set(cipher.getAuthTag(), offset + plaintext.length);
  return plaintext.length + TAG_BYTES;
}

/** {@link chachaOpenInto} with associated data and a whole nonce of 12 bytes. */
export function openWithNonce(
  key: Uint8Array,
  nonce: Uint8Array,
  ad: Uint8Array,
  sealed: Uint8Array,
  into: Uint8Array,
  offset: number,
): number {
  const bytes = sealed.length - TAG_BYTES;
  if (bytes < 0) {
    throw new AuthenticationError(`Cannot open a ciphertext: ${sealed.length} bytes hold no tag of 16`);
  }
  if (bytes + ad.length <= AEAD_BYTES_MAX) {
    checkLengths(key, nonce);
    if (openSmall({ key, nonce, ad }, sealed, into, offset)) return bytes;
    throw new AuthenticationError(WRONG_TAG);
  }
  const decipher = createDecipheriv(ALGORITHM, key, nonce, OPTIONS);
  if (ad.length > 0) decipher.setAAD(ad, { plaintextLength: bytes });
  decipher.setAuthTag(sealed.subarray(bytes));
  const plaintext = decipher.update(sealed.subarray(0, bytes));
  try {
    decipher.final();
  } catch (cause) {
    throw new AuthenticationError(WRONG_TAG, { cause });
  }
  into.set(plaintext, offset);
  return bytes;
}

function checkLengths(key: Uint8Array, nonce: Uint8Array): void {
  if (key.length !== CIPHER_KEY_BYTES) throw new RangeError(`A key of ${key.length} bytes is not one of 32`);
  if (nonce.length !== NONCE_BYTES) throw new RangeError(`A nonce of ${nonce.length} bytes is not one of 12`);
}

/** The shared nonce, filled: valid until the next call. */
function nonceOf(counter: number | bigint): Uint8Array {
  if (typeof counter === "bigint") {
    counterView.setBigUint64(4, counter, true);
  } else {
    counterView.setUint32(4, counter >>> 0, true);
    counterView.setUint32(8, counter / TWO_TO_32, true);
  }
  return counterNonce;
}
