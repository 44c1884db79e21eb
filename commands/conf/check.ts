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
      .argument("[files...]", "configurations; of several each has its own answer, with --json a line each")
      .addOption(configOption())
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["The configuration of this home", "skyctl conf check"],
          ["A file of Skywire's, for a script", "skyctl conf check /opt/skywire/skywire.json --json"],
          ["Each of a fleet's", "skyctl conf check fleet/*.json"],
        ),
      )
      .action(async (files, options) => {
        const { check } = await import("./_check.ts");
        await check(io, files, options);
      }),
  );
}
