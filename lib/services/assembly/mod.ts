/**
 * Any set of services of a deployment in one process.
 *
 * ```ts
 * import { findServiceType, planned } from "./mod.ts";
 * console.log(findServiceType("tpd")!.port); // 9091
 * const plan = planned("dmsg-server", { folder: "keys", hostname: "127.0.0.1" });
 * console.log(plan.address); // what Assembly.start() takes a list of
 * ```
 *
 * @module
 */
export * from "./assembly.ts";
export * from "./default_plan.ts";
export * from "./metrics.ts";
export * from "./plan.ts";
export * from "./run_file.ts";
export * from "./service_types.ts";
export { type StartedService } from "./started.ts";
