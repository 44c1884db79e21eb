/** `skyctl route ls`: the running visor's rules. @module */
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
      .description(
        "List the rules of the running visor's routing table: ends of its routes, and what it forwards.",
      )
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["A table", "skyctl route ls"],
          [
            "What is forwarded for others",
            "skyctl route ls --json | jq '[.[] | select(.type == \"intermediary\")] | length'",
          ],
        ),
      )
      .action(async (options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const { renderRules } = await import("../_node_tables.ts");
        io.emit(await callVisor(io, home, "routeRules", {}), renderRules);
      }),
  );
}
