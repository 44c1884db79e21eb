/**
 * The route finder: paths through the network's transports, ranked by latency.
 *
 * ```ts
 * import { silentLog } from "../../base/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { polledTransports, runRouteFinder } from "./mod.ts";
 *
 * const world = systemWorld();
 * const list = () => Promise.resolve([]); // new TransportDiscoveryClient(ask).all
 * await using finder = await runRouteFinder({
 *   world,
 *   log: silentLog,
 *   settings: { address: { hostname: "127.0.0.1", port: 0 }, mode: "http" },
 *   transports: polledTransports({ list, clock: world.clock, log: silentLog }),
 * });
 * console.log(finder.address?.hostname);
 * ```
 *
 * @module
 */
export * from "./api.ts";
export { parseRoutesRequest, type RoutesRequest } from "./_request.ts";
export * from "./run.ts";
export * from "./source.ts";
