/**
 * Many streams over one connection, wire-identical to hashicorp/yamux; knows nothing of noise or dmsg.
 *
 * ```ts
 * import { Ledger, memoryPair } from "../base/mod.ts";
 * import { VirtualClock } from "../runtime/simulated/mod.ts";
 * import { YamuxSession } from "./mod.ts";
 * const world = { clock: new VirtualClock(), ledger: new Ledger() };
 * const [near, far] = memoryPair();
 * const client = new YamuxSession(near, { role: "client", world, onStream() {} });
 * const server = new YamuxSession(far, {
 *   role: "server",
 *   world,
 *   onStream: (stream) => void stream.write(new TextEncoder().encode("hello")),
 * });
 * console.log(new TextDecoder().decode((await client.open().read())!));
 * client.close();
 * await Promise.all([client.closed, server.closed]);
 * ```
 *
 * @module
 */
export * from "./errors.ts";
export * from "./limits.ts";
export * from "./session.ts";
export { type SpliceOptions, spliceStreams } from "./splice.ts";
export * from "./stream.ts";
export * from "./window_budget.ts";
