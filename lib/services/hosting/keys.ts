/** Keys in paths and bodies, and bodies that need hold none. @module */
import { InvalidKeyError, parsePublicKey, type PublicKey } from "../../crypto/mod.ts";

/** A list of keys: some 1,900. */
export const KEYS_BYTES_MAX = 128 * 1024;
/** The body of a request that needs none: some clients send an empty object. */
export const NO_BODY_BYTES_MAX = 1_024;

/** A key in a path or a list; undefined for what is none. */
export function readKey(text: string): PublicKey | undefined {
  try {
    return parsePublicKey(text);
  } catch (error) {
    if (error instanceof InvalidKeyError) return undefined;
    throw error;
  }
}

/** A JSON list of keys, null as an empty one; undefined for anything else. */
export function readKeys(body: Uint8Array): PublicKey[] | undefined {
  let list: unknown;
  try {
    list = JSON.parse(new TextDecoder().decode(body)) ?? [];
  } catch {
    return undefined; // a SyntaxError, or a RangeError for absurd nesting
  }
  if (!Array.isArray(list)) return undefined;
  const keys = list.map((item) => typeof item === "string" ? readKey(item) : undefined);
  return keys.every((key) => key !== undefined) ? keys : undefined;
}
