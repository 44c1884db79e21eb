/** `skyctl route groups`: the running visor's connections over routes. @module */
import type { AnyCommand, Io } from "../../lib/cli/mod.ts";
import { askingVerb } from "../asking_verb.ts";

/** The verb. */
export function groupsCommand(io: Io): AnyCommand {
  return askingVerb(io, "groups", {
    description: "List the running visor's route groups: connections of its apps over routes.",
    examples: [
      ["A table", "skyctl route groups"],
      [
        "To whom",
        "skyctl route groups --json | jq -r '.[].remote.key'",
      ],
    ],
    call: "routeGroups",
    render: async () => (await import("../_node_tables.ts")).renderRouteGroups,
  });
}
