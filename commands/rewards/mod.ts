/** `skyctl rewards`: who is paid for having been up. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { eligibleCommand } from "./eligible.ts";

/** The noun with its verbs. */
export function rewardsNoun(io: Io): AnyCommand {
  return noun("rewards", "Rewards: which visors were up for long enough", [eligibleCommand(io)]);
}
