/**
 * The visor: a node of the network, assembled from everything below.
 *
 * ```ts
 * import { parseVisorConfig } from "./mod.ts";
 * console.log(parseVisorConfig("{}", "visor.json").dmsg.sessionsCount); // 1
 * ```
 *
 * @module
 */
export * from "./config/mod.ts";
export * from "./deployment.ts";
export * from "./dmsg_tools.ts";
export * from "./errors.ts";
export * from "./folder_handler.ts";
export * from "./log_file.ts";
export * from "./run_visor.ts";
export * from "./visor.ts";
