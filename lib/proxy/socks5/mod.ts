/**
 * SOCKS5 (RFC 1928, 1929): CONNECT only, without and with a password, both sides.
 *
 * ```ts
 * import { memoryPair } from "../../base/mod.ts";
 * import { VirtualClock } from "../../runtime/simulated/mod.ts";
 * import { acceptSocks, connectSocks, encodeReply, SOCKS_REPLY } from "./mod.ts";
 * const clock = new VirtualClock();
 * const [near, far] = memoryPair();
 * const asked = acceptSocks(far, { clock });
 * const connected = connectSocks(near, { hostname: "example.com", port: 80 }, { clock });
 * console.log((await asked).target.hostname); // example.com
 * await far.write(encodeReply(SOCKS_REPLY.succeeded));
 * await connected;
 * ```
 *
 * @module
 */
export * from "./client.ts";
export * from "./codes.ts";
export * from "./errors.ts";
export * from "./messages.ts";
export * from "./replies.ts";
export * from "./server.ts";
