/** `skyctl visor run`: a visor, in the foreground, until Ctrl-C. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOption,
  type Io,
  Option,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";
import { postQuantumOption } from "../post_quantum_option.ts";

/** As `lib/visor` has it: help never pays for the protocols. */
const LOCAL_VISORS_MAX = 64;

/** The verb. */
export function runCommand(io: Io): AnyCommand {
  return finished(
    new Command("run")
      .description(
        "Run a visor until Ctrl-C. Without options it joins the production network; the first run makes its " +
          "configuration and keys.",
      )
      .option(
        "--local",
        "a network of its own on loopback: dmsg discovery, two dmsg servers, transport discovery, address " +
          "resolver, route finder, setup node and the visor",
      )
      .addOption(
        new Option("--visors <number>", "with --local: so many visors, the further ones below <home>/local")
          .argParser(wholeNumberOption({ min: 1, max: LOCAL_VISORS_MAX })),
      )
      .option("--deployment <file>", "join the network of a deployment file")
      .option("-c, --config <file>", "configuration (default: visor.json in the home)")
      .option("--control <address>", "host:port of the control API (default: 127.0.0.1:3435, or a free port)")
      .addOption(homeOption())
      .addOption(postQuantumOption())
      .addOption(
        new Option("--log-level <level>", "lines of the log").choices(["debug", "info", "warn", "error"]),
      )
      .addHelpText(
        "after",
        examples(
          ["A private network to try things on", "skyctl visor run --local"],
          ["The same with three visors", "skyctl visor run --local --visors 3"],
          [
            "A second visor on that network",
            "skyctl visor run --deployment ~/.skyctl/local/deployment.json --home ~/.skyctl-2",
          ],
          ["Join the production network", "skyctl visor run"],
          [
            "Start, wait for readiness, go on in a script",
            "skyctl visor run --json | jq -c 'select(.event)'",
          ],
        ),
      )
      .action(async (options, command) => {
        if (options.visors !== undefined && options.local !== true) {
          command.error("error: --visors is for a network of its own: it needs --local");
        }
        if (options.local && options.deployment !== undefined) {
          command.error("error: --local makes a network of its own: it excludes --deployment");
        }
        const { runVisorCommand } = await import("./_run.ts"); // help never pays for the protocols
        await runVisorCommand(io, options);
      }),
  );
}
