/** `skyctl log`: what visors and services say while they run. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { tailCommand } from "./tail.ts";

/** The noun with its verbs. */
export function logNoun(io: Io): AnyCommand {
  return noun("log", "What visors and services say while they run", [tailCommand(io)]);
}
