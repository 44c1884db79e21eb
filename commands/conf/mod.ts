/** `skyctl conf`: configurations of visors and deployments. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { checkCommand } from "./check.ts";
import { genCommand } from "./gen.ts";
import { pullCommand } from "./pull.ts";
import { setCommand } from "./set.ts";
import { showCommand } from "./show.ts";

/** The noun with its verbs. */
export function confNoun(io: Io): AnyCommand {
  return noun(
    "conf",
    "Configurations: make, show, check and set a visor's; bring a deployment's up to date",
    [
      genCommand(io),
      showCommand(io),
      checkCommand(io),
      setCommand(io),
      pullCommand(io),
    ],
  );
}
