/**
 * The curve secp256k1: libsecp256k1 as WebAssembly (`_secp_wasm.ts`).
 *
 * The only file that knows which library does the arithmetic. Everything is synchronous; the library is compiled
 * and its tables are made at the first use. Arguments have their exact lengths; callers check, because the C code
 * reads what it is pointed at.
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
} from "@bitauth/libauth/build/lib/bin/secp256k1/secp256k1-wasm-types.js";
import { AT, type SecpWasm, secpWasm } from "./_secp_wasm.ts";
import { sha256 } from "./hash.ts";

/** A compressed point: 2 or 3 for the parity of y, then x, 32 bytes big endian. */
export const PUBLIC_KEY_BYTES = 33;
/** A scalar, big endian, 0 < scalar < n. */
export const SECRET_KEY_BYTES = 32;
/** r, s, recovery id. */
export const SIGNATURE_BYTES = 65;

interface Curve extends SecpWasm {
  /** The library's context, with its tables. */
  readonly context: number;
}

let started: Curve | undefined; // at the first use (some 10 ms): commands without keys do not wait for it

function start(): Curve {
  const wasm = secpWasm();
  started = { ...wasm, context: wasm.functions._secp256k1_context_create(ContextFlag.BOTH) };
  return started;
}

let blinded = false;

/**
 * Blinds the arithmetic with secrets against side channels, once. The blinding seed must be unknown to an
 * observer but need not be random on its own: a hash of the first secret key in use is as unknown as that key,
 * and keeps this folder free of a source of randomness. It has no effect on any result.
 */
function blind({ functions, context, bytes }: Curve, secret: Uint8Array): void {
  if (blinded) return;
  blinded = true;
  bytes.set(sha256(BLINDING_LABEL, secret), AT.hash);
  functions._secp256k1_context_randomize(context, AT.hash);
  bytes.fill(0, AT.hash, AT.hash + 32);
}

/** True for 0 < secret < n. `secret`: 32 bytes. */
export function isSecret(secret: Uint8Array): boolean {
  const on = started ?? start();
  return withSecret(on, secret, () => on.functions._secp256k1_ec_seckey_verify(on.context, AT.secret) === 1);
}

/** True for 33 bytes that are a point in compressed form: first byte 2 or 3, x < p, on the curve. */
export function isPoint(compressed: Uint8Array): boolean {
  return compressed.length === PUBLIC_KEY_BYTES && loadPoint(started ?? start(), compressed);
}

/** The compressed public key of a valid secret. */
export function derive(secret: Uint8Array): Uint8Array {
  const on = started ?? start();
  const { functions, context } = on;
  blind(on, secret);
  const made = withSecret(
    on,
    secret,
    () => functions._secp256k1_ec_pubkey_create(context, AT.point, AT.secret) === 1,
  );
  if (!made) throw new RangeError("Secret key is out of range");
  return storePoint(on);
}

/** secret * point, compressed. Both must be valid. */
export function multiply(secret: Uint8Array, compressed: Uint8Array): Uint8Array {
  const on = started ?? start();
  const { functions, context } = on;
  if (!loadPoint(on, compressed)) throw new RangeError("Public key is not on the curve");
  const made = withSecret(
    on,
    secret,
    () => functions._secp256k1_ec_pubkey_tweak_mul(context, AT.point, AT.secret) === 1,
  );
  if (!made) throw new RangeError("Secret key is out of range");
  return storePoint(on);
}

/** ECDSA over a 32-byte hash, nonce by RFC 6979, low s: r, s and recovery id, 65 bytes. */
export function signHash(hash: Uint8Array, secret: Uint8Array): Uint8Array {
  const on = started ?? start();
  const { functions, context, bytes, words } = on;
  blind(on, secret);
  bytes.set(hash, AT.hash);
  const signed = withSecret(
    on,
    secret,
    () => functions._secp256k1_ecdsa_sign_recoverable(context, AT.signature, AT.hash, AT.secret) === 1,
  );
  if (!signed) throw new RangeError("Secret key is out of range");
  functions._secp256k1_ecdsa_recoverable_signature_serialize_compact(
    context,
    AT.input,
    AT.number,
    AT.signature,
  );
  const signature = bytes.slice(AT.input, AT.input + SIGNATURE_BYTES);
  signature[64] = words[AT.number >> 2]!;
  return signature;
}

/**
 * The compressed key that made `signed` (65 bytes: r, s, recovery id) over a 32-byte hash; undefined when there
 * is none. Takes s in both halves.
 */
export function recover(hash: Uint8Array, signed: Uint8Array): Uint8Array | undefined {
  if (signed[64]! > 3) return undefined; // the C code aborts on it
  const on = started ?? start();
  const { functions, context, bytes } = on;
  bytes.set(hash, AT.hash);
  bytes.set(signed, AT.input);
  const isRead = functions._secp256k1_ecdsa_recoverable_signature_parse_compact(
    context,
    AT.signature,
    AT.input,
    signed[64]!,
  );
  if (isRead !== 1) return undefined;
  if (functions._secp256k1_ecdsa_recover(context, AT.point, AT.signature, AT.hash) !== 1) return undefined;
  return storePoint(on);
}

function loadPoint({ functions, context, bytes }: Curve, compressed: Uint8Array): boolean {
  bytes.set(compressed, AT.input);
  return functions._secp256k1_ec_pubkey_parse(context, AT.point, AT.input, PUBLIC_KEY_BYTES) === 1;
}

function storePoint({ functions, context, bytes, words }: Curve): Uint8Array {
  words[AT.number >> 2] = PUBLIC_KEY_BYTES;
  functions._secp256k1_ec_pubkey_serialize(
    context,
    AT.input,
    AT.number,
    AT.point,
    CompressionFlag.COMPRESSED,
  );
  return bytes.slice(AT.input, AT.input + PUBLIC_KEY_BYTES);
}

function withSecret<T>({ bytes }: Curve, secret: Uint8Array, work: () => T): T {
  bytes.set(secret, AT.secret);
  try {
    return work();
  } finally {
    bytes.fill(0, AT.secret, AT.secret + SECRET_KEY_BYTES);
  }
}

const BLINDING_LABEL = new TextEncoder().encode("skyctl secp256k1 blinding");
