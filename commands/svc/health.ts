/** `skyctl svc health`: how every service of a deployment is. @module */
import { type AnyCommand, Command, examples, finished, type Io } from "../../lib/cli/mod.ts";
import { withNetworkOptions } from "../network_options.ts";
import { timeoutOption } from "../service_options.ts";

/** The verb. */
export function healthCommand(io: Io): AnyCommand {
  return finished(
    withNetworkOptions(
      new Command("health").description(
        "Ask every service of the deployment how it is, over HTTP and over dmsg, and ping every dmsg server, from " +
          "this machine. Exit code 3 when any of them is down.",
      ),
    )
      .addOption(timeoutOption(5_000, "5s", "for each question"))
      .option("-v, --verbose", "say what is tried, on stderr")
      .addHelpText(
        "after",
        examples(
          ["Of the deployment of this visor, else of production", "skyctl svc health"],
          ["Of another one, in a script", "skyctl svc health --deployment net.json --json"],
        ),
      )
      .action(async (options) => {
        const { runHealth } = await import("./_health.ts");
        await runHealth(io, options);
      }),
  );
}
