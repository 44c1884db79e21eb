/**
 * HTTP/1.1 over any Conn: strict codec, server loop, client pool, limits. No sockets and no time of its own.
 *
 * ```ts
 * import { memoryPair } from "../base/mod.ts";
 * import { systemWorld } from "../runtime/mod.ts";
 * import { serveHttpConn } from "./mod.ts";
 *
 * const [, far] = memoryPair();
 * await serveHttpConn(far, () => new Response("hello"), { clock: systemWorld().clock, remote: "memory" });
 * ```
 *
 * @module
 */
export { type BodyReader, bodyStream, readAll, streamBody } from "./body.ts";
export * from "./date.ts";
export * from "./errors.ts";
export * from "./handler.ts";
export { canonicalHeaderName, HeaderFields, type HeaderPairs } from "./headers.ts";
export * from "./limits.ts";
export * from "./server.ts";
export * from "./status.ts";
