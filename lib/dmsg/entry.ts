/**
 * A discovery entry: who somebody is and where streams to them can be relayed. As JSON, and as the exact text
 * that is signed.
 *
 *     {"version":…,"sequence":…,"timestamp":…,"static":…,"client":…,"client_type":…,"server":…,
 *      "signature":…,"protocol":…}                    signed: the same text without the signature
 *
 * Members of the order above, no blanks, nothing escaped beyond `"`, `\` and control characters. Unknown members
 * are dropped before a signature is tested, as at every peer. Source: dmsg.md 8.
 *
 * @module
 */
import { present } from "../base/mod.ts";
import { parseSignature, type PublicKey, type SecretKey, sign, toHex, verify } from "../crypto/mod.ts";
import { canonicalEntry } from "./_entry_text.ts";

export {
  canonicalEntry,
  ENTRY_CHARS_MAX,
  ENTRY_LIST_CHARS_MAX,
  parseEntries,
  parseEntry,
  parseUncheckedEntry,
  renderEntry,
} from "./_entry_text.ts";

/** What our entries say; empty is refused by discoveries. */
export const ENTRY_VERSION = "0.0.1";
/** The part of an entry that says: reach me through these servers. */
export interface EntryClient {
  /** Null (a list that was never made) and empty are different texts, so also different signatures. */
  readonly delegatedServers: readonly PublicKey[] | null;
}

/** The part of an entry that says: I relay, here. */
export interface EntryServer {
  /** `host:port` of TCP. */
  readonly address: string;
  readonly addressV6?: string;
  readonly addressUdp?: string;
  readonly addressUdpV6?: string;
  /** WebSocket URL. */
  readonly addressWs?: string;
  /** WebTransport URL. */
  readonly addressWt?: string;
  readonly certHashWt?: string;
  readonly certHashWtNext?: string;
  /** Room left; 0 or less when full. */
  readonly availableSessions: number;
  /** `official` or `community`, set by the discovery; in a post the discovery's pass phrase, or absent. */
  readonly serverType?: string;
  readonly dhtBootstrap?: boolean;
}

/** An entry that names its owner. Optional members are absent when empty. */
export interface Entry {
  readonly version: string;
  /** Iteration, u64. */
  readonly sequence: bigint;
  /** Unix time in nanoseconds, i64. */
  readonly timestamp: bigint;
  /** The owner's key. */
  readonly static: PublicKey;
  readonly client?: EntryClient;
  /** For instance `visor`. */
  readonly clientType?: string;
  readonly server?: EntryServer;
  /** 130 hex characters, unchecked until `verifyEntry`. */
  readonly signature?: string;
  /** Mux of the owner's sessions; absent means yamux over TCP. */
  readonly protocol?: string;
}

/** An entry as somebody posted it: `static` is undefined for the null key. */
export type UncheckedEntry = Omit<Entry, "static"> & { readonly static: PublicKey | undefined };

/** The entry with a fresh signature by `secretKey`, which must be the owner's (`TypeError` otherwise). */
export function signEntry(entry: Entry, secretKey: SecretKey): Entry {
  if (secretKey.publicKey !== entry.static) throw new TypeError("An entry is signed by its owner only");
  return { ...entry, signature: toHex(sign(encoder.encode(canonicalEntry(entry)), secretKey)) };
}

/** True when the signature is the owner's. An unreadable or missing one is not. */
export function verifyEntry(entry: Entry): boolean {
  if (entry.signature === undefined) return false;
  let signature: Uint8Array;
  try {
    signature = parseSignature(entry.signature);
  } catch {
    return false; // no signature text: as wrong as a wrong signature
  }
  return verify(entry.static, signature, encoder.encode(canonicalEntry(entry)));
}

/** What a new entry of a client says. */
export interface ClientEntryOptions {
  readonly publicKey: PublicKey;
  readonly delegatedServers: readonly PublicKey[];
  readonly timestamp: bigint;
  readonly sequence?: bigint;
  readonly clientType?: string;
}

/** An unsigned entry of a client. */
export function clientEntry(
  { publicKey, delegatedServers, timestamp, sequence = 0n, clientType }: ClientEntryOptions,
): Entry {
  const client = { delegatedServers: [...delegatedServers] };
  return {
    version: ENTRY_VERSION,
    sequence,
    timestamp,
    static: publicKey,
    client,
    ...present({ clientType }),
  };
}

/** An unsigned entry of a server. */
export function serverEntry(
  { publicKey, server, timestamp, sequence = 0n }: {
    readonly publicKey: PublicKey;
    readonly server: EntryServer;
    readonly timestamp: bigint;
    readonly sequence?: bigint;
  },
): Entry {
  return { version: ENTRY_VERSION, sequence, timestamp, static: publicKey, server };
}

/** True when both entries delegate the same servers, in any order; null and empty are the same here. */
export function sameDelegatedServers(a: Pick<Entry, "client">, b: Pick<Entry, "client">): boolean {
  const left = new Set(a.client?.delegatedServers);
  const right = new Set(b.client?.delegatedServers);
  return left.size === right.size && left.isSubsetOf(right);
}

const encoder = new TextEncoder();
