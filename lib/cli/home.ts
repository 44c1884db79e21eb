/**
 * Where skyctl keeps its files unless told otherwise.
 *
 * @module
 */
import { Option } from "./command.ts";
import type { Io } from "./io.ts";

/** Environment variable that names the home. */
export const HOME_VARIABLE = "SKYCTL_HOME";

/** `--home <dir>`, for every command that reads or writes a visor's files. */
export function homeOption() {
  return new Option(
    "--home <dir>",
    `folder of this visor's files (default: $${HOME_VARIABLE}, else ~/.skyctl)`,
  );
}

/** The home that a command works with: the option, else the environment's, else `~/.skyctl`. */
export function homeOf(io: Pick<Io, "env">, { home }: { readonly home?: string | undefined }): string {
  const chosen = home ?? io.env(HOME_VARIABLE);
  if (chosen !== undefined && chosen !== "") return chosen.replace(/(?<=.)[/\\]+$/, "");
  const user = io.env("HOME") || io.env("USERPROFILE");
  return user === undefined ? ".skyctl" : `${user.replace(/[/\\]+$/, "")}/.skyctl`;
}
