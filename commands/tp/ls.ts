/** `skyctl tp ls`: the running visor's transports. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOf,
  homeOption,
  intervalOption,
  type Io,
} from "../../lib/cli/mod.ts";
import type { TransportSummary } from "../../lib/control/mod.ts";

/** The verb. */
export function lsCommand(io: Io): AnyCommand {
  return finished(
    new Command("ls")
      .description(
        "List the running visor's live transports: type, id, remote key, latency, bytes. With --watch: go on until " +
          "Ctrl-C, and show rates, and what comes and goes.",
      )
      .option("-t, --type <type>", "only of this type: stcpr, sudph, stcp, dmsg")
      .option("-p, --pk <pk>", "only to this key")
      .option("-w, --watch", "go on, and show what changes")
      .addOption(intervalOption({ minMs: 200, defaultMs: 2_000, written: "2s" }))
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["A table", "skyctl tp ls"],
          ["While the network misbehaves", "skyctl tp ls --watch"],
          ["Ids of the stcpr transports", "skyctl tp ls -t stcpr --json | jq -r '.[].id'"],
        ),
      )
      .action(async ({ type, pk, watch, interval, ...options }) => {
        const home = homeOf(io, options);
        const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const key = pk === undefined ? undefined : parsePublicKey(pk);
        const wanted = type === undefined
          ? undefined
          : (await import("../../lib/transport/mod.ts")).parseTransportType(type);
        const isWanted = (transport: TransportSummary) =>
          (wanted === undefined || transport.type === wanted) &&
          (key === undefined || transport.remote === key);
        if (watch) {
          const { watchTransports } = await import("./_ls_watch.ts");
          return await watchTransports(io, { ...options, intervalMs: interval, isWanted });
        }
        const { callVisor } = await import("../_visor.ts");
        const { renderTransports } = await import("../_node_tables.ts");
        const transports = (await callVisor(io, home, "transports", {})).filter(isWanted);
        io.emit(transports, renderTransports);
      }),
  );
}
