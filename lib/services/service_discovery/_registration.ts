/** Reading what a key registers, and judging whether it may (services.md 6). @module */
import type { PublicKey } from "../../crypto/mod.ts";
import {
  readService,
  type ServiceRecord,
  UNREACHABLE_OVER_DMSG_TEXT,
  UNREACHABLE_TEXT,
} from "../../directory/mod.ts";
import { addressOf, type Answer, isPublicAddress, type Locate } from "../hosting/mod.ts";
import { problem } from "./_answers.ts";

/** Who registers, and from where. */
export interface Registrant {
  readonly key: PublicKey;
  /** IP address; undefined when it has none. */
  readonly remote: string | undefined;
}

export interface JudgeOptions {
  readonly allowLoopbackAddresses: boolean;
  readonly requiresPlace: boolean;
  readonly locate: Locate;
  /** Whether setup nodes can reach a visor. */
  readonly isReachable: (key: PublicKey) => Promise<boolean>;
}

/** The record as it may be stored, or what it is refused with. */
export async function judge(
  body: Uint8Array,
  { key, remote }: Registrant,
  { allowLoopbackAddresses, requiresPlace, locate, isReachable }: JudgeOptions,
): Promise<ServiceRecord | Answer> {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(body));
  } catch {
    return problem(400, "invalid json"); // a SyntaxError, a RangeError for absurd nesting, a TypeError for no UTF-8
  }
  const given = readService(value);
  if (given === undefined) return problem(400, "invalid service");
  if (given.publicKey !== key) return NOT_OWN;
  const record = { ...given, type: typeOf(given.type) };
  if (isApp(record.type) && record.version === undefined) return problem(403, "visor version is too old");
  const isPublic = remote !== undefined && isPublicAddress(remote);
  if (record.place === undefined) {
    try {
      if (isPublic) record.place = await locate(remote);
      else if (record.type === "visor" && requiresPlace) return NO_PLACE;
    } catch {
      if (requiresPlace) return NO_PLACE; // else best effort: said in the log of who asks
    }
  }
  if (record.type === "visor") {
    const isOwn = record.localIps?.some((address) => addressOf(address) === remote) === true;
    if (remote === undefined || !isOwn || !(isPublic || allowLoopbackAddresses)) {
      return problem(403, UNREACHABLE_TEXT);
    }
    if (!await isReachable(key)) return problem(403, UNREACHABLE_OVER_DMSG_TEXT); // last: it costs a dial
  }
  return record;
}

/** A type by the name that it is kept under. */
export function typeOf(text: string): string {
  return text === "proxy" ? "skysocks" : text;
}

function isApp(type: string): boolean {
  return type === "vpn" || type === "skysocks";
}

export const NOT_OWN = problem(403, "using public key other than your own is forbidden");
const NO_PLACE = problem(500, "failed to get visor data");
const decoder = new TextDecoder("utf-8", { fatal: true });
