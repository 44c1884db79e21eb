/** `skyctl app`: what runs on a visor. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { lsCommand } from "./ls.ts";
import { rmCommand } from "./rm.ts";
import { startCommand } from "./start.ts";
import { stopCommand } from "./stop.ts";

/** The noun with its verbs. */
export function appNoun(io: Io): AnyCommand {
  return noun("app", "Start and stop the apps of a visor", [
    lsCommand(io),
    startCommand(io),
    stopCommand(io),
    rmCommand(io),
  ]);
}
