/** `skyctl visor ping <pk>`: round trips to a visor over a route. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOf,
  homeOption,
  intervalOption,
  type Io,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";
import { timeoutOption } from "../service_options.ts";

/** Round trips unless asked otherwise. */
const COUNT_DEFAULT = 4;

/** The verb. */
export function pingCommand(io: Io): AnyCommand {
  return finished(
    new Command("ping")
      .description(
        "Make a route to a visor and measure round trips over it, beside the measured latency of each hop's " +
          "transport. Exit code 3 or 4 when it is not reached. With --watch: keep at it until Ctrl-C, show loss, " +
          "jitter and each change of the route, and make a new one when it ends.",
      )
      .argument("<pk>", "public key of the visor")
      .option(
        "-n, --count <number>",
        "round trips (default: 4; with --watch: until Ctrl-C)",
        wholeNumberOption({ min: 1, max: 1000 }),
      )
      .option("-w, --watch", "go on, and show what changes")
      .addOption(intervalOption({ minMs: 200, defaultMs: 1_000, written: "1s" }))
      .option("--min-hops <number>", "hops of the route, at least", wholeNumberOption({ min: 1, max: 64 }))
      .option("--forward <hops>", "hops of the way there, by comma: transport ids or keys")
      .option("--reverse <hops>", "hops of the way back, by comma")
      .addOption(timeoutOption(60_000, "1m"))
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["Is it there?", "skyctl visor ping 02ab...cd"],
          ["Through another visor", "skyctl visor ping 02ab...cd --min-hops 2"],
          ["While the network misbehaves", "skyctl visor ping 02ab...cd --watch"],
          ["For a script", "skyctl visor ping -n 1 --json 02ab...cd | jq '.roundTripsMs[0]'"],
        ),
      )
      .action(async (text, { count, watch, interval, minHops, forward, reverse, timeout, ...options }) => {
        const home = homeOf(io, options);
        const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const { withTimeout } = await import("../../lib/runtime/mod.ts");
        const { ControlClient, doctorHint } = await import("../../lib/control/mod.ts");
        const { renderVisorPing } = await import("./_render_ping.ts");
        const key = parsePublicKey(text);
        const route = { key, minHops, forward: hopsOf(forward), reverse: hopsOf(reverse) };
        if (watch) {
          const { pingWatch } = await import("./_ping_watch.ts");
          return await pingWatch(io, { ...options, count, input: { ...route, intervalMs: interval } });
        }
        const world = await io.world();
        await using client = await ControlClient.open(home, world);
        const limit = {
          what: `Ping of ${key}`,
          afterMs: timeout,
          signal: io.signal,
          hint: doctorHint(home),
        };
        const input = { ...route, count: count ?? COUNT_DEFAULT };
        const result = await withTimeout(
          world.clock,
          limit,
          (signal) => client.call("visorPing", input, signal),
        );
        io.emit(result, renderVisorPing);
      }),
  );
}

function hopsOf(text: string | undefined): string[] | undefined {
  return text?.split(",").map((hop) => hop.trim()).filter((hop) => hop !== "");
}
