/** `skyctl dmsg ping <pk>`: round trips to a key. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  type Io,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";
import { withNetworkOptions } from "../network_options.ts";
import { timeoutOption } from "../service_options.ts";

/** The verb. */
export function pingCommand(io: Io): AnyCommand {
  return finished(
    withNetworkOptions(
      new Command("ping")
        .description(
          "Open a dmsg stream to a key and measure round trips over it. Exit code 4 when it is not reached.",
        )
        .argument("<pk>", "public key")
        .option("-n, --count <number>", "round trips", wholeNumberOption({ min: 1, max: 1000 }), 4)
        .addOption(timeoutOption(30_000, "30s")),
    )
      .addHelpText(
        "after",
        examples(
          ["Is it there?", "skyctl dmsg ping 02ab...cd"],
          ["One round trip, for a script", "skyctl dmsg ping -n 1 --json 02ab...cd | jq '.roundTripsMs[0]'"],
        ),
      )
      .action(async (text, { count, timeout, ...options }) => {
        const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const { pingKey } = await import("../../lib/visor/mod.ts");
        const { connectToAny } = await import("../../lib/directory/mod.ts");
        const { visorOrClient } = await import("../_look_up.ts");
        const key = parsePublicKey(text);
        const result = await visorOrClient(io, options, {
          visor: (call) => call("dmsgPing", { key, count }),
          client: async (client, signal) => {
            await connectToAny(client, signal);
            return await pingKey(client, key, { count, signal });
          },
        }, { what: `Ping of ${key}`, afterMs: timeout });
        const { renderPing } = await import("./_render_ping.ts");
        io.emit(result, renderPing);
      }),
  );
}
