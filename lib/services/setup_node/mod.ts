/**
 * The route setup node: makes routes for visors, over dmsg alone.
 *
 * ```ts
 * import { generateKeyPair } from "../../crypto/mod.ts";
 * import { embeddedNetwork } from "../../directory/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { setupNodeNetwork } from "./mod.ts";
 * const network = setupNodeNetwork({ ...embeddedNetwork(), servers: [] });
 * console.log(network.servers.length > 0, network.discoveryHttp, generateKeyPair(systemWorld().random).publicKey.length);
 * ```
 *
 * @module
 */
export * from "./config.ts";
export { setupNodeNetwork } from "./network.ts";
export * from "./run.ts";
