/** `skyctl dmsg connect-all`: sessions with every server, now. @module */
import type { AnyCommand, Io } from "../../lib/cli/mod.ts";
import { askingVerb } from "../asking_verb.ts";

/** The verb. */
export function connectAllCommand(io: Io): AnyCommand {
  return askingVerb(io, "connect-all", {
    description: "Make the running visor connect to every dmsg server of its network now.",
    examples: [
      ["Connect, then look", "skyctl dmsg connect-all && skyctl dmsg sessions"],
    ],
    call: "dmsgConnectAll",
    render: async () => {
      const { renderTable } = await import("../../lib/cli/table.ts");
      return (results) =>
        renderTable(
          ["server", "address", "connected", "why not"],
          results.map(({ server, address, connected, failure = "" }) => [
            server,
            address,
            connected ? "yes" : "no",
            failure,
          ]),
        );
    },
  });
}
