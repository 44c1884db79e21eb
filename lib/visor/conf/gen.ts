/**
 * `conf gen`: a new configuration of settings and a deployment, which may keep what an older one was given.
 *
 * @module
 */
import type { SecretKey } from "../../crypto/mod.ts";
import type { World } from "../../runtime/mod.ts";
import type { Deployment } from "../../deployment/mod.ts";
import {
  appsAsWritten,
  type FieldValues,
  FORMER_NAMES,
  generateConfig,
  STCP_ADDRESS_DEFAULT,
  valuesOfDeployment,
  type VisorField,
} from "../config/mod.ts";
import { APP_SETTINGS, generatedApps } from "./gen_apps.ts";
import { foldersOf, type SYSTEMS } from "./gen_folders.ts";
import { generatedHypervisor } from "./gen_hypervisor.ts";
import { isObject } from "./known_fields.ts";
import { keepApps, keepOthers } from "./gen_kept.ts";
import { type ResolvedSettings, serviceModeOf, type SettingName } from "./settings.ts";
import type { Origin } from "./show.ts";

export interface NewConfigOptions {
  /** For the cookies of a hypervisor. */
  readonly world: Pick<World, "random">;
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
  take(valuesOfDeployment(deployment, serviceModeOf(settings)), "deployment");
  const folders = foldersOf(options);
  if (folders !== undefined) take(folders, given.pkg ?? given.user ?? "flag");
  for (const [name, path, change] of FIELD_OF_SETTING) {
    const value: unknown = settings[name];
    if (value !== undefined) take({ [path]: change === undefined ? value : change(value) }, given[name]!);
  }
  take(keptLists(values, old, options.keepsHypervisors === true), "file");
  const hypervisor = generatedHypervisor(options, old["hypervisor"]);
  take(hypervisor, given.ishv ?? "flag");
  if (settings.testenv === true) take(PORTS_OF_TEST, given.testenv!);
  for (const name of ["dmsgweb", "skynetweb"] as const) {
    if (settings[name] === true) take(RESOLVING_PROXIES[name], given[name]!);
  }
  const apps = generatedApps(settings, { isNamed: given.noproxyserver !== undefined });
  take({ "launcher.apps": keepApps(appsAsWritten(apps), valueAt(old, "launcher.apps")) }, "default");
  for (const name of APP_SETTINGS) {
    if (given[name] !== undefined) origins.set("launcher.apps", given[name]);
  }
  const config = generateConfig(secretKey, values as FieldValues);
  if (settings.dmsgpty !== undefined && old["pty"] === undefined) underFormerName(config);
  keepOthers(config, old);
  return { config, origins };
}

/** Settings that are a field, changed by the function where there is one. */
const FIELD_OF_SETTING: readonly (readonly [SettingName, VisorField, ((value: unknown) => unknown)?])[] = [
  ["version", "version"],
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
  ["dmsgpty", "pty.dmsg_port", () => 22],
  ["dmsgpty", "pty.cli_network", () => "unix"],
  ["dmsgpty", "pty.cli_address", () => "/tmp/dmsgpty.sock"],
  ["dmsgpty", "pty.whitelist"],
  ["calculateRoutes", "routing.calculate_routes"],
  ["muxroutes", "routing.mux_routes"],
  ["binpath", "launcher.bin_path"],
];

/** A resolving proxy as Skywire of 2026 has it: file and program agree on its ports. */
const RESOLVING_PROXIES = {
  dmsgweb: {
    "dmsg_web.enable": true,
    "dmsg_web.proxy_port": 4_445,
    "dmsg_web.web_port": 8_080,
    "dmsg_web.domain_suffix": ".dmsg",
  },
  skynetweb: {
    "skynet_web.enable": true,
    "skynet_web.proxy_port": 4_446,
    "skynet_web.web_port": 8_081,
    "skynet_web.domain_suffix": ".skynet",
  },
} as const satisfies Record<string, FieldValues>;

/** A visor of the test deployment beside one of production: ports of its own, 10,000 above the others. */
const PORTS_OF_TEST = {
  cli_addr: "127.0.0.1:13435",
  "launcher.server_addr": "localhost:15505",
} as const satisfies FieldValues;

/** The remote shell under its name of 2024, which programs of 2026 take, too. */
function underFormerName(config: Record<string, unknown>): void {
  config[FORMER_NAMES["pty"]!] = config["pty"];
  delete config["pty"];
}

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
  const stcp = valueAt(old, "skywire-tcp");
  if (isObject(stcp)) { // it is on where it is there, whatever it says
    kept["skywire-tcp.pk_table"] = stcp["pk_table"] ?? null;
    kept["skywire-tcp.listening_address"] = stcp["listening_address"] ?? STCP_ADDRESS_DEFAULT;
  }
  return kept;
}

function valueAt(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((at, name) => isObject(at) ? at[name] : undefined, value);
}
