/** What an operator decides about an address resolver (services.md 4). @module */
import type { HostedSettings } from "../hosting/mod.ts";

/** How addresses are judged and kept: each for {@link BINDING_TTL_MS} after its last renewal by default. */
export interface AddressResolverSettings extends HostedSettings {
  /** Accept loopback and private addresses too, for a network that has no others. Default false. */
  readonly allowLoopbackAddresses?: boolean;
  /** `host:port` of the UDP side as visors reach it, for `/health`. Default: where it is bound, `:port` where that is every address. */
  readonly publicUdpAddress?: string;
}

/** Visors bind each 90 s: three tries fit (SV-2). */
export const BINDING_TTL_MS = 5 * 60_000;
/** The body of a bind: 64 addresses of IPv6 need 3 KiB. */
export const BIND_BYTES_MAX = 8 * 1024;
/** Addresses of one machine that are kept. */
export const BOUND_ADDRESSES_MAX = 64;
