/** `skyctl svc run setup-node`: makes routes for visors. @module */
import {
  type AnyCommand,
  Command,
  durationOption,
  examples,
  finished,
  type Io,
  Option,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";
import { postQuantumOption } from "../post_quantum_option.ts";
import { keyOptions, logLevelOption, metricsOption, modeOption, networkOption } from "./service_options.ts";

/** The verb. */
export function setupNodeCommand(io: Io): AnyCommand {
  const { keyfile, sk } = keyOptions();
  return finished(
    new Command("setup-node")
      .description(
        "Run a route setup node: it makes the routes that visors ask for, over dmsg alone. Visors find it by its " +
          "key, in route_setup_nodes of their deployment.",
      )
      .option(
        "-a, --addr <address>",
        "host:port of /stats and /health over HTTP, too (default: over dmsg alone)",
      )
      .option("-c, --config <file>", "a configuration in Skywire's format: key, servers")
      .addOption(modeOption("dmsg, or dual: HTTP, too, at --addr (default: dual with --addr)"))
      .option(
        "--no-circuit-breaker",
        "try visors that nobody can dial again and again, instead of refusing routes over them for a while",
      )
      .addOption(
        new Option("--circuit-failures <n>", "failed dials of a visor in a row that open its circuit")
          .argParser(wholeNumberOption({ min: 1, max: 1_000 })).default(5),
      )
      .addOption(
        new Option("--circuit-window <duration>", "time in which they must lie").argParser(durationOption)
          .default(5 * 60_000, "5m"),
      )
      .addOption(
        new Option("--circuit-open <duration>", "how long routes over it are refused, until one is tried")
          .argParser(durationOption).default(60_000, "1m"),
      )
      .addOption(
        new Option("--circuit-reset <duration>", "a circuit is closed so long after its first opening")
          .argParser(durationOption).default(10 * 60_000, "10m"),
      )
      .addOption(keyfile)
      .addOption(sk)
      .addOption(networkOption().conflicts("config"))
      .addOption(metricsOption())
      .addOption(postQuantumOption())
      .addOption(logLevelOption())
      .addHelpText(
        "after",
        examples(
          ["On a deployment", "skyctl svc run setup-node --keyfile sn.key --deployment net.json"],
          ["As of 2024", "skyctl svc run setup-node --config setup-node.json"],
          [
            "With its counters on this machine",
            "skyctl svc run setup-node --keyfile sn.key --addr 127.0.0.1:9094",
          ],
        ),
      )
      .action(async (options, command) => {
        if (options.keyfile === undefined && options.sk === undefined && options.config === undefined) {
          command.error("error: a setup node is found by its key: give --keyfile, --sk or --config");
        }
        const { runServiceCommand } = await import("./_service.ts");
        const { configuredSetupNode } = await import("./_setup_node.ts");
        const mode = options.mode ?? (options.addr === undefined ? "dmsg" : "dual");
        const circuits = options.circuitBreaker && {
          failures: options.circuitFailures,
          windowMs: options.circuitWindow,
          openMs: options.circuitOpen,
          resetMs: options.circuitReset,
        };
        await runServiceCommand(io, options, "setup-node", async ({ world }) => ({
          ...await configuredSetupNode(world, options),
          mode,
          settings: { circuits },
        }));
      }),
  );
}
