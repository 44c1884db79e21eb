/** Options of verbs that work with a visor's configuration. @module */
import { Option } from "../../lib/cli/mod.ts";

/** `-c, --config <file>`. */
export function configOption() {
  return new Option("-c, --config <file>", "configuration (default: visor.json in the home)");
}
