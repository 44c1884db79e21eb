/** `skyctl visor`: a node of the network on this machine. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { doctorCommand } from "./doctor.ts";
import { pingCommand } from "./ping.ts";
import { runCommand } from "./run.ts";
import { statusCommand } from "./status.ts";
import { stopCommand } from "./stop.ts";
import { uptimeCommand } from "./uptime.ts";

/** The noun with its verbs. */
export function visorNoun(io: Io): AnyCommand {
  return noun("visor", "Run a visor, see how it is, stop it", [
    runCommand(io),
    statusCommand(io),
    doctorCommand(io),
    pingCommand(io),
    uptimeCommand(io),
    stopCommand(io),
  ]);
}
