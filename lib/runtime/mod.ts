/**
 * The only door to Deno: streams, datagrams, clock, randomness, files, signals; and its simulated twin.
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
export * from "./time.ts";
export * from "./world.ts";
