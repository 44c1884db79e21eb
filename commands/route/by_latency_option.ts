/** An option that once chose what is now the only way. @module */
import { Option } from "../../lib/cli/mod.ts";

/** `--by-latency`: accepted for scripts; paths are always ranked so. */
export function byLatencyOption() {
  return new Option("--by-latency", "changes nothing: paths are always ranked by latency");
}
