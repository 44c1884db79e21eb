/**
 * What makes a discovery refuse an entry: the checks of dmsg.md 8.3, in their order, with their exact texts.
 * Clients recognise a refusal by its text.
 *
 * Pure: the time is an argument.
 *
 * @module
 */
import { type Entry, type UncheckedEntry, verifyEntry } from "../../dmsg/mod.ts";

/** An HTTP status and the text that goes with it. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** The first of checks 2 to 8 that `entry` fails; undefined when it may be believed. */
export function refusalOf(entry: UncheckedEntry, nowMs: number): Refusal | undefined {
  if (entry.version === "") return NO_VERSION;
  if (!entry.signature) return NO_SIGNATURE;
  if (!hasOwner(entry)) return NO_KEY;
  if (entry.client === undefined && entry.server === undefined) return NO_ROLE;
  if (entry.server !== undefined && entry.server.address === "") return NO_ADDRESS;
  if (entry.server !== undefined && entry.client === undefined && isOutdated(entry, nowMs)) return OUTDATED;
  if (!verifyEntry(entry)) return WRONG_SIGNATURE;
  return undefined;
}

/** Check 1: a server that others cannot reach at what it advertises. */
export function refusalOfAddress(entry: UncheckedEntry): Refusal | undefined {
  const address = entry.server?.address ?? "";
  return address !== "" && isLoopback(hostOf(address)) ? LOOPBACK : undefined;
}

/** Checks 9 and 10: an iteration that does not follow the stored one. The texts promise more than is tested. */
export function refusalAfter(stored: Iteration, entry: Iteration): Refusal | undefined {
  if (entry.sequence <= stored.sequence) return STALE_SEQUENCE;
  if (entry.timestamp < stored.timestamp) return STALE_TIMESTAMP;
  return undefined;
}

/** What orders the iterations of one key's entry. */
export type Iteration = Pick<Entry, "sequence" | "timestamp">;

/** True when the entry names an owner. */
export function hasOwner(entry: UncheckedEntry): entry is Entry {
  return entry.static !== undefined;
}

function isOutdated({ timestamp }: Iteration, nowMs: number): boolean {
  const nowNs = BigInt(Math.floor(nowMs)) * 1_000_000n;
  return timestamp < nowNs - OLDEST_NS || timestamp > nowNs + NEWEST_NS;
}

/** The host of `host:port`, brackets off; empty when the text has no such form. */
function hostOf(address: string): string {
  return /^(?:\[([^\]]*)\]|([^:]*)):[0-9]+$/.exec(address)?.slice(1).find((host) => host !== undefined) ?? "";
}

function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "").replace(/%.*$/, ""); // root of the DNS; zone of IPv6
  if (name === "" || name === "localhost" || name.endsWith(".localhost")) return true;
  if (/^127(\.[0-9]+){3}$/.test(name)) return true;
  return name.includes(":") && isLoopback6(name);
}

/** `::1`, and 127.0.0.0/8 mapped into IPv6, in any of their spellings: the URL parser writes them in one. */
function isLoopback6(text: string): boolean {
  const host = URL.parse(`http://[${text}]`)?.hostname;
  return host === "[::1]" || /^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/.test(host ?? "");
}

const invalid = (text: string): Refusal => ({ status: 422, message: `entry validation error: ${text}` });

const LOOPBACK = invalid("advertising localhost listening address is not allowed in production mode");
const NO_VERSION = invalid("entry has no version");
const NO_SIGNATURE = invalid("entry has no signature");
const NO_KEY = invalid("entry Keys is nil");
const NO_ROLE = invalid("entry has neither client or server field");
const NO_ADDRESS = invalid("server address cannot be empty");
const OUTDATED = invalid("advertised entry has outdated timestamp");
const WRONG_SIGNATURE: Refusal = { status: 401, message: "invalid signature" };
const STALE_SEQUENCE = invalid("sequence field of new entry is not sequence of old entry + 1");
const STALE_TIMESTAMP = invalid("advertised entry timestamp is not greater than previous");

/** How far a server's clock may be behind (dmsg.md 8.3, check 7), and how long its post may travel. */
const OLDEST_NS = 60_000_000_000n;
/** How far it may be ahead. */
const NEWEST_NS = 5_000_000_000n;
