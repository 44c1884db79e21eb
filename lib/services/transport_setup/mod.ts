/**
 * The transport setup node: has visors make transports, for the operator of a network.
 *
 * ```ts
 * import { parseTransportSetupConfig } from "./mod.ts";
 * const { port, network } = parseTransportSetupConfig('{"port": 8080}', "tsn.json");
 * console.log(port, network.servers.length > 0);
 * ```
 *
 * @module
 */
export { createTransportSetup, type TransportSetupOptions } from "./api.ts";
export * from "./config.ts";
export * from "./run.ts";
export * from "./settings.ts";
