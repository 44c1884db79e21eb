/** `skyctl visor stop`: end the running visor, in order. @module */
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
export function stopCommand(io: Io): AnyCommand {
  return finished(
    new Command("stop")
      .description("Stop the running visor and wait until it is gone. Exit code 3 when none runs.")
      .addOption(homeOption())
      .addHelpText("after", examples(["Stop the visor of this user", "skyctl visor stop"]))
      .action(async (options) => {
        const home = homeOf(io, options);
        const { stopVisor } = await import("../_visor.ts");
        io.emit(await stopVisor(io, home), ({ publicKey }) => `stopped visor ${publicKey}`);
      }),
  );
}
