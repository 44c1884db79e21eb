/**
 * Signatures (protocol: dmsg, section 1.2): ECDSA over SHA-256 of the payload, with a recovery id.
 *
 *     [ r 32 ][ s 32 ][ recovery id 1 ]      big endian
 *
 * @module
 */
import { InvalidSignatureTextError, quoted } from "./errors.ts";
import { sha256 } from "./hash.ts";
import { decodeHex } from "./hex.ts";
import { type PublicKey, publicKeyBytes, type SecretKey } from "./keys.ts";
import { recover, SIGNATURE_BYTES, signHash } from "./secp.ts";

/** Signs SHA-256 of `payload`: 65 bytes, s in the lower half, nonce by RFC 6979 (peers draw theirs). */
export function sign(payload: Uint8Array, secretKey: SecretKey): Uint8Array {
  return signHash(sha256(payload), secretKey.bytes());
}

/**
 * True when `signature` is `publicKey`'s over `payload`. Accepts what the network accepts and nothing else: the
 * top bit of s clear, recovery id 0 to 3, and the key that is recovered by it equal to `publicKey`. A plain
 * ECDSA check would be no faster and would pass a wrong recovery id.
 */
export function verify(publicKey: PublicKey, signature: Uint8Array, payload: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES || signature[32]! >= 0x80) return false;
  const recovered = recover(sha256(payload), signature);
  return recovered !== undefined && areEqual(recovered, publicKeyBytes(publicKey));
}

/** Reads 130 hex characters; the content is judged by {@link verify}. Throws {@link InvalidSignatureTextError}. */
export function parseSignature(text: string): Uint8Array {
  const bytes = text.length === 2 * SIGNATURE_BYTES ? decodeHex(text) : undefined;
  if (bytes !== undefined) return bytes;
  throw new InvalidSignatureTextError(
    `Cannot read a signature: expected 130 hex characters, got ${quoted(text)}`,
  );
}

/** Public values only: this stops at the first difference. */
function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return a.length === b.length;
}
