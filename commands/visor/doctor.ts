/** `skyctl visor doctor`: what is wrong, why, and what to do next. @module */
import { type AnyCommand, Command, examples, finished, homeOption, type Io } from "../../lib/cli/mod.ts";

import { deploymentOption } from "../network_options.ts";

/** The verb. */
export function doctorCommand(io: Io): AnyCommand {
  return finished(
    new Command("doctor")
      .description(
        "Look at the visor of a home: clock, ports, discovery, sessions, whether its key is used twice, what the " +
          "services have of it, its transports and its files. Each finding comes with its cause and what to do next. " +
          "Also while it does not run. Exit code 0: nothing is wrong, 1: warnings, 3: errors.",
      )
      .addOption(homeOption())
      .addOption(deploymentOption())
      .addHelpText(
        "after",
        examples(
          ["What is wrong?", "skyctl visor doctor"],
          [
            "Errors alone, for a script",
            "skyctl visor doctor --json | jq '.findings[] | select(.severity == \"error\")'",
          ],
        ),
      )
      .action(async (options) => {
        const { runDoctor } = await import("./_doctor.ts");
        await runDoctor(io, options);
      }),
  );
}
