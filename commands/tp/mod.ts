/** `skyctl tp`: transports, the links between visors. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { addCommand } from "./add.ts";
import { discCommand } from "./disc.ts";
import { idCommand } from "./id.ts";
import { lsCommand } from "./ls.ts";
import { rmCommand } from "./rm.ts";
import { routeAddrCommand } from "./route_addr.ts";

/** The noun with its verbs. */
export function tpNoun(io: Io): AnyCommand {
  return noun("tp", "Transports: the links between visors", [
    lsCommand(io),
    addCommand(io),
    rmCommand(io),
    discCommand(io),
    idCommand(io),
    routeAddrCommand(io),
  ]);
}
