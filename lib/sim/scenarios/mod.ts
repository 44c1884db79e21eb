/**
 * Everything that can be rehearsed.
 *
 * ```ts
 * import { SCENARIOS } from "./mod.ts";
 * console.log(SCENARIOS.map(({ name }) => name).includes("cold-start")); // true
 * ```
 *
 * @module
 */
import type { Scenario } from "../scenario.ts";
import { coldStart, coldStartOneMissing } from "./cold_start.ts";

/** In the order of the list that an operator sees. */
export const SCENARIOS: readonly Scenario[] = [
  coldStart,
  coldStartOneMissing,
];
