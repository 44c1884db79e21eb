/**
 * The service discovery: which apps and public visors there are.
 *
 * ```ts
 * import { silentLog } from "../../base/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { runServiceDiscovery } from "./mod.ts";
 *
 * await using discovery = await runServiceDiscovery({
 *   world: systemWorld(),
 *   log: silentLog,
 *   settings: { address: { hostname: "127.0.0.1", port: 0 }, store: "memory", mode: "http" },
 * });
 * console.log(discovery.address);
 * ```
 *
 * @module
 */
export { createServiceDiscovery, type ServiceDiscoveryOptions } from "./api.ts";
export * from "./run.ts";
export * from "./settings.ts";
