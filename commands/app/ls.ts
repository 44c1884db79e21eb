/** `skyctl app ls`: the running visor's apps. @module */
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
export function lsCommand(io: Io): AnyCommand {
  return finished(
    new Command("ls")
      .description("List the apps of the running visor: port, state, arguments.")
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["A table", "skyctl app ls"],
          ["Which run", "skyctl app ls --json | jq -r '.[] | select(.status == \"running\") | .name'"],
        ),
      )
      .action(async (options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const { renderApps } = await import("../_node_tables.ts");
        io.emit(await callVisor(io, home, "apps", {}), renderApps);
      }),
  );
}
