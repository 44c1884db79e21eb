/**
 * Routes: packets between routers, the rules that lead them, and route groups, the connections that apps see.
 *
 * ```ts
 * import { keyPairFromSeed } from "../crypto/mod.ts";
 * import { encodeDescriptor, invertDescriptor } from "./mod.ts";
 * const [alice, bob] = ["alice", "bob"].map((name) => keyPairFromSeed(new TextEncoder().encode(name)));
 * const descriptor = {
 *   source: { publicKey: alice!.publicKey, port: 49_153 },
 *   destination: { publicKey: bob!.publicKey, port: 3 },
 * };
 * console.log(encodeDescriptor(invertDescriptor(descriptor)).length);
 * ```
 *
 * @module
 */
export { ACCEPT_QUEUE_MAX, ACCEPTING_FIRST_MAX, ACCEPTING_MAX, ACCEPTS_OF_KEY_MAX } from "./_accept_queue.ts";
export * from "./descriptor.ts";
export * from "./errors.ts";
export type { Hop } from "./hop.ts";
export * from "./rule.ts";
export type { RouterCounters } from "./counters.ts";
export * from "./group.ts";
export * from "./listener.ts";
export * from "./payloads.ts";
export * from "./router.ts";
export * from "./table.ts";
