/**
 * Rehearsals: a whole fleet in virtual time, faults from a seed, and a verdict.
 *
 * ```ts
 * import { rehearse, scenarioNamed } from "./mod.ts";
 * const verdict = await rehearse(scenarioNamed("cold-start"), { seed: 1, servers: 1, visors: 2 });
 * console.log(verdict.good); // true
 * ```
 *
 * @module
 */
export * from "./checks.ts";
export * from "./errors.ts";
export * from "./fleet.ts";
export * from "./plan.ts";
export * from "./rehearse.ts";
export * from "./scenario.ts";
export * from "./scenarios/mod.ts";
export * from "./timeline.ts";
export * from "./traffic.ts";
