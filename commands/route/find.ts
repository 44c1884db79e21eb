/** `skyctl route find <src> [dst]`: what the route finder says. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOf,
  type Io,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";
import { withNetworkOptions } from "../network_options.ts";
import { serviceAddressOption, timeoutOption } from "../service_options.ts";
import { byLatencyOption } from "./by_latency_option.ts";

/** The verb. */
export function findCommand(io: Io): AnyCommand {
  return finished(
    withNetworkOptions(
      new Command("find")
        .description(
          "Ask the route finder for paths between two visors, both ways. Exit code 4 when there is none.",
        )
        .argument(
          "<src>",
          "public key of the first visor; alone, of the last, and the running visor is the first",
        )
        .argument("[dst]", "public key of the last visor")
        .option("-c, --count <n>", "paths each way", wholeNumberOption({ min: 1, max: 20 }), 1)
        .option("-n, --min-hops <n>", "transports of a path at least", wholeNumberOption({ max: 1_000 }), 1)
        .option(
          "-x, --max-hops <n>",
          "transports of a path at most",
          wholeNumberOption({ max: 1_000 }),
          1_000,
        )
        .addOption(byLatencyOption())
        .addOption(serviceAddressOption("route finder"))
        .addOption(timeoutOption(10_000, "10s")),
    )
      .addHelpText(
        "after",
        examples(
          ["The best path", "skyctl route find 02ab...cd 03ef...01"],
          ["From the running visor, two transports at least", "skyctl route find -n 2 03ef...01"],
        ),
      )
      .action(async (first, second, { count, minHops, maxHops, byLatency: _, ...options }, command) => {
        if (minHops > maxHops) command.error("error: --min-hops is more than --max-hops");
        const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const { RouteFinderClient } = await import("../../lib/directory/mod.ts");
        const { withService } = await import("../_ask_service.ts");
        const { firstVisor } = await import("./_first_visor.ts");
        const { renderRoutes, routePairs } = await import("./_render_routes.ts");
        const world = await io.world();
        const to = parsePublicKey(second ?? first);
        const from = await firstVisor(io, second === undefined ? undefined : first, homeOf(io, options));
        const [forward, reverse] = await withService(
          io,
          options,
          "routeFinder",
          (ask, signal) =>
            new RouteFinderClient(ask, { world }).routes([[from, to], [to, from]], {
              minHops,
              maxHops,
              count,
            }, signal),
        );
        io.emit(routePairs(forward!.slice(0, count), reverse!.slice(0, count)), renderRoutes);
      }),
  );
}
