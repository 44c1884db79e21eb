/** `skyctl sim ls`: what can be rehearsed. @module */
import { type AnyCommand, Command, examples, finished, type Io } from "../../lib/cli/mod.ts";

/** The verb. */
export function lsCommand(io: Io): AnyCommand {
  return finished(
    new Command("ls")
      .description("List the scenarios, each with the fleet that it is rehearsed with unless told.")
      .addHelpText(
        "after",
        examples(
          ["What can be rehearsed?", "skyctl sim ls"],
          ["Names only, for a script", "skyctl sim ls --json | jq -r '.[].name'"],
        ),
      )
      .action(async () => {
        const { SCENARIOS } = await import("../../lib/sim/mod.ts");
        const { renderScenarios } = await import("./_render.ts");
        const scenarios = SCENARIOS.map(({ name, summary, servers, visors }) => ({
          name,
          servers,
          visors,
          summary,
        }));
        io.emit(scenarios, renderScenarios);
      }),
  );
}
