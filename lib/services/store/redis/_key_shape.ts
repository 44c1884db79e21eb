/** The shape of a key alone: what is stored was validated when it came. @module */
import type { PublicKey } from "../../../crypto/mod.ts";

export function hasKeyShape(value: unknown): value is PublicKey {
  return typeof value === "string" && /^0[23][0-9a-f]{64}$/.test(value);
}
