/** What an operator decides about a dmsg discovery (protocol: dmsg.md 9.4, 9.6; services.md 9, 13.1). @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { BuildInfo } from "../hosting/mod.ts";

/** How entries are judged and kept. Everything has a default. */
export interface DmsgDiscoverySettings {
  /** A server that posts this as its type is official; what it compares with when empty: dmsg.md 9.4. */
  readonly passPhrase?: string;
  /** Servers that are official without it. */
  readonly officialServers?: readonly PublicKey[];
  /** Network monitors: who may deregister others. */
  readonly whitelistKeys?: readonly PublicKey[];
  /** Accept servers that advertise a loopback or empty host: Skywire's `--test-mode`. Default false. */
  readonly allowLoopbackAddresses?: boolean;
  /** Time to live of a client's entry, {@link CLIENT_TTL_MIN_MS} to {@link CLIENT_TTL_MAX_MS}. Default {@link CLIENT_TTL_MS}. */
  readonly clientTtlMs?: number;
  /** The discovery's own key; undefined without a dmsg identity. */
  readonly publicKey?: PublicKey;
  /** What `/health` says about the program. */
  readonly build?: BuildInfo;
}

/** Clients announce themselves each 30 min (DD-3): one announcement may be lost. */
export const CLIENT_TTL_MS = 60 * 60_000;
/** Shorter, an entry is gone before its owner has read the answer. */
export const CLIENT_TTL_MIN_MS = 1_000;
/** Longer, the dead are listed for ever. */
export const CLIENT_TTL_MAX_MS = 366 * 24 * 60 * 60_000;
/** Servers announce themselves each minute: one announcement may be lost. */
export const SERVER_TTL_MS = 2 * 60_000;
/** The body of one entry: a client with 256 delegated servers needs 18 KiB. */
export const ENTRY_BODY_BYTES_MAX = 32 * 1024;
/** A list of keys: some 1,900. */
export const KEYS_BODY_BYTES_MAX = 128 * 1024;
/** Requests of one dmsg key (dmsg.md 9.1): 100 a second. */
export const REQUESTS_PER_MINUTE = 6_000;
/** And so many at once. */
export const REQUESTS_BURST = 200;
/** Servers in one answer to `available_servers` (dmsg.md 9.1). */
export const AVAILABLE_SERVERS_MAX = 512;
