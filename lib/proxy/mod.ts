/**
 * Proxies: SOCKS5, and skysocks, which carries it over a route.
 *
 * ```ts
 * import { replyToDialFailure, SOCKS_REPLY } from "./mod.ts";
 * import { UnreachableError } from "../runtime/mod.ts";
 * const refused = new UnreachableError({ hostname: "10.0.0.1", port: 80 }, { cause: new Error("Connection refused") });
 * console.log(replyToDialFailure(refused) === SOCKS_REPLY.connectionRefused); // true
 * ```
 *
 * @module
 */
export { DRAIN_MS, HALF_CLOSED_IDLE_MS } from "./_relay.ts";
export * from "./skysocks/mod.ts";
export * from "./socks5/mod.ts";
