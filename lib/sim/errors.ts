/** What a rehearsal is refused for. @module */
import { CallerError, PeerError } from "../base/mod.ts";
import type { Scenario, Verdict } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/mod.ts";

/** No scenario has this name. */
export class UnknownScenarioError extends CallerError {
  readonly code = "UNKNOWN_SCENARIO";
  constructor(readonly scenario: string) {
    super(`No scenario is called ${JSON.stringify(scenario.slice(0, 80))}`, { hint: "skyctl sim ls" });
  }
}

/** A rehearsal went wrong: the fleet did not do what it must. */
export class RehearsalFailedError extends PeerError {
  readonly code = "REHEARSAL_FAILED";
  constructor(readonly verdict: Verdict) {
    const { scenario, seed, servers, visors, complaints } = verdict;
    const many = complaints.length === 1 ? "1 thing is" : `${complaints.length} things are`;
    super(`Rehearsal of ${scenario} with seed ${seed}: ${many} wrong`, {
      hint: `skyctl sim run ${scenario} --seed ${seed} --servers ${servers} --visors ${visors}`,
    });
  }
}

/** The scenario of a name. Errors: {@link UnknownScenarioError}. */
export function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS.find((scenario) => scenario.name === name);
  if (scenario === undefined) throw new UnknownScenarioError(name);
  return scenario;
}
