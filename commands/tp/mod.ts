/** `skyctl tp`: transports, the links between visors. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { discCommand } from "./disc.ts";
import { idCommand } from "./id.ts";
import { routeAddrCommand } from "./route_addr.ts";

/** The noun with its verbs. */
export function tpNoun(io: Io): AnyCommand {
  return noun("tp", "Transports: the links between visors", [
    discCommand(io),
    idCommand(io),
    routeAddrCommand(io),
  ]);
}
