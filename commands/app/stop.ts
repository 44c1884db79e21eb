/** `skyctl app stop <name>`: stop an app. @module */
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
      .description("Stop an app of the running visor. Its connections end.")
      .argument("<name>", "as app ls shows it")
      .addOption(homeOption())
      .addHelpText("after", examples(["The proxy server", "skyctl app stop skysocks"]))
      .action(async (name, options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const { renderApps } = await import("../_node_tables.ts");
        io.emit(await callVisor(io, home, "appStop", { name }), (app) => renderApps([app]));
      }),
  );
}
