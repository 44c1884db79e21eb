/** What a rehearsal is refused for. @module */
import { CallerError } from "../base/mod.ts";
import type { Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/mod.ts";

/** No scenario has this name. */
export class UnknownScenarioError extends CallerError {
  readonly code = "UNKNOWN_SCENARIO";
  constructor(readonly scenario: string) {
    super(`No scenario is called ${JSON.stringify(scenario.slice(0, 80))}`, { hint: "skyctl sim ls" });
  }
}

/** The scenario of a name. Errors: {@link UnknownScenarioError}. */
export function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS.find((scenario) => scenario.name === name);
  if (scenario === undefined) throw new UnknownScenarioError(name);
  return scenario;
}
