/** `skyctl conf check`: what is wrong with a configuration. @module */
import { type AnyCommand, Command, examples, finished, homeOption, type Io } from "../../lib/cli/mod.ts";
import { configOption } from "./config_options.ts";

/** The verb. */
export function checkCommand(io: Io): AnyCommand {
  return finished(
    new Command("check")
      .description(
        "Say everything that is wrong with a visor's configuration: field, value and remedy. Exit code 2 when the " +
          "visor would not start with it.",
      )
      .addOption(configOption())
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["The configuration of this home", "skyctl conf check"],
          ["A file of Skywire's, for a script", "skyctl conf check -c /opt/skywire/skywire.json --json"],
        ),
      )
      .action(async (options) => {
        const { check } = await import("./_check.ts");
        await check(io, options);
      }),
  );
}
