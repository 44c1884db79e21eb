/** `skyctl route`: paths over many transports. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { calcCommand } from "./calc.ts";
import { findCommand } from "./find.ts";

/** The noun with its verbs. */
export function routeNoun(io: Io): AnyCommand {
  return noun("route", "Routes: paths over the transports of the network", [
    calcCommand(io),
    findCommand(io),
  ]);
}
