/** Which scenario each of many seeds rehearses. @module */
import type { Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/mod.ts";

export interface PlannedRehearsal {
  readonly scenario: Scenario;
  readonly seed: number;
}

/** A costly scenario takes its turn in one round of so many; in the first in any case. */
const COSTLY_ROUNDS = 10;
/** A fleet of more than this is costly. */
const COSTLY_VISORS = 100;

/** `count` rehearsals with the seeds from `first` on, spread evenly over `scenarios`. The same for the same count. */
export function planSeeds(
  count: number,
  { first = 1, scenarios = SCENARIOS }: {
    readonly first?: number;
    readonly scenarios?: readonly Scenario[];
  } = {},
): PlannedRehearsal[] {
  const plan: PlannedRehearsal[] = [];
  const onlyCostly = scenarios.every(isCostly);
  for (let round = 0; plan.length < count && scenarios.length > 0; round++) {
    for (const scenario of scenarios) {
      if (isCostly(scenario) && !onlyCostly && round % COSTLY_ROUNDS !== 0) continue;
      if (plan.length < count) plan.push({ scenario, seed: first + plan.length });
    }
  }
  return plan;
}

function isCostly({ visors }: Scenario): boolean {
  return visors > COSTLY_VISORS;
}
