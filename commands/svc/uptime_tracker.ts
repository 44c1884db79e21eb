/** `skyctl svc run uptime-tracker`: who was up, and when. @module */
import { type AnyCommand, examples, finished, type Io, wholeNumberOption } from "../../lib/cli/mod.ts";
import { geoipOption, hostedCommand, proxyHeadersOption, storeOptions } from "./service_options.ts";

/** The verb. */
export function uptimeTrackerCommand(io: Io): AnyCommand {
  const { store, redis, redisPoolSize } = storeOptions();
  return finished(
    hostedCommand("uptime-tracker", {
      description: "Run an uptime tracker: which visors are up, and how much of each day they were.",
      addr: "127.0.0.1:9096",
    })
      .addOption(store)
      .addOption(redis)
      .addOption(redisPoolSize)
      .option(
        "--private-addr <address>",
        "host:port of the addresses of visors, for the operator (default: nowhere)",
      )
      .option("--archive <folder>", "write a file of each day that is over")
      .option(
        "--lists-per-minute <n>",
        "of everybody, for one address; 0 is no limit",
        wholeNumberOption({ max: 1_000_000 }),
        5,
      )
      .addOption(proxyHeadersOption())
      .addOption(geoipOption())
      .addHelpText(
        "after",
        examples(
          ["For trying things, in memory", "skyctl svc run uptime-tracker"],
          [
            "Kept in a file, over HTTP and dmsg, with the operator's side on this machine",
            "skyctl svc run uptime-tracker --store ut.db --keyfile ut.key --private-addr 127.0.0.1:9086",
          ],
        ),
      )
      .action(async (options) => {
        const { parseListenAddress, locationsOf, runServiceCommand } = await import("./_service.ts");
        const { privateAddr, archive, listsPerMinute, proxyHeaders: believeProxies } = options;
        await runServiceCommand(io, options, "uptime-tracker", (start) => ({
          settings: {
            locations: locationsOf(io, start, options.geoip),
            privateAddress: privateAddr === undefined
              ? undefined
              : parseListenAddress(privateAddr, 9086, "127.0.0.1"),
            archive,
            listsPerMinute,
            believeProxies,
          },
        }));
      }),
  );
}
