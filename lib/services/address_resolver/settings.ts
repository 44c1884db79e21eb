/** What an operator decides about an address resolver (services.md 4). @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { BuildInfo } from "../hosting/mod.ts";

/** How addresses are judged and kept. Everything has a default. */
export interface AddressResolverSettings {
  /** Network monitors: who may deregister others. */
  readonly whitelistKeys?: readonly PublicKey[];
  /** Life of a binding after its last renewal, 1 s to 366 d; 0: until it is deleted. Default {@link BINDING_TTL_MS}. */
  readonly entryTimeoutMs?: number;
  /** Accept loopback and private addresses too, for a network that has no others. Default false. */
  readonly allowLoopbackAddresses?: boolean;
  /**
   * Take a proxy's word (True-Client-IP, X-Real-IP, X-Forwarded-For) for where a caller is, as every service of
   * the network does. Without a proxy in front callers write it themselves: then false. Default true.
   */
  readonly believeProxies?: boolean;
  /** `host:port` of the UDP side as visors reach it, for `/health`. Default: where it is bound, `:port` where that is every address. */
  readonly publicUdpAddress?: string;
  /** What `/health` says about the program. */
  readonly build?: BuildInfo;
}

/** Visors bind each 90 s: three tries fit (SV-2). */
export const BINDING_TTL_MS = 5 * 60_000;
/** The body of a bind: 64 addresses of IPv6 need 3 KiB. */
export const BIND_BYTES_MAX = 8 * 1024;
/** Addresses of one machine that are kept. */
export const BOUND_ADDRESSES_MAX = 64;
