/**
 * What a discovery accepts: the rules for a posted entry, in their order, with the exact texts by which clients
 * recognise them (dmsg.md 8.3).
 *
 * @module
 */
import { type Entry, type UncheckedEntry, verifyEntry } from "./entry.ts";

/** A server's entry may be this old (ns). */
export const TIMESTAMP_PAST_MAX_NS = 60_000_000_000n;
/** A server's clock may be this far ahead (ns). */
export const TIMESTAMP_FUTURE_MAX_NS = 5_000_000_000n;

/** The message of a post whose sequence is not above the stored one; its sender looks the entry up and tries again. */
export const SEQUENCE_MESSAGE =
  "entry validation error: sequence field of new entry is not sequence of old entry + 1";
/** The message of a post that is older than the stored entry. */
export const TIMESTAMP_MESSAGE =
  "entry validation error: advertised entry timestamp is not greater than previous";

/** The entry, now with an owner, or what to answer. */
export type EntryVerdict =
  | { readonly accepted: true; readonly entry: Entry }
  | { readonly accepted: false; readonly status: 401 | 422; readonly message: string };

export interface EntryRulesOptions {
  /** Unix time in nanoseconds. */
  readonly now: bigint;
  /** Allows loopback and empty hosts, so that a network can live on one machine. */
  readonly testMode: boolean;
}

/** Rules 1 to 8: those of the entry by itself. They also hold for the body of a deletion. */
export function judgeEntry(entry: UncheckedEntry, { now, testMode }: EntryRulesOptions): EntryVerdict {
  const { server, client, static: owner } = entry;
  if (server !== undefined && !testMode && isLocalOnly(server.address)) {
    return refuse("advertising localhost listening address is not allowed in production mode");
  }
  if (entry.version === "") return refuse("entry has no version");
  if (!entry.signature) return refuse("entry has no signature");
  if (owner === undefined) return refuse("entry Keys is nil");
  if (client === undefined && server === undefined) return refuse("entry has neither client or server field");
  if (server !== undefined && server.address === "") return refuse("server address cannot be empty");
  if (server !== undefined && client === undefined && !isCurrent(entry.timestamp, now)) {
    return refuse("advertised entry has outdated timestamp");
  }
  const named: Entry = { ...entry, static: owner };
  if (!verifyEntry(named)) return { accepted: false, status: 401, message: "invalid signature" };
  return { accepted: true, entry: named };
}

/** All rules, for a post over `stored`, the entry of the same owner, if any. */
export function judgePost(
  entry: UncheckedEntry,
  stored: Entry | undefined,
  options: EntryRulesOptions,
): EntryVerdict {
  const verdict = judgeEntry(entry, options);
  if (!verdict.accepted || stored === undefined) return verdict;
  if (entry.sequence <= stored.sequence) return { accepted: false, status: 422, message: SEQUENCE_MESSAGE };
  if (entry.timestamp < stored.timestamp) return { accepted: false, status: 422, message: TIMESTAMP_MESSAGE };
  return verdict;
}

function refuse(reason: string): EntryVerdict {
  return { accepted: false, status: 422, message: `entry validation error: ${reason}` };
}

function isCurrent(timestamp: bigint, now: bigint): boolean {
  return timestamp >= now - TIMESTAMP_PAST_MAX_NS && timestamp <= now + TIMESTAMP_FUTURE_MAX_NS;
}

/** True for a given address whose host is empty or loopback. An address that is missing altogether has its own rule. */
function isLocalOnly(address: string): boolean {
  if (address === "") return false;
  const host = hostOf(address).toLowerCase();
  return host === "" || host === "localhost" || /^127(?:\.\d{1,3}){3}$/.test(host) || isLoopbackV6(host);
}

/** The host of `host:port`, without brackets. */
function hostOf(address: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(address);
  if (bracketed !== null) return bracketed[1]!;
  const colon = address.lastIndexOf(":");
  return colon < 0 ? address : address.slice(0, colon);
}

/** `::1` in any spelling, and IPv4 loopback inside IPv6. */
function isLoopbackV6(host: string): boolean {
  return /^(?:::|(?:0{1,4}:){1,7}:?)0{0,3}1$/.test(host) || /^(?:::|(?:0{1,4}:){1,5}:?)ffff:127\./.test(host);
}
