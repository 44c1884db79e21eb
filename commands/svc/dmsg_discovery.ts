/** `skyctl svc run dmsg-discovery`: who is in the network, and where. @module */
import {
  type AnyCommand,
  Command,
  durationOption,
  examples,
  finished,
  type Io,
  Option,
  repeated,
} from "../../lib/cli/mod.ts";
import { postQuantumOption } from "../post_quantum_option.ts";
import { metricsOption, modeOption, storeOptions } from "./service_options.ts";

/** The verb. */
export function dmsgDiscoveryCommand(io: Io): AnyCommand {
  const { store, redis, redisPoolSize } = storeOptions();
  return finished(
    new Command("dmsg-discovery")
      .description("Run a dmsg discovery: over HTTP, and with a key over dmsg too.")
      .option("-a, --addr <address>", "host:port of HTTP", "127.0.0.1:9090")
      .addOption(store)
      .addOption(redis)
      .addOption(redisPoolSize)
      .addOption(modeOption("http, or dual: HTTP and dmsg port 80 (default: dual with a key)"))
      .option("--keyfile <file>", "secret key of the discovery; made when the file is missing")
      .option(
        "--deployment <file>",
        "whose dmsg servers it connects to (default: the embedded production deployment)",
      )
      .option("-t, --test-mode", "accept servers that advertise a loopback address")
      .option("--auth <pass phrase>", "servers that post it are official")
      .option("--official-servers <pk>", "a server that is official without it; may be repeated", repeated)
      .option(
        "--whitelist-keys <pk>",
        "a network monitor that may deregister others; may be repeated",
        repeated,
      )
      .addOption(
        new Option("--entry-timeout <duration>", "life of a client's entry").argParser(durationOption)
          .default(60 * 60_000, "1h"),
      )
      .addOption(metricsOption())
      .addOption(postQuantumOption())
      .addOption(
        new Option("--log-level <level>", "lines of the log").choices(["debug", "info", "warn", "error"])
          .default(
            "info" as const,
          ),
      )
      .addHelpText(
        "after",
        examples(
          ["For trying things, in memory", "skyctl svc run dmsg-discovery --test-mode"],
          [
            "Kept in a file, over HTTP and dmsg",
            "skyctl svc run dmsg-discovery --store disc.db --keyfile disc.key",
          ],
          ["One of several on a Redis", "skyctl svc run dmsg-discovery --redis redis://127.0.0.1:6379/0"],
        ),
      )
      .action(async (options) => {
        const { runServiceCommand } = await import("./_service.ts");
        const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const { entryTimeout, officialServers, ...common } = options;
        await runServiceCommand(io, common, "dmsg-discovery", () => ({
          settings: {
            passPhrase: options.auth,
            officialServers: officialServers?.map(parsePublicKey),
            allowLoopbackAddresses: options.testMode === true,
            clientTtlMs: entryTimeout,
          },
        }));
      }),
  );
}
