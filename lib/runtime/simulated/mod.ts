/**
 * The simulated twin of the system's world: virtual time, a seed, faults on request.
 *
 * ```ts
 * import { VirtualClock } from "./mod.ts";
 * const clock = new VirtualClock();
 * clock.timer(1_000, () => console.log("a second later, at once"));
 * await clock.advance(1_000);
 * ```
 *
 * @module
 */
export * from "./virtual_clock.ts";
