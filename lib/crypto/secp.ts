/**
 * The curve secp256k1: libsecp256k1 as WebAssembly, inlined in JavaScript by libauth.
 *
 * The only file that knows which library does the arithmetic. Everything is synchronous: the module is
 * compiled while this file is imported (top-level await), the tables are made at the first use. Arguments have
 * their exact lengths; callers check, because the C code reads what it is pointed at.
 *
 * Signing and deriving public keys run in constant time. Multiplying a foreign point (`multiply`) does not in
 * this build, so that a peer on the same machine could in theory time a static key; libsecp256k1's ECDH
 * function is not exported by it.
 *
 * @module
 */
import {
  CompressionFlag,
  ContextFlag,
  instantiateSecp256k1Wasm,
} from "@bitauth/libauth/build/lib/bin/secp256k1/secp256k1-wasm.js";
import { sha256 } from "./hash.ts";

/** A compressed point: 2 or 3 for the parity of y, then x, 32 bytes big endian. */
export const PUBLIC_KEY_BYTES = 33;
/** A scalar, big endian, 0 < scalar < n. */
export const SECRET_KEY_BYTES = 32;
/** r, s, recovery id. */
export const SIGNATURE_BYTES = 65;

const wasm = await instantiateSecp256k1Wasm();
const heap = wasm.heapU8; // its memory cannot grow, so that the view stays valid

// One call at a time, so that the scratch places can be shared by all of them.
const input = wasm.malloc(72);
const hashInput = wasm.malloc(32);
const secretInput = wasm.malloc(SECRET_KEY_BYTES);
const point = wasm.malloc(64);
const signature = wasm.malloc(65);
const number = wasm.malloc(4);

let context = 0;

/** The context with its tables (some 10 ms, once). */
function tables(): number {
  if (context === 0) context = wasm.contextCreate(ContextFlag.BOTH);
  return context;
}

let blinded = false;

/**
 * Blinds the arithmetic with secrets against side channels, once. The blinding seed must be unknown to an
 * observer but need not be random on its own: a hash of the first secret key in use is as unknown as that key,
 * and keeps this folder free of a source of randomness. It has no effect on any result.
 */
function blind(secret: Uint8Array): void {
  if (blinded) return;
  blinded = true;
  heap.set(sha256(BLINDING_LABEL, secret), hashInput);
  wasm.contextRandomize(tables(), hashInput);
  heap.fill(0, hashInput, hashInput + 32);
}

/** True for 0 < secret < n. `secret`: 32 bytes. */
export function isSecret(secret: Uint8Array): boolean {
  return withSecret(secret, () => wasm.seckeyVerify(tables(), secretInput) === 1);
}

/** True for 33 bytes that are a point in compressed form: first byte 2 or 3, x < p, on the curve. */
export function isPoint(compressed: Uint8Array): boolean {
  return compressed.length === PUBLIC_KEY_BYTES && loadPoint(compressed);
}

/** The compressed public key of a valid secret. */
export function derive(secret: Uint8Array): Uint8Array {
  blind(secret);
  const made = withSecret(secret, () => wasm.pubkeyCreate(tables(), point, secretInput) === 1);
  if (!made) throw new RangeError("Secret key is out of range");
  return storePoint();
}

/** secret * point, compressed. Both must be valid. */
export function multiply(secret: Uint8Array, compressed: Uint8Array): Uint8Array {
  if (!loadPoint(compressed)) throw new RangeError("Public key is not on the curve");
  const made = withSecret(secret, () => wasm.pubkeyTweakMul(tables(), point, secretInput) === 1);
  if (!made) throw new RangeError("Secret key is out of range");
  return storePoint();
}

/** ECDSA over a 32-byte hash, nonce by RFC 6979, low s: r, s and recovery id, 65 bytes. */
export function signHash(hash: Uint8Array, secret: Uint8Array): Uint8Array {
  blind(secret);
  heap.set(hash, hashInput);
  const signed = withSecret(
    secret,
    () => wasm.signRecoverable(tables(), signature, hashInput, secretInput) === 1,
  );
  if (!signed) throw new RangeError("Secret key is out of range");
  wasm.recoverableSignatureSerialize(tables(), input, number, signature);
  const bytes = heap.slice(input, input + SIGNATURE_BYTES);
  bytes[64] = wasm.heapU32[number >> 2]!;
  return bytes;
}

/**
 * The compressed key that made `signed` (65 bytes: r, s, recovery id) over a 32-byte hash; undefined when there
 * is none. Takes s in both halves.
 */
export function recover(hash: Uint8Array, signed: Uint8Array): Uint8Array | undefined {
  if (signed[64]! > 3) return undefined; // the C code aborts on it
  heap.set(hash, hashInput);
  heap.set(signed, input);
  if (wasm.recoverableSignatureParse(tables(), signature, input, signed[64]!) !== 1) return undefined;
  if (wasm.recover(tables(), point, signature, hashInput) !== 1) return undefined;
  return storePoint();
}

function loadPoint(compressed: Uint8Array): boolean {
  heap.set(compressed, input);
  return wasm.pubkeyParse(tables(), point, input, PUBLIC_KEY_BYTES) === 1;
}

function storePoint(): Uint8Array {
  wasm.heapU32[number >> 2] = PUBLIC_KEY_BYTES;
  wasm.pubkeySerialize(tables(), input, number, point, CompressionFlag.COMPRESSED);
  return heap.slice(input, input + PUBLIC_KEY_BYTES);
}

function withSecret<T>(secret: Uint8Array, work: () => T): T {
  heap.set(secret, secretInput);
  try {
    return work();
  } finally {
    heap.fill(0, secretInput, secretInput + SECRET_KEY_BYTES);
  }
}

const BLINDING_LABEL = new TextEncoder().encode("skyctl secp256k1 blinding");
