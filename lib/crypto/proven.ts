/** The mark of a key that was proved in a handshake. Imported by `noise/` only; a test holds that. @module */
import type { PublicKey } from "./keys.ts";

declare const proven: unique symbol;
/** A key whose holder has proved it in a handshake. Whitelists take nothing less. */
export type ProvenKey = PublicKey & { readonly [proven]: true };

/** Marks a key as proved: the last step of a completed handshake. */
export function proveKey(key: PublicKey): ProvenKey {
  return key as ProvenKey;
}
