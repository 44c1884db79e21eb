/** `skyctl rewards eligible`: which visors had enough of a day. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  InvalidArgumentError,
  type Io,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";
import { withNetworkOptions } from "../network_options.ts";
import { serviceAddressOption, timeoutOption } from "../service_options.ts";

/** The verb. */
export function eligibleCommand(io: Io): AnyCommand {
  return finished(
    withNetworkOptions(
      new Command("eligible")
        .description(
          "Tell which visors were up for more than a part of a day, as the transport discovery counts it: a visor that " +
            "registered no transport is not in the list. One line for each, `KEY DATE PERCENT`; with --json the list " +
            "in the schema of the daily JSON.",
        )
        .option("-d, --date <date>", "the day, UTC, as 2026-06-10 (default: yesterday)", dateOption)
        .option("--min-percent <n>", "more of the day than this", wholeNumberOption({ max: 100 }), 75)
        .option(
          "-i, --input <file>",
          "uptimes of a file, in either form, instead of the transport discovery's",
        )
        .option(
          "-o, --output <file>",
          "write the list there, too: the JSON where the name ends in .json, else lines",
        )
        .addOption(serviceAddressOption("transport discovery"))
        .addOption(timeoutOption(90_000, "90s")),
    )
      .addHelpText(
        "after",
        examples(
          ["Who had more than 75 % of yesterday?", "skyctl rewards eligible"],
          ["Kept for the calculation", "skyctl rewards eligible --date 2026-06-10 -o 2026-06-10_ut.txt"],
          ["From a list that was kept", "skyctl rewards eligible -d 2026-06-10 -i 2026-06-10_ut.json --json"],
        ),
      )
      .action(async (options) => {
        const { runEligible } = await import("./_eligible.ts");
        await runEligible(io, options);
      }),
  );
}

/** The calendar is looked at where the day is used. */
function dateOption(text: string): string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`))) return text;
  throw new InvalidArgumentError("Not a date: write 2026-06-10.");
}
