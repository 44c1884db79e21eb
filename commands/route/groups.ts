/** `skyctl route groups`: the running visor's connections over routes. @module */
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
export function groupsCommand(io: Io): AnyCommand {
  return finished(
    new Command("groups")
      .description("List the running visor's route groups: connections of its apps over routes.")
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["A table", "skyctl route groups"],
          ["To whom", "skyctl route groups --json | jq -r '.[].remote.key'"],
        ),
      )
      .action(async (options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const { renderRouteGroups } = await import("../_node_tables.ts");
        io.emit(await callVisor(io, home, "routeGroups", {}), renderRouteGroups);
      }),
  );
}
