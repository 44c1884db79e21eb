/**
 * HTTP/1.1 over any Conn: strict codec, server loop, client pool, limits. No sockets and no time of its own.
 *
 * ```ts
 * import { memoryPair } from "../base/mod.ts";
 * import { systemWorld } from "../runtime/mod.ts";
 * import { HttpClient, serveHttpConn } from "./mod.ts";
 *
 * const { clock } = systemWorld();
 * const [near, far] = memoryPair();
 * const served = serveHttpConn(far, () => new Response("hello"), { clock, remote: "memory" });
 * const client = new HttpClient({ dial: async () => near, clock });
 * const answer = await client.fetch({ url: "http://example:80/" });
 * console.log(answer.status, await answer.text());
 * await client.close();
 * await served;
 * ```
 *
 * @module
 */
export { type BodyReader, bodyStream, readAll, streamBody } from "./body.ts";
export { bodyLinePacks, bodyLines } from "./body_lines.ts";
export * from "./client.ts";
export * from "./date.ts";
export * from "./errors.ts";
export * from "./handler.ts";
export { canonicalHeaderName, HeaderFields, type HeaderPairs } from "./headers.ts";
export * from "./limits.ts";
export * from "./range.ts";
export * from "./redirects.ts";
export * from "./request.ts";
export * from "./response.ts";
export * from "./server.ts";
export * from "./status.ts";
