/** Command lines that the doctor says to run, of the visor and the network that it was asked about. @module */
import { shellWord } from "../../lib/base/mod.ts";
import type { NetworkOptions } from "../_look_up.ts";

/** They take files, or make keys. */
const OF_NO_HOME = ["keys gen", "dmsg server", "svc run", "conf gen"];
/** They read services, where no visor says otherwise. */
const OF_A_NETWORK = [
  "dmsg entry",
  "dmsg ping",
  "dmsg servers",
  "svc health",
  "visor doctor",
  "visor run",
];

/** `skyctl dmsg servers` as it must be for a `--home` or a `--deployment` that was given; other text stays as it is. */
export function withOptions(
  text: string,
  { home, deployment }: Pick<NetworkOptions, "home" | "deployment">,
): string {
  return text.replace(
    /\bskyctl ([a-z]+ [a-z-]+)\b( --home (?:'[^']*'|\\'|[^\s';,])+)?/g,
    (line, verb: string, told) => {
      const isOfHome = home !== undefined && told === undefined && !OF_NO_HOME.includes(verb);
      const isOfNetwork = deployment !== undefined && OF_A_NETWORK.includes(verb);
      return line + (isOfHome ? ` --home ${shellWord(home)}` : "") +
        (isOfNetwork ? ` --deployment ${shellWord(deployment)}` : "");
    },
  );
}
