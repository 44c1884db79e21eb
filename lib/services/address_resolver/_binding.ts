/** Reading what a visor binds, and judging whether others can reach it there. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { Binding } from "../store/mod.ts";
import { addressOf, isPublicAddress } from "../hosting/mod.ts";
import { BOUND_ADDRESSES_MAX } from "./settings.ts";

/** A listener as the visor names it. */
export type Listener = Pick<Binding, "port" | "addresses">;

/** Reads `{"port":"37615","addresses":["203.0.113.7",...]}`; undefined for what is none. */
export function readListener(body: Uint8Array): Listener | undefined {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(body));
  } catch {
    return undefined; // a SyntaxError, a RangeError for absurd nesting, a TypeError for no UTF-8
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { port, addresses = [] } = value as { port?: unknown; addresses?: unknown };
  if (typeof port !== "string" || !/^[0-9]{1,5}$/.test(port)) return undefined;
  const number = Number(port);
  if (number < 1 || number > 65_535) return undefined;
  const list = addresses ?? [];
  if (!Array.isArray(list) || list.length > BOUND_ADDRESSES_MAX) return undefined;
  const read = list.map((item) => typeof item === "string" ? addressOf(item) : undefined);
  if (!read.every((address) => address !== undefined)) return undefined;
  return { port: number, addresses: read };
}

/** Why `key` cannot be bound at `remote`, in the words of the original; undefined when it can. */
export function problemOf(
  key: PublicKey,
  remote: string | undefined,
  { port, addresses }: Listener,
  { allowLoopbackAddresses }: { readonly allowLoopbackAddresses: boolean },
): string | undefined {
  const isReachable = remote !== undefined && (allowLoopbackAddresses || isPublicAddress(remote));
  const problem = !isReachable
    ? "Invalid IP address in request"
    : addresses.includes(remote)
    ? undefined
    : "Remote address not present in request";
  if (problem === undefined) return undefined;
  return `Cannot bind ${key} to ${remote ?? ""} (STCPR). ${problem}: {${port} [${addresses.join(" ")}]}`;
}

const decoder = new TextDecoder("utf-8", { fatal: true });
