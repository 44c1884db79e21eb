/** `skyctl dmsg curl <url>`: one HTTP request over dmsg. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  type Io,
  Option,
  repeated,
} from "../../lib/cli/mod.ts";
import { withNetworkOptions } from "../network_options.ts";
import { timeoutOption } from "../service_options.ts";

/** The verb. */
export function curlCommand(io: Io): AnyCommand {
  return finished(
    withNetworkOptions(
      new Command("curl")
        .description(
          "Send one HTTP request over dmsg and print the answer's body. An answer that is not 2xx is exit code 4.",
        )
        .argument("<url>", "dmsg://<pk>[:port]/path; without a port 80")
        .option("-X, --method <method>", "default: GET, with a body POST")
        .option("-H, --header <name: value>", "a header field; may be repeated", repeated)
        .option("-d, --data <body>", "the body: text, or @FILE for a file's content")
        .option("-o, --out <file>", "write the body to a file, put in place when it is complete; - is stdout")
        .option("-i, --include", "print status and header fields before the body")
        .addOption(
          timeoutOption(30_000, "30s", "for dialling and the answer's head; the body may take longer"),
        )
        .option("--via <server>", "through the session with this dmsg server, without any look-up")
        .addOption(
          new Option("--visor", "in the running visor's name, through it: whom a node lists may see more")
            .conflicts(["keyfile", "via", "deployment"]),
        )
        .option("--keyfile <file>", "in the name of the secret key in it (default: of a key for this once)")
        .option("-v, --verbose", "log what happens to stderr"),
    )
      .addHelpText(
        "after",
        examples(
          ["A visor's health", "skyctl dmsg curl dmsg://02ab...cd/health"],
          ["Download a file with a progress bar", "skyctl dmsg curl -o big.bin dmsg://02ab...cd:80/big.bin"],
          [
            "Post JSON",
            `skyctl dmsg curl -H 'Content-Type: application/json' -d '{"a":1}' dmsg://02ab...cd:8080/api`,
          ],
          [
            "Pages for listed keys, in the visor's name",
            "skyctl dmsg curl --visor dmsg://02ab...cd/node-info",
          ],
          ["Status and headers for a script", "skyctl dmsg curl --json dmsg://02ab...cd/health | jq .status"],
        ),
      )
      .action(async (url, options) => {
        const { curl } = await import("./_curl.ts");
        await curl(io, url, options);
      }),
  );
}
