/**
 * A configuration as a visor sees it: each field with its value, and where that came from.
 *
 * @module
 */
import { parseConfigText, splitWords } from "../../deployment/mod.ts";
import { parseJsonPath } from "../../deployment/edit/mod.ts";
import type { DmsgNetwork, ServiceAddress } from "../../directory/mod.ts";
import { shownArguments } from "../apps/mod.ts";
import { parseVisorConfig, pathIn } from "../config/mod.ts";
import { networkOfConfig } from "../deployment.ts";
import { currentName, isObject, leavesOf, rowOf, TABLE } from "./known_fields.ts";

/** Where a value came from. Later ones win over earlier ones. */
export const ORIGINS = ["default", "deployment", "file", "SKYENV", "environment", "flag"] as const;
export type Origin = typeof ORIGINS[number];

/** A field as it is shown. */
export interface ShownField {
  readonly field: string;
  /** As a file says it; secrets are hidden. */
  readonly value: unknown;
  readonly origin: Origin;
  /** False: kept for other programs. */
  readonly isUsed: boolean;
}

/** Values that win over the file's, as texts of the command line. */
export interface Overrides {
  readonly values?: { readonly [path: string]: unknown };
  /** The network of `--deployment`, in place of the configured one. */
  readonly network?: DmsgNetwork | undefined;
}

/**
 * Every field that this program uses, and every other one that the file has. Errors: `ConfigError` for what no visor
 * would start with.
 */
export function showConfig(
  text: string,
  file: string,
  { values = {}, network }: Overrides = {},
): ShownField[] {
  const raw = parseConfigText(text, file);
  const deployed = valuesOfNetwork(network ?? networkOfConfig(parseVisorConfig(text, file)));
  const leaves = leavesOf(raw);
  const inFile = new Map(leaves.map(({ path, value }) => [path, value]));
  if (network?.file !== undefined && network.transportSetup !== undefined) { // besides those of the file
    const said = inFile.get(pathIn(raw, TRANSPORT_SETUP));
    deployed[TRANSPORT_SETUP] = [
      ...new Set([...(Array.isArray(said) ? said : []), ...network.transportSetup]),
    ];
  }
  const shown: ShownField[] = Object.entries(TABLE).flatMap(([name, row]): ShownField[] => {
    const field = pathIn(raw, name);
    const said = inFile.get(field);
    inFile.delete(field);
    const found = (value: unknown, origin: Origin): ShownField[] => [
      { field, value: shownValue(field, value), origin, isUsed: row.isUsed },
    ];
    if (Object.hasOwn(values, name)) return found(values[name], "flag");
    const given = network !== undefined && Object.hasOwn(deployed, name) ? undefined : said;
    if (isSaid(given) && !(Object.hasOwn(deployed, name) && isEmptyList(given))) return found(given, "file");
    if (Object.hasOwn(deployed, name)) return found(deployed[name], "deployment");
    if (isEmptyList(given)) return found(given, "file");
    return row.isUsed || said !== undefined ? found(row.type.absent ?? null, "default") : [];
  });
  for (const [field, value] of inFile) {
    shown.push({ field, value: shownValue(field, value), origin: "file", isUsed: false });
  }
  return shown;
}

/**
 * What a path names as people write it: the fields at and below it, else the part of one that it leads to
 * (`launcher.apps[0].port`), else a field with what holds without it. Empty: nothing is called so.
 */
export function fieldsAt(fields: readonly ShownField[], named: string): ShownField[] {
  const name = currentName(named);
  const within = fields.filter(({ field }) => `${currentName(field)}.`.startsWith(`${name}.`));
  if (within.length > 0) return within;
  const row = rowOf(name);
  const field = fields.map(({ field }) => currentName(field)).find((around) =>
    name.startsWith(around) && /^[.[]/.test(name.slice(around.length))
  );
  const byDefault: ShownField[] = row === undefined
    ? []
    : [{ field: named, value: row.type.absent ?? null, origin: "default", isUsed: row.isUsed }];
  if (field === undefined) return Object.hasOwn(TABLE, name) ? byDefault : [];
  const [path, before] = [parseJsonPath(name), parseJsonPath(field)];
  if (path === undefined || before === undefined) return [];
  const around = fields.find((each) => currentName(each.field) === field)!;
  const rest = path.slice(before.length);
  const value = valueAt(around.value, rest);
  if (value !== undefined) return [{ ...around, field: named, value }];
  return isObject(valueAt(around.value, rest.slice(0, -1))) ? byDefault : []; // the item is there
}

/** Null and empty texts say nothing: the default holds. */
function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "";
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

const TRANSPORT_SETUP = "transport.transport_setup";

/** What the network of a visor says of fields, by their paths. */
function valuesOfNetwork(network: DmsgNetwork): Record<string, unknown> {
  const { servers, discoveryHttp, discoveryDmsg, setupNodes = [] } = network;
  return {
    ...pair("dmsg.discovery", { http: discoveryHttp, dmsg: discoveryDmsg } as ServiceAddress),
    "dmsg.servers": servers.map(({ publicKey, address }) => ({ static: publicKey, server: { address } })),
    ...pair("transport.discovery", network.transportDiscovery),
    ...pair("transport.address_resolver", network.addressResolver),
    ...pair("routing.route_finder", network.routeFinder),
    ...pair("launcher.service_discovery", network.serviceDiscovery),
    ...pair("uptime_tracker.addr", network.uptimeTracker),
    ...pair("conf_service", network.conf),
    "routing.route_setup_nodes": [...setupNodes],
    ...(network.allowLoopbackAddresses === true ? { "transport.allow_loopback_addresses": true } : {}),
  };
}

function pair(path: string, address: ServiceAddress | undefined): Record<string, unknown> {
  const { http, dmsg } = address ?? {};
  return {
    ...(http === undefined ? {} : { [path]: http }),
    ...(dmsg === undefined ? {} : { [`${path}_dmsg`]: `dmsg://${dmsg.publicKey}:${dmsg.port}` }),
  };
}

const HIDDEN = "[hidden]";
/** The secret keys of nodes and cookies, wherever they stand. */
const SECRET_SHAPE = /(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{128})(?![0-9a-f])/gi;
const SECRET_NAME = /pass(?:code|word|phrase)?$|secret|token|(?:^|_)sk$/i;
/** Zeros in the place of a secret key: there is none. */
const NO_SECRET_KEY = "0".repeat(64);

/** A value without what nobody may see: secret keys, and passwords among arguments. */
export function shownValue(field: string, value: unknown): unknown {
  if (rowOf(field)?.type.isSecret === true || SECRET_NAME.test(field)) {
    return isSaid(value) && value !== NO_SECRET_KEY ? HIDDEN : value;
  }
  if (typeof value === "string") return shownText(value);
  if (Array.isArray(value)) {
    const isWords = value.every((word) => typeof word === "string");
    const items = isWords ? shownArguments(value) : value;
    return items.map((item, index) => shownValue(`${field}[${index}]`, item));
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, shownValue(`${field}.${name}`, inner)]),
  );
}

/** What is at a path of a configuration, as `shownValue` shows it there; null: nothing. */
export function shownAt(
  raw: Readonly<Record<string, unknown>>,
  path: readonly (string | number)[],
): unknown {
  const value = valueAt(raw, path);
  if (value === undefined || value === null) return null;
  const top = String(path[0]);
  // With what is around it, which says what an item of a list is; undefined: all of that is hidden.
  return valueAt({ [top]: shownValue(top, raw[top]) }, path) ?? HIDDEN;
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((at, step) => {
    if (typeof step === "number") return Array.isArray(at) ? at[step] : undefined;
    return isObject(at) && Object.hasOwn(at, step) ? at[step] : undefined;
  }, value);
}

/** Whether a text has the name of a passcode in it: marks may stand within a word. */
export function namesPasscode(text: string): boolean {
  return /passcode/i.test(text.replace(/["'\\]/g, ""));
}

/** Arguments of 2026 are one text. */
function shownText(text: string): string {
  const words = splitWords(text) ?? [];
  // A quotation mark is open: nobody knows where a passcode ends.
  if (words.length === 0 && namesPasscode(text)) return HIDDEN;
  const shown = shownArguments(words);
  const isSame = shown.every((word, index) => word === words[index]);
  return (isSame ? text : shown.map(quoted).join(" ")).replace(SECRET_SHAPE, HIDDEN);
}

/** As `splitWords` takes it for one word. */
function quoted(word: string): string {
  if (!/["'\s]/.test(word) && word !== "") return word;
  return word.includes("'") ? `"${word}"` : `'${word}'`;
}
