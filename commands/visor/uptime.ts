/** `skyctl visor uptime`: for how long the visor was up, and which of its tiers. @module */
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
export function uptimeCommand(io: Io): AnyCommand {
  return finished(
    new Command("uptime")
      .description(
        "Show how long the running visor was up in the last 24 hours, as it saw itself: dmsg (a server is " +
          "connected) and skynet (a transport can carry packets). Samples are kept for 30 days.",
      )
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["By the hour", "skyctl visor uptime"],
          ["Share of dmsg", "skyctl visor uptime --json | jq '.panel.dmsgMs / .panel.runningMs'"],
        ),
      )
      .action(async (options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const { renderUptime } = await import("./_render_uptime.ts");
        io.emit(await callVisor(io, home, "visorUptime", {}), renderUptime);
      }),
  );
}
