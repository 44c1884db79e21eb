/**
 * The dmsg server as an operator runs it: configuration, registration, health.
 *
 * ```ts
 * import { parseDmsgServerConfig } from "./mod.ts";
 * console.log(parseDmsgServerConfig("{}", "server.json").listen.port); // 8081
 * ```
 *
 * @module
 */
export * from "./config.ts";
export * from "./deployments.ts";
export * from "./peer_config.ts";
export * from "./run.ts";
export * from "./transit.ts";
