/**
 * The config bootstrapper: tells nodes which services and servers their network has.
 *
 * ```ts
 * import { silentLog } from "../../base/mod.ts";
 * import { embeddedDeployment } from "../../deployment/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { runConfigBootstrapper } from "./mod.ts";
 *
 * await using bootstrapper = await runConfigBootstrapper({
 *   world: systemWorld(),
 *   log: silentLog,
 *   settings: { address: { hostname: "127.0.0.1", port: 0 }, mode: "http" },
 *   deployment: embeddedDeployment(),
 * });
 * console.log(bootstrapper.address);
 * ```
 *
 * @module
 */
export { type ConfigBootstrapperOptions, createConfigBootstrapper } from "./api.ts";
export { deploymentOfDomain, renderServices } from "./deployment.ts";
export { type AskAt } from "./gather.ts";
export * from "./run.ts";
export * from "./settings.ts";
