/** `skyctl dmsg servers`: the dmsg servers of a network. @module */
import { type AnyCommand, Command, examples, finished, type Io } from "../../lib/cli/mod.ts";
import { withNetworkOptions } from "../network_options.ts";

/** The verb. */
export function serversCommand(io: Io): AnyCommand {
  return finished(
    withNetworkOptions(new Command("servers")
      .description("List the dmsg servers of the network: key, address, free sessions, type."))
      .addHelpText("after", examples(["A table", "skyctl dmsg servers"]))
      .action(async (options) => {
        const { lookUp } = await import("../_look_up.ts");
        const { listServers } = await import("../../lib/visor/mod.ts");
        const { renderTable } = await import("../../lib/cli/table.ts");
        const servers = await lookUp(io, options, {
          visor: (call) => call("dmsgServers", {}),
          client: (client, signal) => listServers(client, signal),
        });
        io.emit(servers, (rows) =>
          renderTable(
            ["server", "address", { head: "free", align: "right" }, "type", "connected"],
            rows.map(({ server, address, availableSessions = "", serverType = "", connected }) => [
              server,
              address,
              availableSessions,
              serverType,
              connected ? "yes" : "no",
            ]),
          ));
      }),
  );
}
