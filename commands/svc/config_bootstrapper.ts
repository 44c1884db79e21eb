/** `skyctl svc run config-bootstrapper`: tells nodes which network they join. @module */
import { type AnyCommand, examples, finished, type Io, Option } from "../../lib/cli/mod.ts";
import { hostedCommand } from "./service_options.ts";

/** The verb. */
export function configBootstrapperCommand(io: Io): AnyCommand {
  return finished(
    hostedCommand("config-bootstrapper", {
      description: "Run a config bootstrapper: it tells nodes the services and servers of --deployment.",
      addr: "127.0.0.1:9082",
    })
      .addOption(
        new Option("--domain <domain>", "tell the services below it, by the rules of 2025, instead")
          .conflicts("deployment"),
      )
      .option("-c, --config <file>", "its lists of servers and keys (with --domain)")
      .addHelpText(
        "after",
        examples(
          ["The deployment of a file", "skyctl svc run config-bootstrapper --deployment net.json"],
          [
            "Over HTTP and dmsg",
            "skyctl svc run config-bootstrapper --deployment net.json --keyfile conf.key",
          ],
          [
            "As of 2025, from a domain and a file",
            "skyctl svc run config-bootstrapper --domain skywire.example --config conf.json",
          ],
        ),
      )
      .action(async (options, command) => {
        if (options.config !== undefined && options.domain === undefined) {
          command.error("error: --config goes with --domain: give both, or --deployment");
        }
        const { runServiceCommand } = await import("./_service.ts");
        const { toldDeployment } = await import("./_config_bootstrapper.ts");
        await runServiceCommand(io, options, "config-bootstrapper", async ({ world }) => ({
          settings: { told: await toldDeployment(world, options) },
        }));
      }),
  );
}
