/** `skyctl keys show`: the keys in a file. @module */
import { type AnyCommand, Command, examples, finished, type Io } from "../../lib/cli/mod.ts";
import { renderKeys } from "./gen.ts";

/** The verb. */
export function showCommand(io: Io): AnyCommand {
  return finished(
    new Command("show")
      .description("Print the public key of a key file, or of a visor's or service's configuration.")
      .argument("<file>", "what `keys gen --out` wrote, or a JSON configuration with a secret key in `sk`")
      .option("--show-secret", "print the secret key too")
      .addHelpText(
        "after",
        examples(
          ["The public key of a key file", "skyctl keys show visor.key"],
          ["Of a configuration, for a script", "skyctl keys show skywire-config.json --json"],
        ),
      )
      .action(async (file, { showSecret }) => {
        const { readKeys } = await import("./_keys.ts");
        io.emit(await readKeys({ file, reveal: showSecret === true }, await io.world()), renderKeys);
      }),
  );
}
