/** `skyctl sim`: rehearsals of a fleet in virtual time. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { lsCommand } from "./ls.ts";
import { runCommand } from "./run.ts";

/** The noun with its verbs. */
export function simNoun(io: Io): AnyCommand {
  return noun("sim", "Rehearse what may happen to a fleet, in virtual time", [runCommand(io), lsCommand(io)]);
}
