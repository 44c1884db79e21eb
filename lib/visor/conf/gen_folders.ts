/** Where a new configuration is, and the folders that it names (protocol: config, section 1). @module */
import type { FieldValues } from "../config/mod.ts";
import type { NewConfigOptions } from "./gen.ts";
import type { ResolvedSettings } from "./settings.ts";

/** Systems whose packages have paths of their own. */
export const SYSTEMS = ["linux", "mac", "win"] as const;

/** Where packages of Skywire are. */
export const PACKAGE_FOLDERS: Readonly<Record<typeof SYSTEMS[number], string>> = {
  linux: "/opt/skywire",
  mac: "/Library/Application Support/Skywire",
  win: "C:/Program Files/Skywire",
};

/** Package and user paths (protocol: config, section 1). */
export function foldersOf({ resolved: { settings }, system = "linux", userFolder = "." }: NewConfigOptions) {
  if (settings.pkg !== true && settings.user !== true) return undefined;
  const state = settings.pkg === true ? `${PACKAGE_FOLDERS[system]}/local` : `${userFolder}/.skywire/local`;
  return {
    local_path: state,
    dmsghttp_server_path: `${state}/custom`,
    "transport.log_store.location": `${state}/transport_logs`,
    ...(settings.pkg === true ? { "launcher.bin_path": `${PACKAGE_FOLDERS[system]}/bin` } : {}),
  } satisfies FieldValues;
}

/** Where a configuration goes unless told otherwise; undefined: into the home of skyctl. */
export function fileFor(
  { settings }: ResolvedSettings,
  { system = "linux", userFolder = "." }: Pick<NewConfigOptions, "system" | "userFolder">,
): string | undefined {
  if (settings.out !== undefined) return settings.out;
  if (settings.pkg === true) return `${PACKAGE_FOLDERS[system]}/skywire.json`;
  return settings.user === true ? `${userFolder}/skywire-config.json` : undefined;
}
