/** `skyctl dmsg sessions`: the running visor's sessions. @module */
import type { AnyCommand, Io } from "../../lib/cli/mod.ts";
import { askingVerb } from "../asking_verb.ts";

/** The verb. */
export function sessionsCommand(io: Io): AnyCommand {
  return askingVerb(io, "sessions", {
    description: "List the running visor's dmsg sessions: server, own key, streams, uptime, bytes.",
    examples: [
      ["A table", "skyctl dmsg sessions"],
      [
        "Keys of the servers",
        "skyctl dmsg sessions --json | jq -r '.[].server'",
      ],
    ],
    call: "dmsgSessions",
    render: async () => (await import("../_render_sessions.ts")).renderSessions,
  });
}
