/** `skyctl tp add <pk>`: a transport to a visor. @module */
import {
  type AnyCommand,
  Command,
  durationOption,
  examples,
  finished,
  homeOf,
  homeOption,
  type Io,
  Option,
} from "../../lib/cli/mod.ts";

/** The verb. */
export function addCommand(io: Io): AnyCommand {
  return finished(
    new Command("add")
      .description(
        "Make a transport to a visor, or show the one there is. Exit code 3 or 4 when it cannot be made.",
      )
      .argument("<pk>", "public key of the visor")
      .option("-t, --type <type>", "stcpr, sudph, stcp or dmsg (default: stcpr, then sudph, then dmsg)")
      .addOption(
        new Option("--timeout <duration>", "for the whole attempt").argParser(durationOption).default(
          60_000,
          "1m",
        ),
      )
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["By whichever way works", "skyctl tp add 02ab...cd"],
          ["Its id, for a script", "skyctl tp add 02ab...cd -t stcpr --json | jq -r .id"],
        ),
      )
      .action(async (text, { type, timeout, ...options }) => {
        const home = homeOf(io, options);
        const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const key = parsePublicKey(text);
        const { callVisor } = await import("../_visor.ts");
        const { renderTransports } = await import("../_node_tables.ts");
        const made = await callVisor(io, home, "transportAdd", { key, type, timeoutMs: timeout });
        for (const { type, failure } of made.passedOver ?? []) io.note(`not by ${type}: ${failure}`);
        io.emit(made, (transport) => renderTransports([transport]));
      }),
  );
}
