/** `skyctl svc run transport-setup`: has visors make transports. @module */
import { type AnyCommand, Command, examples, finished, type Io } from "../../lib/cli/mod.ts";
import { postQuantumOption } from "../post_quantum_option.ts";
import { keyOptions, logLevelOption, metricsOption, modeOption, networkOption } from "./service_options.ts";

/** The verb. */
export function transportSetupCommand(io: Io): AnyCommand {
  const { keyfile, sk } = keyOptions();
  return finished(
    new Command("transport-setup")
      .description(
        "Run a transport setup node: over HTTP on this machine alone, without any proof, it takes orders to add, " +
          "remove and list transports of visors. Visors do what it says when transport_setup of their " +
          "configuration has its key.",
      )
      .option(
        "-a, --addr <address>",
        "host:port of HTTP, on loopback (default: 127.0.0.1:8080, or as in --config)",
      )
      .option("-c, --config <file>", "a configuration in Skywire's format: key, port, servers")
      .addOption(modeOption("dual alone: HTTP for its operator, dmsg for visors"))
      .addOption(keyfile)
      .addOption(sk)
      .addOption(networkOption().conflicts("config"))
      .addOption(metricsOption())
      .addOption(postQuantumOption())
      .addOption(logLevelOption())
      .addHelpText(
        "after",
        examples(
          ["On a deployment", "skyctl svc run transport-setup --keyfile tsn.key --deployment net.json"],
          ["As of 2025", "skyctl svc run transport-setup --config transport-setup.json"],
        ),
      )
      .action(async (options, command) => {
        if (options.keyfile === undefined && options.sk === undefined && options.config === undefined) {
          command.error("error: visors know a setup node by its key: give --keyfile, --sk or --config");
        }
        const { runServiceCommand } = await import("./_service.ts");
        const { chosenTransportSetup } = await import("./_transport_setup.ts");
        await runServiceCommand(
          io,
          options,
          "transport-setup",
          ({ world }) => chosenTransportSetup(world, options),
        );
      }),
  );
}
