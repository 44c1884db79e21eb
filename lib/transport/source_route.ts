/**
 * The address that pins a path: the ids of its transports, then its last visor (protocol: resolving-proxy,
 * section 8; TP-5).
 *
 *     <id 1>.<id 2>. ... .<id N>.<destination key>.skynet
 *
 * The ids are computed. The transports must exist, with exactly that type, when the address is dialled, and it
 * leads there only from the first visor of the path.
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";
import { transportId } from "./id.ts";

export interface SourceRoute {
  /** What a `.skynet` proxy takes for a host name. */
  readonly address: string;
  /** Its labels without the suffix: ids in the order of travel, then the destination's key. */
  readonly labels: readonly string[];
}

/** What stands at the end of addresses of routes. */
export const SKYNET_SUFFIX = ".skynet";

/** The address of the path over `keys`, two at least, whose transports are all of `type`. */
export function sourceRoute(
  keys: readonly PublicKey[],
  { type, suffix = SKYNET_SUFFIX }: { readonly type: string; readonly suffix?: string },
): SourceRoute {
  const ids = keys.slice(1).map((key, index) => transportId(keys[index]!, key, type));
  const labels = [...ids, keys.at(-1)!];
  return { address: labels.join(".") + suffix, labels };
}
