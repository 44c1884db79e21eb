/** `skyctl dmsg sessions`: the running visor's sessions. @module */
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
export function sessionsCommand(io: Io): AnyCommand {
  return finished(
    new Command("sessions")
      .description("List the running visor's dmsg sessions: server, own key, streams, uptime, bytes.")
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["A table", "skyctl dmsg sessions"],
          ["Keys of the servers", "skyctl dmsg sessions --json | jq -r '.[].server'"],
        ),
      )
      .action(async (options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const { renderSessions } = await import("../_render_sessions.ts");
        io.emit(await callVisor(io, home, "dmsgSessions", {}), renderSessions);
      }),
  );
}
