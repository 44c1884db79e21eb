/** What goes wrong with keys, signatures and ciphertexts. @module */
import { CallerError, PeerError } from "../base/mod.ts";

/** A text or bytes that are no key: wrong length, no hex, not on the curve, out of range. Names no secret. */
export class InvalidKeyError extends CallerError {
  readonly code = "INVALID_KEY";
}

/** A text that is not the hex of a 65-byte signature. */
export class InvalidSignatureTextError extends CallerError {
  readonly code = "INVALID_SIGNATURE_TEXT";
}

/** A text that is not an even number of hex digits. */
export class InvalidHexError extends CallerError {
  readonly code = "INVALID_HEX";
}

/** A ciphertext, or the data bound to it, is not what the holder of the key sealed. */
export class AuthenticationError extends PeerError {
  readonly code = "AUTHENTICATION_FAILED";
}

/** Bytes that are no ML-KEM-768 encapsulation key or ciphertext. */
export class InvalidKemInputError extends PeerError {
  readonly code = "INVALID_KEM_INPUT";
}

/** A text as it may appear in a message: quoted, control bytes escaped, short. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 140 ? `${text.slice(0, 140)}…` : text);
}
