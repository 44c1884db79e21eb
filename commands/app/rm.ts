/** `skyctl app rm <name>`: forget an app. @module */
import type { AnyCommand, Io } from "../../lib/cli/mod.ts";
import { namedAppVerb } from "./named_app_verb.ts";

/** The verb. */
export function rmCommand(io: Io): AnyCommand {
  return namedAppVerb(io, "rm", {
    description:
      "Stop an app of the running visor that a command made, a further proxy for one, and forget it. Apps of " +
      "the configuration stay: exit code 2.",
    example: ["A second proxy", "skyctl app rm second"],
    call: "appRemove",
    render: (name) => Promise.resolve(() => `${name} removed`),
  });
}
