/**
 * Deployments: where a network's servers and services are. Embedded data and files; fetches nothing.
 *
 * ```ts
 * import { embeddedDeployment, parseDeployments } from "./mod.ts";
 * console.log(embeddedDeployment().dmsgServers.length);
 * const { local } = parseDeployments('{"dmsg_discovery": "http://127.0.0.1:9090"}');
 * console.log(local!.dmsgDiscovery);
 * ```
 *
 * @module
 */
export * from "./config_fields.ts";
export * from "./deployment.ts";
export * from "./embedded.ts";
export { DeploymentError } from "./errors.ts";
export * from "./parse.ts";
