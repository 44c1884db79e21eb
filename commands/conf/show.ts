/** `skyctl conf show`: a configuration as a visor sees it. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOption,
  type Io,
  Option,
} from "../../lib/cli/mod.ts";
import { configOption } from "./config_options.ts";

/** The verb. */
export function showCommand(io: Io): AnyCommand {
  return finished(
    new Command("show")
      .description(
        "Show each field of a visor's configuration with its value; secrets are hidden. Where there is no file: what " +
          "`conf gen --nofetch` would make.",
      )
      .argument("[fields...]", "only these fields, and those within them")
      .option("--origin", "where each value came from: flag, environment, SKYENV, file, deployment, default")
      .option("--all", "fields too that skyctl has no use for")
      .addOption(configOption())
      .addOption(homeOption())
      .option("--deployment <file>", "as visor run takes it: the network of this file")
      .option("--control <address>", "as visor run takes it: where the control API listens")
      .addOption(
        new Option("--log-level <level>", "as visor run takes it").choices([
          "debug",
          "info",
          "warn",
          "error",
        ]),
      )
      .addHelpText(
        "after",
        examples(
          ["Which value holds, and why?", "skyctl conf show --origin"],
          ["One part of it", "skyctl conf show dmsg 'launcher.apps[0]'"],
        ),
      )
      .action(async (fields, options) => {
        const { show } = await import("./_show.ts");
        await show(io, fields, options);
      }),
  );
}
