/** What an operator decides about a service discovery (services.md 1.3, 6). @module */
import type { HostedSettings } from "../hosting/mod.ts";

/** How services are judged and kept: each lives for {@link SERVICE_TTL_MS} by default. */
export interface ServiceDiscoverySettings extends HostedSettings {
  /** Take public visors at loopback and private addresses too, for a network that has no others. Default false. */
  readonly allowLoopbackAddresses?: boolean;
  /**
   * Refuse whom no place is known of with 500, as services of 2024 do: a visor without `geo` that is at no public
   * address, and everybody without `geo` while the location service cannot be asked. Default false: the place is left out.
   */
  readonly requiresPlace?: boolean;
  /** Live services of one type, at most. Default {@link SERVICES_OF_TYPE_MAX}. */
  readonly servicesOfTypeMax?: number;
}

/** Visors register each 90 s: three tries fit (SV-2). */
export const SERVICE_TTL_MS = 5 * 60_000;
/** Members of a type that are read from the store in one step, so that a large type holds nobody up (SV-4). */
export const BATCH_KEYS_MAX = 256;
/** Types of which one key may have a service: the network knows three. */
export const TYPES_OF_KEY_MAX = 16;
/** Live services of all keys at one public IPv4 address or IPv6 /64: as many as transports have room for, by tens. */
export const SERVICES_OF_ADDRESS_MAX = 1_024;
/** Live services of one type: a list of all is some 4 MB. Those that are there are renewed in any case. */
export const SERVICES_OF_TYPE_MAX = 20_000;
/** For a public visor to take a stream for route set-up (services.md 6). */
export const REACH_TIMEOUT_MS = 3_000;
/** What was found holds so long: a visor registers three times meanwhile. */
export const REACHABLE_MS = 5 * 60_000;
/** The same of one that was not reached: it may just have started, and tries again every few seconds. */
export const UNREACHABLE_MS = 15_000;
/** Visors of which it is remembered. */
export const REACHED_KEPT_MAX = 20_000;
/**
 * Visors that are looked at at once; one more is refused, and tries again in a few seconds. Keys are invented for
 * nothing, and each costs the discovery a look-up.
 */
export const REACH_CHECKS_MAX = 64;
/** The body of a registration: 64 addresses of IPv6 and everything else need 4 KiB. */
export const SERVICE_BYTES_MAX = 8 * 1024;
