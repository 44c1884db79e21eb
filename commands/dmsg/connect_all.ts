/** `skyctl dmsg connect-all`: sessions with every server, now. @module */
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
export function connectAllCommand(io: Io): AnyCommand {
  return finished(
    new Command("connect-all")
      .description("Make the running visor connect to every dmsg server of its network now.")
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(["Connect, then look", "skyctl dmsg connect-all && skyctl dmsg sessions"]),
      )
      .action(async (options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const { renderTable } = await import("../../lib/cli/table.ts");
        io.emit(
          await callVisor(io, home, "dmsgConnectAll", {}),
          (results) =>
            renderTable(
              ["server", "address", "connected", "why not"],
              results.map(({ server, address, connected, failure = "" }) => [
                server,
                address,
                connected ? "yes" : "no",
                failure,
              ]),
            ),
        );
      }),
  );
}
