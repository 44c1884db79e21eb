/** `skyctl conf pull`, also `skyctl dmsg conf pull`: the servers of the discovery into a deployment file. @module */
import { type AnyCommand, Command, examples, finished, type Io, Option } from "../../lib/cli/mod.ts";
import { postQuantumOption } from "../post_quantum_option.ts";
import { timeoutOption } from "../service_options.ts";

/** As operations have it (protocol: operations 6). */
const FILE_DEFAULT = "deployment/services-config.json";

/** The verb. */
export function pullCommand(io: Io): AnyCommand {
  return finished(
    new Command("pull")
      .description(
        "Fetch the discovery's list of dmsg servers over dmsg, and write it into every dmsg_servers list of a file. " +
          "No other byte of the file changes; whatever fails, it stays as it is.",
      )
      .addOption(
        new Option("-c, --config <file>", "any JSON file that holds dmsg_servers").default(FILE_DEFAULT),
      )
      .option(
        "--deployment <file>",
        "start from the servers and the discovery of this file (default: $SKYDEPLOY, else the embedded ones)",
      )
      .option("--discovery <url>", "ask this discovery: dmsg://KEY[:PORT] (default: that of the deployment)")
      .option("--testenv", "the embedded test deployment, instead of production")
      .addOption(timeoutOption(45_000, "45s"))
      .option("--dry-run", "show what would change, and write nothing")
      .option("--verbose", "tell each step of the client")
      .addOption(postQuantumOption())
      .addHelpText(
        "after",
        examples(
          ["Bring a deployment file up to date", "skyctl conf pull -c services-config.json"],
          ["What would change?", "skyctl conf pull -c services-config.json --dry-run"],
          [
            "From the network of a visor that runs with --local",
            "skyctl conf pull -c my.json --deployment ~/.skyctl/local/deployment.json",
          ],
        ),
      )
      .action(async (options) => {
        const { pull } = await import("./_pull.ts");
        await pull(io, options);
      }),
  );
}
