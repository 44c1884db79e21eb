/** `skyctl app start <name>`: start an app. @module */
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
export function startCommand(io: Io): AnyCommand {
  return finished(
    new Command("start")
      .description(
        "Start an app of the running visor with the arguments that it has, or with others: those that begin with a " +
          "hyphen after --.",
      )
      .argument("<name>", "as app ls shows it")
      .argument("[args...]", "arguments for the app")
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["As configured", "skyctl app start skysocks"],
          ["Its state afterwards", "skyctl app start skysocks --json | jq -r .status"],
        ),
      )
      .action(async (name, args, options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const { renderApps } = await import("../_node_tables.ts");
        const given = args.length === 0 ? {} : { args };
        io.emit(await callVisor(io, home, "appStart", { name, ...given }), (app) => renderApps([app]));
      }),
  );
}
