/** The name of a skysocks client, as options take it. @module */
import { InvalidArgumentError, Option } from "../../lib/cli/mod.ts";

/** The app that a proxy is, and the name of the client that is meant when none is given. */
export const SKYSOCKS_CLIENT = "skysocks-client";

/** Names stand in tables, logs and command lines. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** `--name <name>`; `text` says what it is for. */
export function proxyNameOption(text: string) {
  return new Option("-n, --name <name>", text).argParser((name: string) => {
    if (NAME.test(name)) return name;
    throw new InvalidArgumentError("Not a name: write letters, digits, dots, hyphens, 64 at most.");
  });
}
