/** `skyctl svc run service-discovery`: which apps and public visors there are. @module */
import { type AnyCommand, examples, finished, type Io } from "../../lib/cli/mod.ts";
import { geoipOption, proxyHeadersOption, serviceCommand } from "./service_options.ts";

/** The verb. */
export function serviceDiscoveryCommand(io: Io): AnyCommand {
  return finished(
    serviceCommand("service-discovery", {
      description: "Run a service discovery: which apps and public visors there are.",
      addr: "127.0.0.1:9098",
      entry: "a service that is not registered again",
    })
      .option("-t, --test-mode", "accept public visors at loopback and private addresses")
      .addOption(proxyHeadersOption())
      .addOption(geoipOption())
      .addHelpText(
        "after",
        examples(
          ["For trying things, on loopback", "skyctl svc run service-discovery --test-mode"],
          [
            "Kept in a file, over HTTP and dmsg",
            "skyctl svc run service-discovery --store sd.db --keyfile sd.key",
          ],
          [
            "With the places of services, told by another one",
            "skyctl svc run service-discovery --geoip http://ip.skycoin.com",
          ],
        ),
      )
      .action(async (options) => {
        const { locationsOf, runServiceCommand } = await import("./_service.ts");
        await runServiceCommand(io, options, "service-discovery", (start) => ({
          settings: {
            locations: locationsOf(io, start, options.geoip),
            allowLoopbackAddresses: options.testMode === true,
            believeProxies: options.proxyHeaders,
          },
        }));
      }),
  );
}
