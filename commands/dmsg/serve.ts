/** `skyctl dmsg serve <folder>`: a folder as a web site on a dmsg port. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  type Io,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";
import { withNetworkOptions } from "../network_options.ts";

/** The verb. */
export function serveCommand(io: Io): AnyCommand {
  return finished(
    withNetworkOptions(
      new Command("serve")
        .description(
          "Serve a folder over dmsg until Ctrl-C: from the running visor, under its key, or, when none runs, from " +
            "a client of its own.",
        )
        .argument("<folder>", "what to serve")
        .option("-p, --port <port>", "dmsg port", wholeNumberOption({ min: 1, max: 65_535 }), 80)
        .option("--standalone", "a client of its own even when a visor runs")
        .option(
          "--key <file>",
          "secret key of the client of its own (made when the file is missing; default: a new key)",
        )
        .option("-v, --verbose", "log what happens to stderr"),
    )
      .addHelpText(
        "after",
        examples(
          ["A folder on port 80", "skyctl dmsg serve ./site"],
          ["Under a key of its own that stays", "skyctl dmsg serve ./site --standalone --key site.key"],
          ["Fetch from it", "skyctl dmsg curl dmsg://<pk>:80/big.bin -o big.bin"],
        ),
      )
      .action(async (folder, options) => {
        const { serve } = await import("./_serve.ts");
        await serve(io, folder, options);
      }),
  );
}
