/** `skyctl svc run route-finder`: paths through the network. @module */
import { type AnyCommand, durationOption, examples, finished, type Io, Option } from "../../lib/cli/mod.ts";
import { hostedCommand } from "./service_options.ts";

/** The verb. */
export function routeFinderCommand(io: Io): AnyCommand {
  return finished(
    hostedCommand("route-finder", {
      description:
        "Run a route finder: paths over the transports of a transport discovery, least latency first.",
      addr: "127.0.0.1:9092",
    })
      .option(
        "--transport-discovery <url>",
        "whose list it reads: http://host:port or dmsg://key (default: the deployment's)",
      )
      .addOption(
        new Option("--poll <duration>", "between two readings of that list").argParser(durationOption)
          .default(5_000, "5s"),
      )
      .addOption(
        new Option(
          "--entry-timeout <duration>",
          "life of transports at that discovery: an older list is told of in /health; 0: none is",
        )
          .argParser(durationOption)
          .default(5 * 60_000, "5m"),
      )
      .addHelpText(
        "after",
        examples(
          [
            "Beside a transport discovery",
            "skyctl svc run route-finder --transport-discovery http://127.0.0.1:9091",
          ],
          [
            "Over HTTP and dmsg, on a deployment",
            "skyctl svc run route-finder --deployment net.json --keyfile rf.key",
          ],
        ),
      )
      .action(async (options) => {
        const { runServiceCommand } = await import("./_service.ts");
        const { discoveryElsewhere } = await import("./_route_finder.ts");
        await runServiceCommand(io, options, "route-finder", async (start) => {
          const source = await discoveryElsewhere(io, { ...start, options });
          return { settings: { transports: () => Promise.resolve(source) } };
        });
      }),
  );
}
