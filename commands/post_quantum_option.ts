/** `--post-quantum`, of every command that makes sessions or streams of its own. @module */
import { Option } from "../lib/cli/mod.ts";
import type { PostQuantumMode } from "../lib/noise/mod.ts";

/** The variable of the environment that the option beats. */
export const REQUIRE_VARIABLE = "SKYWIRE_REQUIRE_PQ";

/** What a command with {@link postQuantumOption} is given. */
export interface PostQuantumOptions {
  readonly postQuantum?: PostQuantumMode | undefined;
}

/** `--post-quantum off|offer|require`. Loads no protocol: help shows it. */
export function postQuantumOption() {
  const modes: readonly PostQuantumMode[] = ["offer", "require", "off"];
  return new Option(
    "--post-quantum <mode>",
    `hybrid handshakes of this process (default: offer, or require with $${REQUIRE_VARIABLE})`,
  ).choices(modes);
}
