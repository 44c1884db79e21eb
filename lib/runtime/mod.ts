/**
 * The only door to Deno: streams, datagrams, clock, randomness, files, signals. The simulated twin of the
 * system's world is in `simulated/`, with a door of its own, so that a node does not load it.
 *
 * ```ts
 * import { sleep, systemWorld } from "./mod.ts";
 * const world = systemWorld();
 * await sleep(world.clock, 10);
 * ```
 *
 * @module
 */
export * from "./errors.ts";
export * from "./linger.ts";
export * from "./nudge.ts";
export * from "./system/mod.ts";
export * from "./time.ts";
export * from "./world.ts";
