/** `skyctl dmsg entry <pk>`: what the dmsg discovery says of a key. @module */
import { type AnyCommand, Command, examples, finished, type Io } from "../../lib/cli/mod.ts";
import { withNetworkOptions } from "../network_options.ts";

/** The verb. */
export function entryCommand(io: Io): AnyCommand {
  return finished(
    withNetworkOptions(
      new Command("entry")
        .description("Show a key's entry in the dmsg discovery. Exit code 4 when there is none.")
        .argument("<pk>", "public key"),
    )
      .addHelpText(
        "after",
        examples(
          ["Through which servers is a key reachable?", "skyctl dmsg entry 02ab...cd"],
          ["The entry as the discovery has it", "skyctl dmsg entry 02ab...cd --json"],
        ),
      )
      .action(async (text, options) => {
        const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const { DmsgError, parseEntry, renderEntry } = await import("../../lib/dmsg/mod.ts");
        const { lookUp } = await import("../_look_up.ts");
        const key = parsePublicKey(text);
        const found = await lookUp(io, options, {
          visor: async (call) => (await call("dmsgEntry", { key })).entry,
          client: async (client, signal) => {
            const entry = await client.discovery.published(key, signal);
            return entry === undefined ? null : renderEntry(entry);
          },
        });
        if (found === null) {
          throw new DmsgError(100, {
            hint: "check the key; its visor may be stopped, or on another network",
          });
        }
        const { renderEntryFields } = await import("./_render_entry.ts");
        const entry = parseEntry(found);
        // 64-bit numbers keep their digits as text.
        io.emit(
          { ...entry, sequence: entry.sequence.toString(), timestamp: entry.timestamp.toString() },
          () => renderEntryFields(entry),
        );
      }),
  );
}
