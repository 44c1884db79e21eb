/** Options of every command that may dial by itself. @module */
import { Option } from "../lib/cli/mod.ts";

/** `--deployment <file>`: which network, when no visor runs or another one is meant. */
export function deploymentOption() {
  return new Option(
    "--deployment <file>",
    "network of a deployment file (default: the running visor's, else the configured one)",
  );
}
