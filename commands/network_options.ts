/** Options of every command that may dial by itself. @module */
import type { Command, OptionValues } from "@commander-js/extra-typings";
import { homeOption, Option } from "../lib/cli/mod.ts";
import { postQuantumOption } from "./post_quantum_option.ts";

/** `--deployment <file>`: which network, when no visor runs or another one is meant. */
export function deploymentOption() {
  return new Option(
    "--deployment <file>",
    "network of a deployment file (default: the running visor's, else the configured one)",
  );
}

/** `command` with what decides how the network is reached: through which home's visor, else by a client of its own. */
export function withNetworkOptions<Args extends unknown[], Options extends OptionValues>(
  command: Command<Args, Options>,
) {
  return command.addOption(homeOption()).addOption(deploymentOption()).addOption(postQuantumOption());
}
