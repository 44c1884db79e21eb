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

/** The verb. */
export function rmCommand(io: Io): AnyCommand {
  return finished(
    new Command("rm")
      .description(
        "Take rules out of the running visor's routing table. The end of a route loses its connection. Exit code " +
          "2 when there is no such rule.",
      )
      .argument("<id...>", "route ids, as route ls shows them")
      .addOption(homeOption())
      .addHelpText("after", examples(["One rule", "skyctl route rm 12"]))
      .action(async (texts, options) => {
        const home = homeOf(io, options);
        const ids = texts.map((text) => wholeNumberOption({ min: 1, max: 4_294_967_295 })(text));
        const { callVisor } = await import("../_visor.ts");
        const removed: { id: number; removed: boolean }[] = [];
        for (const id of ids) removed.push(await callVisor(io, home, "routeRuleRemove", { id }));
        io.emit(
          removed,
          (results) =>
            results.map((each) => `${each.id} ${each.removed ? "removed" : "is no rule of this visor"}`).join(
              "\n",
            ),
        );
        const missing = removed.find((each) => !each.removed);
        if (missing === undefined) return;
        const { RuleNotFoundError } = await import("./_rule_not_found.ts");
        throw new RuleNotFoundError(missing.id);
      }),
  );
}
