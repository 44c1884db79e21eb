/** `skyctl svc health`: how every service of a deployment is. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  intervalOption,
  type Io,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";
import { withNetworkOptions } from "../network_options.ts";
import { timeoutOption } from "../service_options.ts";

/** The verb. */
export function healthCommand(io: Io): AnyCommand {
  return finished(
    withNetworkOptions(
      new Command("health").description(
        "Ask every service of the deployment how it is, over HTTP and over dmsg, and ping every dmsg server: through " +
          "the running visor where it has a session, else from here. Exit code 3 when any of them is down; with " +
          "--watch, at the last look.",
      ),
    )
      .addOption(timeoutOption(5_000, "5s", "for each question"))
      .option("-w, --watch", "go on, and show what changes")
      .addOption(intervalOption({ minMs: 1_000, defaultMs: 10_000, written: "10s" }))
      .option(
        "-n, --count <number>",
        "watch for so many looks (default: until Ctrl-C)",
        wholeNumberOption({ min: 1, max: 1_000_000 }),
      )
      .option("-v, --verbose", "say what is tried, on stderr")
      .addHelpText(
        "after",
        examples(
          ["Of the deployment of this visor, else of production", "skyctl svc health"],
          ["Of another one, in a script", "skyctl svc health --deployment net.json --json"],
          ["While it is worked on", "skyctl svc health --watch"],
          ["What went down, and what came back, as lines of JSON", "skyctl svc health --watch --json"],
        ),
      )
      .action(async ({ watch, interval: intervalMs, count, ...options }) => {
        if (watch || count !== undefined) {
          const { watchHealth } = await import("./_health_watch.ts");
          return await watchHealth(io, { ...options, intervalMs, count });
        }
        const { runHealth } = await import("./_health.ts");
        await runHealth(io, options);
      }),
  );
}
