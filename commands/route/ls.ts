/** `skyctl route ls`: the running visor's rules. @module */
import type { AnyCommand, Io } from "../../lib/cli/mod.ts";
import { askingVerb } from "../asking_verb.ts";

/** The verb. */
export function lsCommand(io: Io): AnyCommand {
  return askingVerb(io, "ls", {
    description:
      "List the rules of the running visor's routing table: ends of its routes, and what it forwards.",
    examples: [
      ["A table", "skyctl route ls"],
      [
        "What is forwarded for others",
        "skyctl route ls --json | jq '[.[] | select(.type == \"intermediary\")] | length'",
      ],
    ],
    call: "routeRules",
    render: async () => (await import("../_node_tables.ts")).renderRules,
  });
}
