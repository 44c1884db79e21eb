/** `skyctl log tail [<pk>]`: the newest lines of a log, and those that come. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOf,
  homeOption,
  type Io,
  Option,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";

/** The verb. */
export function tailCommand(io: Io): AnyCommand {
  return finished(
    new Command("tail")
      .description(
        "Print the newest lines of the running visor's log, or of another visor's or service's that lists this " +
          "visor in its survey whitelist: asked for over dmsg, in the running visor's name.",
      )
      .argument("[pk]", "public key (default: the running visor)")
      .option("-n, --lines <number>", "the newest, at most", wholeNumberOption({ min: 1, max: 100_000 }), 100)
      .option("-f, --follow", "go on with each line that comes, until Ctrl-C")
      .addOption(
        new Option("-l, --level <level>", "at least so severe").choices(["debug", "info", "warn", "error"]),
      )
      .option("-m, --module <name>", "of this part alone: dmsg is dmsg.client, too")
      .option("-g, --grep <text>", "with this text in them")
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["What is wrong?", "skyctl log tail --level warn"],
          ["Watch routes being made", "skyctl log tail -f -m setup"],
          [
            "Of another visor, for a script",
            "skyctl log tail --json 02ab...cd | jq -r 'select(.level == \"ERROR\")'",
          ],
        ),
      )
      .action(async (text, { lines, follow, level, module, grep, ...options }) => {
        const home = homeOf(io, options);
        const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const key = text === undefined ? undefined : parsePublicKey(text);
        const { tailLog } = await import("./_tail.ts");
        await tailLog(io, home, { key, limit: lines, follow, minLevel: level, module, grep });
      }),
  );
}
