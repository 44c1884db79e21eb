/** `skyctl svc run transport-discovery`: which transports there are. @module */
import { type AnyCommand, examples, finished, type Io, wholeNumberOption } from "../../lib/cli/mod.ts";
import { serviceCommand } from "./service_options.ts";

/** The verb. */
export function transportDiscoveryCommand(io: Io): AnyCommand {
  return finished(
    serviceCommand("transport-discovery", {
      description: "Run a transport discovery: which transports there are.",
      addr: "127.0.0.1:9091",
      entry: "a transport that is not registered again",
    })
      .option(
        "--requests-per-minute <n>",
        "of one key, where a key must be proven; 0 is no limit",
        wholeNumberOption({ max: 1_000_000 }),
        30,
      )
      .addHelpText(
        "after",
        examples(
          ["For trying things, in memory", "skyctl svc run transport-discovery"],
          [
            "Kept in a file, over HTTP and dmsg",
            "skyctl svc run transport-discovery --store tpd.db --keyfile tpd.key",
          ],
          [
            "With visors of 2024, which register once",
            "skyctl svc run transport-discovery --entry-timeout 0",
          ],
        ),
      )
      .action(async (options) => {
        const { runServiceCommand } = await import("./_service.ts");
        await runServiceCommand(io, options, "transport-discovery", () => ({
          settings: { requestsPerMinute: options.requestsPerMinute },
        }));
      }),
  );
}
