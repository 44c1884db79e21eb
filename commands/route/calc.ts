/** `skyctl route calc <src> [dst]`: the best paths of the transport discovery's list, computed here. @module */
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
export function calcCommand(io: Io): AnyCommand {
  return finished(
    withNetworkOptions(
      new Command("calc")
        .description(
          "Compute the best paths between two visors, both ways, by the route finder's rule: least measured " +
            "latency. With one key from the running visor, or from that of --source. Exit code 4 when there is none.",
        )
        .argument("<src>", "public key of the first visor; alone, of the last")
        .argument("[dst]", "public key of the last visor")
        .option("-s, --source <pk>", "as seen from this visor, instead of from the running one")
        .option("-c, --count <n>", "paths each way", wholeNumberOption({ min: 1, max: 1_000 }), 1)
        .option("-n, --min-hops <n>", "transports of a path at least", wholeNumberOption({ max: 64 }), 1)
        .option("-x, --max-hops <n>", "transports of a path at most", wholeNumberOption({ max: 1_000 }), 5)
        .option("--enable <types>", "only over transports of these types, separated by commas")
        .option("--disable <types>", "not over transports of these types")
        .addOption(byLatencyOption())
        .addOption(serviceAddressOption("transport discovery"))
        .addOption(timeoutOption(30_000, "30s")),
    )
      .addHelpText(
        "after",
        examples(
          ["The best path", "skyctl route calc 02ab...cd 03ef...01"],
          ["The same, as the first of them sees it", "skyctl route calc --source 02ab...cd 03ef...01"],
          [
            "Three, none of them over dmsg",
            "skyctl route calc -c 3 --disable dmsg --json 02ab...cd 03ef...01",
          ],
        ),
      )
      .action(
        async (first, second, { source, count, minHops, maxHops, enable, disable, ...options }, command) => {
          if (minHops > maxHops) command.error("error: --min-hops is more than --max-hops");
          if (source !== undefined && second !== undefined) {
            command.error("error: --source stands for the first of two keys");
          }
          const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
          const { TransportDiscoveryClient } = await import("../../lib/directory/mod.ts");
          const { withService } = await import("../_ask_service.ts");
          const { calculatedRoutes } = await import("./_calc.ts");
          const { renderRoutes } = await import("./_render_routes.ts");
          const { firstVisor } = await import("./_first_visor.ts");
          const to = parsePublicKey(second ?? first);
          const from = await firstVisor(io, second === undefined ? source : first, homeOf(io, options));
          const records = await withService(
            io,
            options,
            "transportDiscovery",
            (ask, signal) => new TransportDiscoveryClient(ask).all(signal),
          );
          const routes = calculatedRoutes(records, { from, to }, {
            count,
            minHops,
            maxHops,
            enable,
            disable,
          });
          io.emit(routes, renderRoutes);
        },
      ),
  );
}
