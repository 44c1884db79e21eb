/** `skyctl tp disc`: what the transport discovery knows. @module */
import { type AnyCommand, Command, examples, finished, type Io } from "../../lib/cli/mod.ts";
import { withNetworkOptions } from "../network_options.ts";
import { serviceAddressOption, timeoutOption } from "../service_options.ts";

/** The verb. */
export function discCommand(io: Io): AnyCommand {
  return finished(
    withNetworkOptions(
      new Command("disc")
        .description(
          "Ask the transport discovery for a visor's transports, or for one by its id. Exit code 4 when there is " +
            "none of that id.",
        )
        .option("-p, --pk <pk>", "transports from and to this visor")
        .option("-i, --id <id>", "the transport with this id")
        .addOption(serviceAddressOption("transport discovery"))
        .addOption(timeoutOption(30_000, "30s")),
    )
      .addHelpText(
        "after",
        examples(
          ["Which transports has a visor?", "skyctl tp disc -p 02ab...cd"],
          ["Between whom is one?", "skyctl tp disc -i e2973841-33a2-0ed6-90cb-e777a6615a73 --json"],
        ),
      )
      .action(async ({ pk, id, ...options }, command) => {
        if ((pk === undefined) === (id === undefined)) command.error("error: give either --pk or --id");
        const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const { parseTransportId } = await import("../../lib/transport/mod.ts");
        const { ServiceRefusedError, TransportDiscoveryClient } = await import("../../lib/directory/mod.ts");
        const { withService } = await import("../_ask_service.ts");
        const { renderRecords } = await import("./_render_records.ts");
        const key = pk === undefined ? undefined : parsePublicKey(pk);
        const wanted = id === undefined ? undefined : parseTransportId(id);
        const records = await withService(io, options, "transportDiscovery", async (ask, signal) => {
          const discovery = new TransportDiscoveryClient(ask);
          if (key !== undefined) return await discovery.byEdge(key, signal);
          const record = await discovery.byId(wanted!, signal);
          if (record !== undefined) return [record];
          throw new ServiceRefusedError(
            "transport discovery",
            `transport ${wanted}`,
            404,
            "transport not found",
          );
        });
        io.emit(records, renderRecords);
      }),
  );
}
