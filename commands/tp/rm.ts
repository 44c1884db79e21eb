/** `skyctl tp rm <id>...`: close transports. @module */
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
export function rmCommand(io: Io): AnyCommand {
  return finished(
    new Command("rm")
      .description(
        "Close transports of the running visor. Routes over them end. Exit code 2 when it has none of that id.",
      )
      .argument("[id...]", "transport ids")
      .option("-a, --all", "every transport")
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["One", "skyctl tp rm e2973841-33a2-0ed6-90cb-e777a6615a73"],
          ["All of them", "skyctl tp rm --all"],
        ),
      )
      .action(async (ids, { all, ...options }, command) => {
        const home = homeOf(io, options);
        if ((ids.length === 0) === (all !== true)) command.error("error: give transport ids, or --all");
        const { parseTransportId, TransportNotFoundError } = await import("../../lib/transport/mod.ts");
        const parsed = ids.map((id) => parseTransportId(id));
        const { callVisor } = await import("../_visor.ts");
        const { renderRemoved } = await import("../_render_removed.ts");
        const wanted = all === true
          ? (await callVisor(io, home, "transports", {})).map(({ id }) => id)
          : parsed;
        const removed: { id: string; removed: boolean }[] = [];
        for (const id of wanted) removed.push(await callVisor(io, home, "transportRemove", { id }));
        const render = renderRemoved("closed");
        io.emit(
          removed,
          (results) => all === true && results.length === 0 ? "no transport" : render(results),
        );
        const missing = parsed.filter((id) => removed.some((each) => each.id === id && !each.removed));
        if (missing.length > 0) throw new TransportNotFoundError(...missing);
      }),
  );
}
