/** `skyctl completion <shell>`: the script that completes nouns, verbs, options and choices. @module */
import tab from "@bomb.sh/tab/commander";
import type { AnyCommand } from "../lib/cli/mod.ts";

/** Adds `completion <shell>` and the hidden `complete`, which the scripts call back, to a whole tree. */
export function addCompletion(root: AnyCommand, name: string): void {
  tab(root, { completionCommandName: name });
}
