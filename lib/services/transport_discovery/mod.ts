/**
 * The transport discovery: which transports there are in the network.
 *
 * ```ts
 * import { silentLog } from "../../base/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { runTransportDiscovery } from "./mod.ts";
 *
 * await using discovery = await runTransportDiscovery({
 *   world: systemWorld(),
 *   log: silentLog,
 *   settings: { address: { hostname: "127.0.0.1", port: 0 }, store: "memory", mode: "http" },
 * });
 * discovery.transports.onChange(({ put, removed }) => console.log(put, removed));
 * console.log(discovery.transports.entries()); // []
 * ```
 *
 * @module
 */
export { createTransportDiscovery, type TransportDiscoveryOptions } from "./api.ts";
export * from "./feed.ts";
export * from "./run.ts";
export * from "./settings.ts";
