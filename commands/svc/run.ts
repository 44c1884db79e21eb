/** `skyctl svc run`: services of a deployment, one with options of its own, several, or all of them. @module */
import {
  type AnyCommand,
  Command,
  commandOfSeveral,
  durationOption,
  examples,
  finished,
  homeOption,
  type Io,
  Option,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";
import { postQuantumOption } from "../post_quantum_option.ts";
import { addressResolverCommand } from "./address_resolver.ts";
import { configBootstrapperCommand } from "./config_bootstrapper.ts";
import { dmsgDiscoveryCommand } from "./dmsg_discovery.ts";
import { routeFinderCommand } from "./route_finder.ts";
import { serviceDiscoveryCommand } from "./service_discovery.ts";
import { logLevelOption, metricsOption, modeOption, networkOption, storeOptions } from "./service_options.ts";
import { setupNodeCommand } from "./setup_node.ts";
import { transportDiscoveryCommand } from "./transport_discovery.ts";
import { transportSetupCommand } from "./transport_setup.ts";
import { uptimeTrackerCommand } from "./uptime_tracker.ts";

/** The verb, with a verb for each service. */
export function runCommand(io: Io): AnyCommand {
  const { redis, redisPoolSize } = storeOptions();
  const command = commandOfSeveral("run")
    .description(
      "Run services until Ctrl-C: one with options of its own (below), several in one process, or --all. Then " +
        "keys are made once in the folder, and a deployment file is written by which visors join.",
    )
    .usage("[options] [names...]")
    .argument("[names...]", "services, before their options")
    .option("--all", "every service, and dmsg servers")
    .option("-c, --config <file>", "services of a file in Skywire's format, a list or a whole deployment")
    .option(
      "--folder <folder>",
      "keys, stores and deployment.json (default: deployment in the home of skyctl)",
    )
    .addOption(homeOption())
    .option("--host <address>", "where they listen unless a file says more", "127.0.0.1")
    .option("--public-host <host>", "how others call this machine, for --host 0.0.0.0")
    .option("--free-ports", "any free port for each instead of its default")
    .option("--servers <n>", "dmsg servers", wholeNumberOption({ min: 1, max: 64 }), 2)
    .addOption(
      modeOption("HTTP, dmsg port 80, or both ($SKYWIRE_SVC_MODE beats it)").default("dual" as const),
    )
    .option("-t, --testing", "keep everything in memory")
    .addOption(redis.conflicts("testing"))
    .addOption(redisPoolSize)
    .addOption(
      new Option("--entry-timeout <duration>", "life of transports, bindings and services; 0 is for ever")
        .argParser(durationOption).default(undefined, "5m"),
    )
    .option("--no-proxy-headers", "do not take a caller's address from X-Real-IP and its like")
    .option("--survey <keys>", "who may read logs and profiles of these services, with commas between")
    .addOption(networkOption())
    .addOption(metricsOption())
    .addOption(postQuantumOption())
    .addOption(logLevelOption())
    .addHelpText(
      "after",
      examples(
        ["A whole network on this machine", "skyctl svc run --all"],
        [
          "For others, too",
          "skyctl svc run --all --host 0.0.0.0 --public-host net.example --no-proxy-headers",
        ],
        [
          "Three services of a deployment",
          "skyctl svc run transport-discovery route-finder setup-node --deployment net.json",
        ],
        [
          "As a file says, with figures for Prometheus",
          "skyctl svc run --config services.json --metrics :2121",
        ],
        ["With visors of 2024, which register once", "skyctl svc run --all --entry-timeout 0"],
      ),
    )
    .action(async (names, options, command) => {
      if (names.length === 0 && options.all !== true && options.config === undefined) {
        command.help({ error: true });
      }
      if (names.length > 0 && options.all === true) {
        command.error("error: name services, or all of them: not both");
      }
      const { runTogether } = await import("./_together.ts");
      await runTogether(io, names.flatMap((name) => name.split(",")).filter((name) => name !== ""), options);
    });
  // The aliases of the services themselves, which help does not load: a test holds both equal.
  const verbs = [
    dmsgDiscoveryCommand(io).aliases(["dmsgd", "dmsg-disc", "disc"]),
    serverVerb().aliases(["dmsg-srv"]),
    transportDiscoveryCommand(io).aliases(["tpd"]),
    addressResolverCommand(io).aliases(["ar"]),
    routeFinderCommand(io).aliases(["rf"]),
    serviceDiscoveryCommand(io).aliases(["sd"]),
    uptimeTrackerCommand(io).aliases(["ut"]),
    configBootstrapperCommand(io).aliases(["conf", "confbs"]),
    setupNodeCommand(io).aliases(["sn", "rsn"]),
    transportSetupCommand(io).aliases(["tsn", "tps"]),
  ];
  const run = finished(command);
  for (const verb of verbs) run.addCommand(verb);
  return run;
}

/** dmsg servers have a command of their own, and a place among several. */
function serverVerb(): AnyCommand {
  return finished(
    new Command("dmsg-server")
      .description("With other services: dmsg servers. One by itself is `skyctl dmsg server run`.")
      .addHelpText(
        "after",
        examples(["What a network begins with", "skyctl svc run dmsg-discovery dmsg-server --servers 3"]),
      )
      .action((_options, command) => {
        command.error(
          "error: a dmsg server alone is `skyctl dmsg server run FILE`: name other services, too",
        );
      }),
  );
}
