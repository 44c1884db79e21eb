/** `skyctl svc`: the services of a deployment. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { healthCommand } from "./health.ts";
import { lsCommand } from "./ls.ts";
import { runCommand } from "./run.ts";

/** The noun with its verbs. */
export function svcNoun(io: Io): AnyCommand {
  return noun("svc", "Run services of a deployment, see how they are", [
    runCommand(io),
    healthCommand(io),
    lsCommand(io),
  ]);
}
