/**
 * The address resolver: where visors can be dialled directly.
 *
 * ```ts
 * import { silentLog } from "../../base/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { runAddressResolver } from "./mod.ts";
 *
 * await using resolver = await runAddressResolver({
 *   world: systemWorld(),
 *   log: silentLog,
 *   settings: { address: { hostname: "127.0.0.1", port: 0 }, store: "memory", mode: "http" },
 * });
 * console.log(resolver.address);
 * ```
 *
 * @module
 */
export { type AddressResolverOptions, createAddressResolver, type UdpSideFacts } from "./api.ts";
export * from "./run.ts";
export * from "./settings.ts";
export * from "./udp_side.ts";
