/** `skyctl proxy`: SOCKS through another visor. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { lsCommand } from "./ls.ts";
import { startCommand } from "./start.ts";
import { statusCommand } from "./status.ts";
import { stopCommand } from "./stop.ts";

/** The noun with its verbs. */
export function proxyNoun(io: Io): AnyCommand {
  return noun("proxy", "Reach the web through another visor, by SOCKS", [
    startCommand(io),
    stopCommand(io),
    statusCommand(io),
    lsCommand(io),
  ]);
}
