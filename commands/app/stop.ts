/** `skyctl app stop <name>`: stop an app. @module */
import type { AnyCommand, Io } from "../../lib/cli/mod.ts";
import { namedAppVerb } from "./named_app_verb.ts";

/** The verb. */
export function stopCommand(io: Io): AnyCommand {
  return namedAppVerb(io, "stop", {
    description: "Stop an app of the running visor. Its connections end.",
    example: ["The proxy server", "skyctl app stop skysocks"],
    call: "appStop",
    render: async () => {
      const { renderApps } = await import("../_node_tables.ts");
      return (app) => renderApps([app]);
    },
  });
}
