/**
 * What `conf gen` can be told, by flag, by the environment or by a SKYENV file: one table for all three (protocol:
 * config, section 6).
 *
 * @module
 */
import { parsePublicKey, type PublicKey } from "../../crypto/mod.ts";
import { ConfigError } from "../../deployment/mod.ts";
import type { ServiceMode } from "../config/mod.ts";
import type { Origin } from "./show.ts";
import type { SkyenvValues } from "./skyenv.ts";

interface Setting<Kind extends keyof Kinds> {
  readonly kind: Kind;
  /** Of SKYENV and of the environment; misspelt ones are as Skywire has them. */
  readonly variable?: string;
  readonly about: string;
}

interface Kinds {
  flag: boolean;
  text: string;
  number: number;
  key: PublicKey;
  keys: readonly PublicKey[];
  words: readonly string[];
}

function setting<Kind extends keyof Kinds>(
  kind: Kind,
  variable: string | undefined,
  about: string,
): Setting<Kind> {
  return { kind, variable, about };
}

/** Settings by the long names of their flags. */
export const GEN_SETTINGS = {
  pkg: setting("flag", "PKGENV", "paths of a package: /opt/skywire and its like"),
  user: setting("flag", "USRENV", "paths of a user: $HOME/.skywire"),
  out: setting("text", "OUTPUT", "the file"),
  url: setting("text", "SVCCONFADDR", "the configuration service"),
  svcconf: setting("text", "SVCCONF", "a deployment file in place of the configuration service"),
  dmsgconf: setting("text", "DMSGCONF", "the same of 2024, with the services over dmsg"),
  nofetch: setting("flag", undefined, "the embedded deployment, without asking"),
  testenv: setting("flag", "TESTENV", "the test deployment"),
  dmsghttp: setting("flag", "DMSGHTTP", "services over dmsg alone"),
  http: setting("flag", undefined, "services over plain HTTP alone"),
  minsess: setting("number", "MINDMSGSESS", "dmsg sessions"),
  sk: setting("text", "SK", "the secret key"),
  loglvl: setting("text", "LOGLVL", "lines of the log"),
  public: setting("flag", "VISORISPUBLIC", "the visor offers itself to all"),
  autoconn: setting("flag", "DISABLEPUBLICAUTOCONN", "no transports to public visors by itself"),
  publicip: setting("flag", "DISPLAYNODEIP", "addresses are shown in the service discovery"),
  stcpr: setting("number", "STCPRPORT", "port of stcpr"),
  sudph: setting("number", "SUDPHPORT", "port of sudph"),
  hvpks: setting("keys", "HYPERVISORPKS", "who may manage the visor"),
  survey: setting("keys", "SURVEYPKS", "more keys that may read the survey and the log"),
  routesetup: setting("keys", "ROUTESETUPPKS", "more setup nodes"),
  tpsetup: setting("keys", "TPSETUPPKS", "more keys that may make the visor add transports"),
  dmsgpty: setting("keys", "DMSGPTYPKS", "who may use the remote shell"),
  binpath: setting("text", "BINPATH", "folder of apps of Skywire"),
  disableapps: setting("words", undefined, "apps that do not start by themselves"),
  proxyclientpk: setting("key", "PROXYCLIENTPK", "the server of the SOCKS proxy"),
  startproxyclient: setting("flag", "STARTPROXYCLIENT", "the SOCKS proxy starts with the visor"),
  proxyclientpass: setting("text", "PROXYCLIENTPASS", "passcode for the server of the SOCKS proxy"),
  proxyserver: setting("flag", undefined, "the visor is a server of SOCKS proxies"),
  noproxyserver: setting("flag", "NOPROXYSERVER", "it is none, as without any of these"),
  proxyserverpass: setting("text", "PROXYSEVERPASS", "passcode for the visor's server of SOCKS proxies"),
  ishv: setting("flag", "ISHYPERVISOR", "the visor has a hypervisor's user interface"),
  auth: setting("flag", undefined, "users of it must log in"),
  noauth: setting("flag", undefined, "they need not, as without either"),
  servevpn: setting("flag", "VPNSERVER", "the VPN server starts with the visor"),
  vpnserverpass: setting("text", "VPNSEVERPASS", "passcode for the VPN server"),
  secure: setting("flag", "VPNSEVERSECURE", "whether it keeps its clients from its own network"),
  netifc: setting("text", "VPNSEVERNETIFC", "its network interface"),
  addvpn: setting("key", "ADDVPNPK", "the server of the VPN client"),
  vpnpass: setting("text", "VPNCLIENTPASS", "passcode for the server of the VPN client"),
  killsw: setting("flag", "VPNKS", "whether nothing passes while the VPN client is not connected"),
  exampleApps: setting("flag", undefined, "the example app of Skywire"),
  dmsgweb: setting("flag", undefined, "the resolving proxy for .dmsg"),
  skynetweb: setting("flag", undefined, "the resolving proxy for .skynet"),
  calculateRoutes: setting("flag", undefined, "routes are computed by the visor"),
  muxroutes: setting("number", undefined, "routes of a multiplexed connection"),
  dual: setting("flag", undefined, "services over dmsg, then HTTP, as without any of these"),
  bestproto: setting("flag", "BESTPROTO", "the way to services by location: both ways are named anyway"),
  version: setting("text", "VERSION", "the version that the configuration names"),
} as const satisfies Record<string, Setting<keyof Kinds>>;

/** Variables of Skywire for what is not built in. */
const WITHOUT_USE = [
  "DMSGSERVERCONF",
  "LEGACYHVUI",
  "RESTART_SERVICES",
] as const;

/** The name of a setting. */
export type SettingName = keyof typeof GEN_SETTINGS;
/** Settings that were given. */
export type GenSettings = { readonly [Name in SettingName]?: Kinds[(typeof GEN_SETTINGS)[Name]["kind"]] };

/** How services are to be reached. */
export function serviceModeOf({ dual, dmsghttp, http }: GenSettings): ServiceMode {
  if (dual === true) return "dual";
  if (dmsghttp === true) return "dmsg";
  return http === true ? "http" : "dual";
}

/** Settings with who gave them. */
export interface ResolvedSettings {
  readonly settings: GenSettings;
  readonly origins: { readonly [Name in SettingName]?: Origin };
  /** Variables that are set, and have no use here. */
  readonly withoutUse: readonly string[];
}

/**
 * Flags beat the environment, and that beats the file. Errors: `ConfigError`, which names flag or variable, value and
 * rule.
 */
export function resolveSettings({ flags, env, skyenv, skyenvFile }: {
  /** As the command line has them: `true`, or text. */
  readonly flags: { readonly [name: string]: unknown };
  readonly env: (name: string) => string | undefined;
  readonly skyenv: SkyenvValues;
  readonly skyenvFile: string;
}): ResolvedSettings {
  const settings: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  for (const [name, { kind, variable = "" }] of Object.entries(GEN_SETTINGS)) {
    const given = flags[name];
    const fromEnvironment = variable === "" ? undefined : env(variable);
    const fromFile = skyenv.get(variable);
    const [words, origin, where, label]: [readonly string[] | undefined, Origin, string, string] =
      given !== undefined && given !== false
        ? [[String(given)], "flag", "command line", `--${name}`]
        : fromEnvironment !== undefined && fromEnvironment !== ""
        ? [[fromEnvironment], "environment", "environment", variable]
        : [fromFile, "SKYENV", skyenvFile, variable];
    const value = words === undefined ? undefined : READERS[kind](words, (rule) => {
      const shown = /pass|^sk$/.test(name) ? "(not shown)" : JSON.stringify(words.join(" ").slice(0, 80));
      throw new ConfigError(where, label, `value ${shown}: it must be ${rule}`);
    });
    if (value === undefined) continue;
    settings[name] = value;
    origins[name] = origin;
  }
  const isOn = (name: string) => skyenv.get(name)?.some((word) => word !== "" && word !== "false") === true;
  return { settings, origins, withoutUse: WITHOUT_USE.filter(isOn) };
}

/** Undefined for what is empty: nothing was said. */
const READERS: {
  readonly [Kind in keyof Kinds]: (
    words: readonly string[],
    refuse: (rule: string) => never,
  ) => Kinds[Kind] | undefined;
} = {
  flag: ([word = ""], refuse) => {
    if (word === "") return undefined;
    return word === "true" || (word === "false" ? false : refuse("true or false"));
  },
  text: ([word]) => word || undefined,
  number: ([word = ""], refuse) => {
    if (word === "") return undefined;
    return /^\d{1,5}$/.test(word) ? Number(word) : refuse("a whole number of at most five digits");
  },
  key: ([word = ""], refuse) => word === "" ? undefined : keyOf(word, refuse),
  keys: (words, refuse) => {
    const keys = itemsOf(words).map((word) => keyOf(word, refuse));
    return keys.length === 0 ? undefined : keys;
  },
  words: (words) => itemsOf(words).length === 0 ? undefined : itemsOf(words),
};

/** Words, and what commas separate in them. */
function itemsOf(words: readonly string[]): string[] {
  return words.flatMap((word) => word.split(",")).map((word) => word.trim()).filter((word) => word !== "");
}

function keyOf(word: string, refuse: (rule: string) => never): PublicKey {
  try {
    return parsePublicKey(word);
  } catch {
    return refuse("a public key, 66 hex characters");
  }
}

/** A SKYENV file with every variable that is read, and none set. */
export function renderSkyenvTemplate(): string {
  const lines = [
    "# What `skyctl conf gen` reads when the variable SKYENV names this file, in the syntax of a shell:",
    "# NAME=value, NAME='some words', NAME=('a' 'b'). Flags and the environment win over it. Nothing is run.",
  ];
  for (const [name, { kind, variable, about }] of Object.entries(GEN_SETTINGS)) {
    if (variable === undefined) continue;
    const example = { flag: "true", keys: "('')", words: "('')", text: "''", key: "''", number: "0" }[kind];
    lines.push("", `# ${about} (--${name})`, `#${variable}=${example}`);
  }
  return lines.join("\n") + "\n";
}
