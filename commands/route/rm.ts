/** `skyctl route rm <id>...`: take rules away. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOf,
  homeOption,
  type Io,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";

/** Route ids of the wire: 32 bits, 0 is none. */
const parseRouteId = wholeNumberOption({ min: 1, max: 4_294_967_295 });
const parseRouteIds = (text: string, earlier: readonly number[] = []) => [...earlier, parseRouteId(text)];

/** The verb. */
export function rmCommand(io: Io): AnyCommand {
  return finished(
    new Command("rm")
      .description(
        "Take rules out of the running visor's routing table. The end of a route loses its connection. Exit code " +
          "2 when there is no such rule.",
      )
      .argument("<id...>", "route ids, as route ls shows them", parseRouteIds)
      .addOption(homeOption())
      .addHelpText("after", examples(["One rule", "skyctl route rm 12"]))
      .action(async (ids, options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const { renderRemoved } = await import("../_render_removed.ts");
        const removed: { id: number; removed: boolean }[] = [];
        for (const id of ids) removed.push(await callVisor(io, home, "routeRuleRemove", { id }));
        io.emit(removed, renderRemoved("removed"));
        const missing = removed.filter((each) => !each.removed);
        if (missing.length === 0) return;
        const { RuleNotFoundError } = await import("./_rule_not_found.ts");
        throw new RuleNotFoundError(missing.map((each) => each.id));
      }),
  );
}
