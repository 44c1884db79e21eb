/** `skyctl app ls`: the running visor's apps. @module */
import type { AnyCommand, Io } from "../../lib/cli/mod.ts";
import { askingVerb } from "../asking_verb.ts";

/** The verb. */
export function lsCommand(io: Io): AnyCommand {
  return askingVerb(io, "ls", {
    description: "List the apps of the running visor: port, state, arguments.",
    examples: [
      ["A table", "skyctl app ls"],
      [
        "Which run",
        "skyctl app ls --json | jq -r '.[] | select(.status == \"running\") | .name'",
      ],
    ],
    call: "apps",
    render: async () => (await import("../_node_tables.ts")).renderApps,
  });
}
