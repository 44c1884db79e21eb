/** Lists of keys in a request's body. @module */
import { InvalidKeyError, parsePublicKey, type PublicKey } from "../../crypto/mod.ts";

/** What a body is: no JSON list of texts, a list with a text that is no key, or keys, each once. */
export type KeyList = "no list" | "bad key" | readonly PublicKey[];

/** Reads a JSON list of keys; `null` is an empty one. */
export function readKeyList(body: string): KeyList {
  let list: unknown;
  try {
    list = JSON.parse(body) ?? [];
  } catch {
    return "no list"; // a SyntaxError, or a RangeError for absurd nesting
  }
  if (!Array.isArray(list) || !list.every((item): item is string => typeof item === "string")) {
    return "no list";
  }
  const keys = new Set<PublicKey>();
  for (const text of list) {
    try {
      keys.add(parsePublicKey(text));
    } catch (error) {
      if (error instanceof InvalidKeyError) return "bad key";
      throw error;
    }
  }
  return [...keys];
}
