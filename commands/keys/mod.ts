/** `skyctl keys`: make and read key pairs. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { genCommand } from "./gen.ts";
import { showCommand } from "./show.ts";

/** The noun with its verbs. */
export function keysNoun(io: Io): AnyCommand {
  return noun("keys", "Make and read key pairs", [genCommand(io), showCommand(io)]);
}
