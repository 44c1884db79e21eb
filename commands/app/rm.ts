/** `skyctl app rm <name>`: forget an app. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOf,
  homeOption,
  type Io,
} from "../../lib/cli/mod.ts";

/** The verb. */
export function rmCommand(io: Io): AnyCommand {
  return finished(
    new Command("rm")
      .description(
        "Stop an app of the running visor that a command made, a further proxy for one, and forget it. Apps of " +
          "the configuration stay: exit code 2.",
      )
      .argument("<name>", "as app ls shows it")
      .addOption(homeOption())
      .addHelpText("after", examples(["A second proxy", "skyctl app rm second"]))
      .action(async (name, options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        io.emit(await callVisor(io, home, "appRemove", { name }), () => `${name} removed`);
      }),
  );
}
