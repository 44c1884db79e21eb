/** `skyctl visor status`: what is true of the running visor now. @module */
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
export function statusCommand(io: Io): AnyCommand {
  return finished(
    new Command("status")
      .description("Show what is true of the running visor now. Exit code 3 when none runs.")
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["For a person", "skyctl visor status"],
          ["Is it ready?", "skyctl visor status --json | jq .ready"],
        ),
      )
      .action(async (options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const { renderStatus } = await import("./_render_status.ts");
        io.emit(await callVisor(io, home, "status", {}), renderStatus);
      }),
  );
}
