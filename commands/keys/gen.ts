/** `skyctl keys gen`: a new key pair. @module */
import { type AnyCommand, Command, examples, finished, type Io } from "../../lib/cli/mod.ts";
import type { GeneratedKeys } from "./_keys.ts";

/** The verb. */
export function genCommand(io: Io): AnyCommand {
  return finished(
    new Command("gen")
      .description("Make a key pair. Prints the public key; the secret key only when asked.")
      .option("-o, --out <file>", "write the secret key to a new file that only you can read")
      .option("--show-secret", "print the secret key too")
      .option("--plain", "print both keys, one per line, as `skywire cli config gen-keys` does")
      .addHelpText(
        "after",
        examples(
          ["A pair whose secret key stays in a file", "skyctl keys gen --out visor.key"],
          ["Both keys for a script", "skyctl keys gen --plain"],
          ["Both keys as JSON", "skyctl keys gen --show-secret --json"],
        ),
      )
      .action(async ({ out, showSecret, plain }) => {
        const { generateKeys } = await import("./_keys.ts"); // help never pays for the curve
        const reveal = showSecret === true || plain === true;
        const keys = await generateKeys({ out, reveal }, await io.world());
        io.emit(keys, plain === true ? renderPlain : renderKeys);
        if (!reveal && out === undefined) {
          io.note("The secret key was not kept: use --out FILE to keep it, or --show-secret to print it");
        }
      }),
  );
}

/** Two bare lines: public key, secret key. */
export function renderPlain({ publicKey, secretKey }: GeneratedKeys): string {
  return `${publicKey}\n${secretKey}`;
}

/** Named lines. */
export function renderKeys({ publicKey, secretKey, file }: GeneratedKeys): string {
  const lines = [`public key: ${publicKey}`];
  if (secretKey !== undefined) lines.push(`secret key: ${secretKey}`);
  if (file !== undefined) lines.push(`written to: ${file}`);
  return lines.join("\n");
}
