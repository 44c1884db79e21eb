/** `skyctl svc ls`: which services there are. @module */
import { type AnyCommand, Command, examples, finished, type Io } from "../../lib/cli/mod.ts";

/** The verb. */
export function lsCommand(io: Io): AnyCommand {
  return finished(
    new Command("ls")
      .description(
        "List the services that can be run: default ports and modes. With --deployment, where those of it are.",
      )
      .option("--deployment <file>", "the addresses and keys that a deployment file names")
      .addHelpText(
        "after",
        examples(["What can be run", "skyctl svc ls"], [
          "What runs where",
          "skyctl svc ls --deployment net.json",
        ]),
      )
      .action(async (options) => {
        const { runLs } = await import("./_ls.ts");
        await runLs(io, options.deployment);
      }),
  );
}
