/**
 * `conf gen`: a new configuration of settings and a deployment, which may keep what an older one was given.
 *
 * @module
 */
import type { SecretKey } from "../../crypto/mod.ts";
import type { Deployment } from "../../deployment/mod.ts";
import {
  type AppConfig,
  APPS_DEFAULT,
  appsAsWritten,
  DEPLOYMENT_FIELDS,
  type FieldValues,
  generateConfig,
  valuesOfDeployment,
  type VisorField,
} from "../config/mod.ts";
import { currentName, isAroundFields, isObject, rowOf } from "./known_fields.ts";
import type { ResolvedSettings, SettingName } from "./settings.ts";
import type { Origin } from "./show.ts";

/** Systems whose packages have paths of their own. */
export const SYSTEMS = ["linux", "mac", "win"] as const;

export interface NewConfigOptions {
  readonly secretKey: SecretKey;
  readonly resolved: ResolvedSettings;
  readonly deployment: Deployment;
  readonly system?: typeof SYSTEMS[number];
  /** The user's folder, for the paths of a user. */
  readonly userFolder?: string;
  /** A configuration whose own lists, unknown fields and further apps go on. */
  readonly old?: Readonly<Record<string, unknown>>;
  /** With `old`: its hypervisors go on, too. */
  readonly keepsHypervisors?: boolean;
}

/** A configuration, and where its values came from; what is not named is a default. */
export interface NewConfig {
  readonly config: Readonly<Record<string, unknown>>;
  readonly origins: ReadonlyMap<string, Origin>;
}

/** Makes it. */
export function newConfig(options: NewConfigOptions): NewConfig {
  const { secretKey, resolved: { settings, origins: given }, deployment, old = {} } = options;
  const origins = new Map<string, Origin>();
  const values: Record<string, unknown> = {};
  const take = (more: FieldValues, origin: Origin) => {
    for (const [path, value] of Object.entries(more)) {
      values[path] = value;
      origins.set(path, origin);
    }
  };
  const mode = settings.dmsghttp === true ? "dmsg" : settings.http === true ? "http" : "dual";
  take(valuesOfDeployment(deployment, mode), "deployment");
  const folders = foldersOf(options);
  if (folders !== undefined) take(folders, given.pkg ?? given.user ?? "flag");
  for (const [name, path, change] of FIELD_OF_SETTING) {
    const value: unknown = settings[name];
    if (value !== undefined) take({ [path]: change === undefined ? value : change(value) }, given[name]!);
  }
  take(keptLists(values, old, options.keepsHypervisors === true), "file");
  const apps = appsFor(options);
  take({ "launcher.apps": [...appsAsWritten(apps), ...furtherApps(apps, old)] }, "default");
  for (const name of APP_SETTINGS) {
    if (given[name] !== undefined) origins.set("launcher.apps", given[name]);
  }
  const config = generateConfig(secretKey, values as FieldValues);
  keepOthers(config, old);
  return { config, origins };
}

/** Settings that are a field, changed by the function where there is one. */
const FIELD_OF_SETTING: readonly (readonly [SettingName, VisorField, ((value: unknown) => unknown)?])[] = [
  ["minsess", "dmsg.sessions_count"],
  ["loglvl", "log_level"],
  ["public", "is_public"],
  ["autoconn", "transport.public_autoconnect", (isOff) => isOff !== true],
  ["publicip", "launcher.display_node_ip"],
  ["stcpr", "transport.stcpr_port"],
  ["sudph", "transport.sudph_port"],
  ["hvpks", "hypervisors"],
  ["survey", "user_survey_whitelist"],
  ["routesetup", "routing.user_route_setup_nodes"],
  ["tpsetup", "transport.user_transport_setup"],
  ["dmsgpty", "pty.whitelist"],
  ["binpath", "launcher.bin_path"],
];

const APP_SETTINGS = [
  "disableapps",
  "proxyclientpk",
  "startproxyclient",
  "proxyclientpass",
  "proxyserver",
  "noproxyserver",
  "proxyserverpass",
] as const satisfies readonly SettingName[];

/** What people put there themselves goes on, besides what is given now. */
const KEPT_LISTS: readonly VisorField[] = [
  "user_survey_whitelist",
  "routing.user_route_setup_nodes",
  "transport.user_transport_setup",
];
const KEPT_VALUES: readonly VisorField[] = ["reward_address", "persistent_transports"];

function keptLists(
  values: Readonly<Record<string, unknown>>,
  old: Readonly<Record<string, unknown>>,
  keepsHypervisors: boolean,
): FieldValues {
  const kept: Record<string, unknown> = {};
  for (const path of keepsHypervisors ? [...KEPT_LISTS, "hypervisors"] : KEPT_LISTS) {
    const [before, now] = [valueAt(old, path), values[path] ?? []];
    if (Array.isArray(before) && before.length > 0) {
      kept[path] = [...new Set([...before, ...now as unknown[]])];
    }
  }
  for (const path of KEPT_VALUES) {
    const before = valueAt(old, path);
    if (before !== undefined && before !== null && before !== "") kept[path] = before;
  }
  return kept;
}

function valueAt(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((at, name) => isObject(at) ? at[name] : undefined, value);
}

/** Package and user paths (protocol: config, section 1). */
function foldersOf({ resolved: { settings }, system = "linux", userFolder = "." }: NewConfigOptions) {
  if (settings.pkg !== true && settings.user !== true) return undefined;
  const state = settings.pkg === true ? `${PACKAGE_FOLDERS[system]}/local` : `${userFolder}/.skywire/local`;
  return {
    local_path: state,
    dmsghttp_server_path: `${state}/custom`,
    "transport.log_store.location": `${state}/transport_logs`,
    ...(settings.pkg === true ? { "launcher.bin_path": `${PACKAGE_FOLDERS[system]}/bin` } : {}),
  } satisfies FieldValues;
}

const PACKAGE_FOLDERS: Readonly<Record<typeof SYSTEMS[number], string>> = {
  linux: "/opt/skywire",
  mac: "/Library/Application Support/Skywire",
  win: "C:/Program Files/Skywire",
};

/** Where a configuration goes unless told otherwise; undefined: into the home of skyctl. */
export function fileFor(
  { settings }: ResolvedSettings,
  { system = "linux", userFolder = "." }: Pick<NewConfigOptions, "system" | "userFolder">,
): string | undefined {
  if (settings.out !== undefined) return settings.out;
  if (settings.pkg === true) return `${PACKAGE_FOLDERS[system]}/skywire.json`;
  return settings.user === true ? `${userFolder}/skywire-config.json` : undefined;
}

function appsFor({ resolved: { settings, origins } }: NewConfigOptions): AppConfig[] {
  const off = new Set(settings.disableapps ?? []);
  const isServer = settings.noproxyserver === true
    ? false
    : settings.proxyserver === true || settings.proxyserverpass !== undefined ||
      origins.noproxyserver !== undefined;
  return APPS_DEFAULT.map((app) => {
    const [isOn, more] = app.name === "skysocks"
      ? [isServer, option("--passcode", settings.proxyserverpass)]
      : [settings.startproxyclient === true, [
        ...option("--srv", settings.proxyclientpk),
        ...option("--passcode", settings.proxyclientpass),
      ]];
    return { ...app, args: [...app.args, ...more], autoStart: isOn && !off.has(app.name) };
  });
}

function option(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [name, value];
}

/** Apps of the older configuration that this program has no default for. */
function furtherApps(apps: readonly AppConfig[], old: Readonly<Record<string, unknown>>): unknown[] {
  const before = valueAt(old, "launcher.apps");
  const names = new Set<unknown>(apps.map(({ name }) => name));
  return Array.isArray(before) ? before.filter((app) => isObject(app) && !names.has(app["name"])) : [];
}

/** Fields that no table knows go on, and known ones that a new configuration says nothing of. */
function keepOthers(
  into: Record<string, unknown>,
  old: Readonly<Record<string, unknown>>,
  prefix = "",
): void {
  for (const [name, value] of Object.entries(old)) {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    const row = rowOf(path);
    if (row !== undefined) {
      const isMadeAnew = row.isUsed || row.generated !== undefined ||
        DEPLOYMENT_FIELDS.has(currentName(path));
      if (!isMadeAnew) into[name] ??= value;
      continue;
    }
    if (!isAroundFields(path) || !isObject(value)) {
      if (!isAroundFields(path)) into[name] ??= value;
      continue;
    }
    const inner: Record<string, unknown> = { ...(isObject(into[name]) ? into[name] : {}) };
    keepOthers(inner, value, path);
    if (Object.keys(inner).length > 0) into[name] = inner;
  }
}
