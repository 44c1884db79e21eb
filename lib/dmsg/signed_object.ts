/**
 * A body with its author's signature in front (dmsg.md 4.1).
 *
 *     [ signature 65 over SHA-256(body) ][ body: gob ]        hash = SHA-256 over both
 *
 * What was received is kept as it is: it is forwarded and hashed, never encoded again.
 *
 * @module
 */
import { type PublicKey, type SecretKey, sha256, sign, SIGNATURE_BYTES, verify } from "../crypto/mod.ts";
import { DmsgError } from "./errors.ts";

/** Signature and body; nothing is proved by having one. */
export class SignedObject {
  readonly signature: Uint8Array;
  readonly body: Uint8Array;
  #hash: Uint8Array | undefined;

  /** Keeps `bytes`, which nobody changes afterwards. Error 370 when no body is left behind the signature. */
  constructor(readonly bytes: Uint8Array) {
    if (bytes.length <= SIGNATURE_BYTES) throw new DmsgError(370);
    this.signature = bytes.subarray(0, SIGNATURE_BYTES);
    this.body = bytes.subarray(SIGNATURE_BYTES);
  }

  /** What a response names its request by: SHA-256 of all bytes, signature included. */
  get hash(): Uint8Array {
    return this.#hash ??= sha256(this.bytes);
  }

  /** True when `publicKey` signed the body. */
  isSignedBy(publicKey: PublicKey): boolean {
    return verify(publicKey, this.signature, this.body);
  }
}

/** Splits what was received; a caller that goes on using its buffer gives a copy. Error 370 when too short. */
export function parseSignedObject(bytes: Uint8Array): SignedObject {
  return new SignedObject(bytes);
}

/** Signs `body`. */
export function signObject(body: Uint8Array, secretKey: SecretKey): SignedObject {
  const bytes = new Uint8Array(SIGNATURE_BYTES + body.length);
  bytes.set(sign(body, secretKey));
  bytes.set(body, SIGNATURE_BYTES);
  return new SignedObject(bytes);
}

/** True when `publicKey` signed `signed`. */
export function verifyObject(signed: SignedObject, publicKey: PublicKey): boolean {
  return signed.isSignedBy(publicKey);
}
