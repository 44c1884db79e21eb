/**
 * Keys seen lately. Testing that 33 bytes are a point costs more than the rest of a request's decoding, and a node
 * meets the same few keys again and again.
 *
 * @module
 */
import { type PublicKey, publicKeyFromBytes, toHex } from "../crypto/mod.ts";

/** Keys kept; the oldest goes first. 4,096 x about 200 bytes. */
export const KNOWN_KEYS_MAX = 4_096;

const known = new Map<string, PublicKey>();

/** As `publicKeyFromBytes`, quicker for a key that it has seen. Errors: `InvalidKeyError`, never remembered. */
export function knownPublicKey(bytes: Uint8Array): PublicKey {
  const text = toHex(bytes);
  const seen = known.get(text);
  if (seen !== undefined) return seen;
  const key = publicKeyFromBytes(bytes);
  if (known.size >= KNOWN_KEYS_MAX) known.delete(known.keys().next().value!);
  known.set(text, key);
  return key;
}

/** How many are kept now. */
export function knownKeyCount(): number {
  return known.size;
}
