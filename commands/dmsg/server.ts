/** `skyctl dmsg server`: a dmsg server. @module */
import { type AnyCommand, Command, examples, finished, type Io, noun, Option } from "../../lib/cli/mod.ts";
import { postQuantumOption } from "../post_quantum_option.ts";

/** The noun with its verbs. */
export function serverNoun(io: Io): AnyCommand {
  return noun("server", "Run a dmsg server", [serverRunCommand(io)]);
}

function serverRunCommand(io: Io): AnyCommand {
  return finished(
    new Command("run")
      .description("Run a dmsg server until Ctrl-C, with a configuration in Skywire's format.")
      .argument("[config]", "configuration; made with new keys when the file is missing", "dmsg-server.json")
      .option("--discovery-dmsg <url>", "register at this dmsg discovery (dmsg://key:80)")
      .option("--discovery <url>", "the HTTP address of the dmsg discovery (http://host:port)")
      .option("--http-registration", "register over plain HTTP: for discoveries that are not on dmsg")
      .option("--listen <address>", "host:port for sessions (local_address)")
      .option("--public <address>", "host:port that clients dial (public_address)")
      .option("--health <address>", "host:port of /health, or none (health_endpoint_address)")
      .option(
        "--auth <pass phrase>",
        "proves to the discovery that this is an official server; sent in clear",
      )
      .addOption(postQuantumOption())
      .addOption(
        new Option("--log-level <level>", "lines of the log").choices(["debug", "info", "warn", "error"]),
      )
      .addHelpText(
        "after",
        examples(
          ["The first run makes the configuration", "skyctl dmsg server run server.json"],
          [
            "A server of a private network",
            "skyctl dmsg server run server.json --discovery http://127.0.0.1:9090 --http-registration --listen 127.0.0.1:8081",
          ],
        ),
      )
      .action(async (config, options) => {
        const { runServerCommand } = await import("./_server_run.ts");
        await runServerCommand(io, config, options);
      }),
  );
}
