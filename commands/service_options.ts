/** Options of every command that asks a service of the deployment. @module */
import { durationOption, Option } from "../lib/cli/mod.ts";

/** A service elsewhere than the deployment says. */
export function serviceAddressOption(service: string) {
  return new Option(
    "-a, --addr <url>",
    `${service}: http://host:port or dmsg://key (default: the deployment's)`,
  );
}

/** `--timeout <duration>`; `written` is the default as people write it. */
export function timeoutOption(ms: number, written: string, what = "for everything together") {
  return new Option("-t, --timeout <duration>", what).argParser(durationOption).default(ms, written);
}
