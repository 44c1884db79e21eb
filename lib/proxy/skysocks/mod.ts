/**
 * skysocks: a proxy whose connections leave the network at another visor.
 *
 * ```ts
 * import { silentLog } from "../../base/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { SkysocksClient } from "./mod.ts";
 * await using client = await SkysocksClient.start({
 *   world: systemWorld(),
 *   dial: () => Promise.reject(new Error("a route to the server")),
 *   listen: { hostname: "127.0.0.1", port: 0 },
 *   log: silentLog,
 * });
 * console.log(client.status().detail); // Starting
 * ```
 *
 * @module
 */
export * from "./client.ts";
export { SKYSOCKS_PORT } from "./limits.ts";
export * from "./server.ts";
