/** `skyctl visor status`: what is true of the running visor now. @module */
import type { AnyCommand, Io } from "../../lib/cli/mod.ts";
import { askingVerb } from "../asking_verb.ts";

/** The verb. */
export function statusCommand(io: Io): AnyCommand {
  return askingVerb(io, "status", {
    description: "Show what is true of the running visor now. Exit code 3 when none runs.",
    examples: [
      ["For a person", "skyctl visor status"],
      [
        "Is it ready?",
        "skyctl visor status --json | jq .ready",
      ],
    ],
    call: "status",
    render: async () => (await import("./_render_status.ts")).renderStatus,
  });
}
