/**
 * dmsg: relayed, end-to-end encrypted streams between public keys, and HTTP over them.
 *
 * ```ts
 * import { systemWorld } from "../runtime/mod.ts";
 * import { generateKeyPair } from "../crypto/mod.ts";
 * import { DmsgClient, DmsgServer, MemoryDiscovery } from "./mod.ts";
 *
 * const world = systemWorld();
 * const discovery = new MemoryDiscovery();
 * await using server = new DmsgServer({ world, local: generateKeyPair(world.random), discovery });
 * await server.listen({ hostname: "127.0.0.1", port: 0 });
 * await using near = new DmsgClient({ world, local: generateKeyPair(world.random), discovery, sessionsMin: 1 });
 * await using far = new DmsgClient({ world, local: generateKeyPair(world.random), discovery, sessionsMin: 1 });
 * const listener = far.listen(1000);
 * await far.whenPublished();
 * const stream = await near.dial({ publicKey: far.publicKey, port: 1000 });
 * await stream.write(new TextEncoder().encode("hello"));
 * console.log(new TextDecoder().decode((await (await listener.accept())!.read())!));
 * ```
 *
 * @module
 */
export * from "./address.ts";
export * from "./client.ts";
export * from "./control.ts";
export * from "./debug.ts";
export * from "./discovery.ts";
export * from "./entry.ts";
export * from "./errors.ts";
export * from "./http.ts";
export * from "./http_discovery.ts";
export * from "./listener.ts";
export { PAIR_FAILURES_MAX } from "./_dialer.ts";
export { LIVENESS_DEADLINE_MS, LIVENESS_INTERVAL_MS } from "./_liveness.ts";
export { UNANSWERED_MAX } from "./_publisher.ts";
export * from "./objects.ts";
export * from "./ports.ts";
export * from "./server.ts";
export * from "./session.ts";
export * from "./stream.ts";
