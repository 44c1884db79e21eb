/** `skyctl tp ls`: the running visor's transports. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOf,
  homeOption,
  type Io,
} from "../../lib/cli/mod.ts";

/** The verb. */
export function lsCommand(io: Io): AnyCommand {
  return finished(
    new Command("ls")
      .description("List the running visor's live transports: type, id, remote key, latency, bytes.")
      .option("-t, --type <type>", "only of this type: stcpr, sudph, stcp, dmsg")
      .option("-p, --pk <pk>", "only to this key")
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["A table", "skyctl tp ls"],
          ["Ids of the stcpr transports", "skyctl tp ls -t stcpr --json | jq -r '.[].id'"],
        ),
      )
      .action(async ({ type, pk, ...options }) => {
        const home = homeOf(io, options);
        const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const key = pk === undefined ? undefined : parsePublicKey(pk);
        const wanted = type === undefined
          ? undefined
          : (await import("../../lib/transport/mod.ts")).parseTransportType(type);
        const { callVisor } = await import("../_visor.ts");
        const { renderTransports } = await import("../_node_tables.ts");
        const transports = (await callVisor(io, home, "transports", {}))
          .filter(({ type }) => wanted === undefined || type === wanted)
          .filter(({ remote }) => key === undefined || remote === key);
        io.emit(transports, renderTransports);
      }),
  );
}
