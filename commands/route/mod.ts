/** `skyctl route`: paths over many transports, and what a visor holds of them. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { calcCommand } from "./calc.ts";
import { findCommand } from "./find.ts";
import { groupsCommand } from "./groups.ts";
import { lsCommand } from "./ls.ts";
import { rmCommand } from "./rm.ts";

/** The noun with its verbs. */
export function routeNoun(io: Io): AnyCommand {
  return noun("route", "Routes: paths over the transports of the network", [
    calcCommand(io),
    findCommand(io),
    lsCommand(io),
    groupsCommand(io),
    rmCommand(io),
  ]);
}
