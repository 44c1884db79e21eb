/** What an operator decides about a transport discovery (services.md 1.3, 3.3). @module */
import type { HostedSettings } from "../hosting/mod.ts";

/**
 * How transports are judged and kept: each for {@link TRANSPORT_TTL_MS} by default. What a
 * proxy says of where a caller is, is not asked.
 */
export interface TransportDiscoverySettings extends Omit<HostedSettings, "believeProxies"> {
  /** Of one key, where a key must be proven. 0: no limit. Default {@link REQUESTS_PER_MINUTE}. */
  readonly requestsPerMinute?: number;
  /** At once. Default {@link REQUESTS_BURST}. */
  readonly requestsBurst?: number;
  /** Live transports that one key registered first, at most. Default {@link RECORDS_OF_KEY_MAX}. */
  readonly recordsOfKeyMax?: number;
  /** The same of all keys at one public address. Default {@link RECORDS_OF_ADDRESS_MAX}. */
  readonly recordsOfAddressMax?: number;
}

/** Visors register each 90 s: three tries fit (SV-2). */
export const TRANSPORT_TTL_MS = 5 * 60_000;
/** Of one key (services.md 1.3). */
export const REQUESTS_PER_MINUTE = 30;
/** The same at once. */
export const REQUESTS_BURST = 10;
/**
 * Live transports that one key registered first: an edge proves its own key and not that of the other one, so that
 * it could name any number of them. A visor takes 1,024 of peers, and dials some.
 */
export const RECORDS_OF_KEY_MAX = 2_048;
/** The same from one IPv4 address or IPv6 /64, whatever the keys: a list of 100,000 is answered well. */
export const RECORDS_OF_ADDRESS_MAX = 8_192;
/** Transports in one registration, and ids in one deletion. A visor has some hundred. */
export const BATCH_RECORDS_MAX = 1_024;
/** The body of one registration: 1,024 signed entries need 0.6 MB. */
export const REGISTRATION_BYTES_MAX = 1024 * 1024;
/** A list of ids or of keys: 1,024 of either need 70 KB. */
export const LIST_BYTES_MAX = 128 * 1024;
/** Keys in one question for the transports of several. */
export const EDGES_MAX = 256;

/** A visor is online while it has so many live transports that need no dmsg server (services.md 3.3). */
export const ONLINE_TRANSPORTS_MIN = 2;
/** Transports whose last beat is remembered: as many as live at once. */
export const BEATEN_MAX = 131_072;
/** Transports with uptimes, forgotten as visors are: as many as live at once. */
export const TRANSPORTS_KEPT_MAX = 131_072;
/** Short answers about the uptimes of everybody are kept so long, and what is read of everybody for long ones. */
export const UPTIME_LISTS_MS = 30_000;
/** Days of measurements in one answer, at most (services.md 3.3). */
export const METRICS_DAYS_MAX = 35;
