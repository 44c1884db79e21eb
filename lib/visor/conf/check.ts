/**
 * What is wrong with a configuration: every finding at once, each with field, value and remedy.
 *
 * @module
 */
import { shellWord } from "../../base/mod.ts";
import { type PublicKey, SecretKey } from "../../crypto/mod.ts";
import { ConfigError, Fields, parseConfigText } from "../../deployment/mod.ts";
import { type JsonNode, parseJsonTree } from "../../deployment/edit/mod.ts";
import { NETWORK_TRANSPORT_TYPES, TRANSPORT_TYPES } from "../../transport/mod.ts";
import {
  type FieldTable,
  parseVisorConfig,
  pathIn,
  readAt,
  readField,
  refuseOtherKind,
  SERVICE_INTERVAL_MS_DEFAULT,
  SERVICE_INTERVAL_MS_MIN,
  type VisorConfig,
} from "../config/mod.ts";
import { PRESENCE_LIFE_MS } from "../doctor/mod.ts";
import { isObject, leavesOf, nearestField, rowOf, TABLE } from "./known_fields.ts";

/** One thing that is wrong, or may be. */
export interface Finding {
  /** An error: the visor does not start with it. A warning: something will not work. A note: nothing happens. */
  readonly severity: "error" | "warning" | "note";
  /** Empty: the file as a whole. */
  readonly field: string;
  /** What is wrong, with the value. */
  readonly problem: string;
  readonly remedy: string;
}

/**
 * Everything that is wrong with the text of a configuration, errors first. `mode` is that of its file, 0 where the
 * system has none.
 */
export function checkConfig(
  text: string,
  file: string,
  { mode = 0 }: { readonly mode?: number } = {},
): Finding[] {
  let raw: Readonly<Record<string, unknown>>;
  try {
    raw = parseConfigText(text, file);
    refuseOtherKind(raw, file);
  } catch (error) {
    return [findingOf(error, "error", file)];
  }
  const findings = new Map<string, Finding>();
  const add = (finding: Finding) => {
    const known = findings.get(finding.field);
    if (known === undefined || ORDER.indexOf(finding.severity) < ORDER.indexOf(known.severity)) {
      findings.set(finding.field, finding);
    }
  };
  for (const finding of betweenKeys(raw, file)) add(finding);
  const fields = new Fields(file, raw, "");
  for (const [name, row] of Object.entries(TABLE)) {
    const path = pathIn(raw, name);
    try {
      readAt(fields, path, row.type);
    } catch (error) {
      add(findingOf(error, row.isUsed ? "error" : "warning", file));
    }
  }
  let config: VisorConfig | undefined;
  try {
    config = parseVisorConfig(text, file); // besides its fields, what holds between them
  } catch (error) {
    add(findingOf(error, "error", file));
  }
  if (config !== undefined) { for (const finding of betweenFields(config, file, mode)) add(finding); }
  for (const finding of unknownFields(raw)) add(finding);
  try {
    for (const finding of repeatedFields(parseJsonTree(text, file))) add(finding);
  } catch (error) {
    add(findingOf(error, "warning", file, "make it flatter: skyctl conf set cannot change the file"));
  }
  return [...findings.values()].sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}

const ORDER = ["error", "warning", "note"];

/** A remedy is for this file, which may not be that of the home. */
function inFile(file: string): string {
  return ` -c ${shellWord(file)}`;
}

function findingOf(error: unknown, severity: Finding["severity"], file: string, remedy?: string): Finding {
  if (!(error instanceof ConfigError)) throw error;
  const { field, problem, hint } = error;
  return { severity, field, problem, remedy: remedy ?? hint ?? remedyOf(field, file) };
}

/** For the very place that is wrong. */
function remedyOf(field: string, file: string): string {
  if (field === "") return "correct it; skyctl conf gen makes a new one";
  const row = rowOf(field);
  if (row !== undefined) {
    return `skyctl conf set ${shellWord(field)} VALUE${inFile(file)}, where VALUE is ${row.type.rule}`;
  }
  // What is around fields.
  if (field.includes("[")) return "remove it, or write an object there";
  return `remove it, or empty it: skyctl conf set ${shellWord(field)} '{}' --force${inFile(file)}`;
}

/** Whether `pk` is the one of `sk`. What is no key at all is told of the fields. */
function* betweenKeys(raw: Readonly<Record<string, unknown>>, file: string): Generator<Finding> {
  const { sk, pk } = raw;
  if (typeof pk !== "string" || (sk !== undefined && sk !== null && typeof sk !== "string")) return;
  const isNone = /^0*$/.test(pk);
  if (!isNone && pk.length !== 66) return;
  if (/^0*$/.test(sk ?? "")) {
    if (isNone) return;
    yield {
      severity: "warning",
      field: "pk",
      problem: `value ${
        JSON.stringify(pk.slice(0, 66))
      }: there is no sk that it belongs to, so the visor has another key`,
      remedy: `skyctl conf set sk SECRET_KEY${inFile(file)}, which sets pk with it, or remove pk`,
    };
    return;
  }
  const publicKey = publicKeyOf(sk!);
  if (publicKey === undefined || publicKey === pk.toLowerCase()) return;
  yield {
    severity: isNone ? "warning" : "error",
    field: "pk",
    problem: `value ${JSON.stringify(pk.slice(0, 66))}: it must be ${publicKey}, which belongs to sk`,
    remedy: `skyctl conf set pk ${publicKey}${inFile(file)}`,
  };
}

function publicKeyOf(secret: string): PublicKey | undefined {
  try {
    return SecretKey.parse(secret).publicKey;
  } catch {
    return undefined;
  }
}

const BUILT_IN: readonly string[] = TRANSPORT_TYPES;

/** What single fields do not show. */
function* betweenFields(config: VisorConfig, file: string, mode: number): Generator<Finding> {
  const { controlAddress: { hostname }, dmsg, node, secretKey, apps } = config;
  if ((mode & 0o077) !== 0 && secretKey !== undefined) {
    yield {
      severity: "warning",
      field: "",
      problem: `others may read the file and its secret key: its mode is ${mode.toString(8)}`,
      remedy: `chmod 600 ${shellWord(file)}`,
    };
  }
  if (secretKey === undefined) {
    yield {
      severity: "warning",
      field: "sk",
      problem: "there is no secret key: the visor is another one at every start",
      remedy: `skyctl conf gen -r -o ${shellWord(file)} adds one and keeps what it finds`,
    };
  }
  if (hostname !== "localhost" && hostname !== "::1" && !/^127(?:\.\d{1,3}){3}$/.test(hostname)) {
    yield {
      severity: "error",
      field: "cli_addr",
      problem: `value ${JSON.stringify(hostname)}: the control API is for this machine alone`,
      remedy: `skyctl conf set cli_addr 127.0.0.1:3435${inFile(file)}`,
    };
  }
  if (dmsg.discovery === undefined && dmsg.discoveryDmsg !== undefined && dmsg.servers.length === 0) {
    yield {
      severity: "note",
      field: "dmsg.servers",
      problem: "the discovery is named over dmsg alone, and no server to reach it by",
      remedy: "none is needed for the embedded deployment; for another name servers, or dmsg.discovery",
    };
  }
  if (node.stcp !== undefined && node.stcprPort !== 0 && node.stcprPort === node.stcp.listen.port) {
    yield {
      severity: "error",
      field: "transport.stcpr_port",
      problem: `value ${node.stcprPort}: skywire-tcp.listening_address has the same port`,
      remedy: `skyctl conf set transport.stcpr_port 0${inFile(file)}`,
    };
  }
  yield* intervalOf(config, file);
  for (const [index, { type }] of node.persistentTransports.entries()) {
    if (BUILT_IN.includes(type)) continue;
    const why = NETWORK_TRANSPORT_TYPES.includes(type) ? "is not built in" : "is no type of a transport";
    const field = `persistent_transports[${index}].type`;
    yield {
      severity: "warning",
      field,
      problem: `value ${JSON.stringify(type.slice(0, 80))}: it ${why}, and the transport is never made`,
      remedy: `skyctl conf set ${shellWord(field)} TYPE${inFile(file)}, where TYPE is one of ${
        BUILT_IN.join(", ")
      }`,
    };
  }
  const ports = new Map<number, string>();
  for (const [index, { name, port, binary, args }] of apps.entries()) {
    const other = ports.get(port);
    if (other !== undefined && port !== 0) {
      const field = `launcher.apps[${index}].port`;
      yield {
        severity: "warning",
        field,
        problem: `value ${port}: ${other} has it too, and only one of them can listen`,
        remedy: `skyctl conf set ${shellWord(field)} PORT${inFile(file)}`,
      };
    }
    ports.set(port, name);
    const app = args[0] === "app" ? args[1] : binary === "skywire" ? name : binary;
    if (app !== "skysocks" && app !== "skysocks-client") {
      yield {
        severity: "note",
        field: `launcher.apps[${index}].binary`,
        problem: `app ${name} is not built in: it is kept, and does not start`,
        remedy: "none is needed",
      };
    }
  }
}

/** What a registration does not go by, or not in time: the visor starts with it all the same. */
function* intervalOf({ raw }: VisorConfig, file: string): Generator<Finding> {
  const field = "launcher.heartbeat_interval";
  const ms = readField(new Fields(file, raw, ""), field);
  const isTooLong = ms >= PRESENCE_LIFE_MS;
  if (!isTooLong && (ms === 0 || ms >= SERVICE_INTERVAL_MS_MIN)) return; // 0 is the default
  const { heartbeat_interval: said } = raw["launcher"] as Readonly<Record<string, unknown>>;
  const why = isTooLong
    ? `the service discovery forgets a service after ${PRESENCE_LIFE_MS / 1_000}s`
    : `the visor registers every ${SERVICE_INTERVAL_MS_MIN / 1_000}s all the same`;
  yield {
    severity: "warning",
    field,
    problem: `value ${JSON.stringify(said)}: ${why}`,
    remedy: `skyctl conf set ${field} ${SERVICE_INTERVAL_MS_DEFAULT / 1_000}s${inFile(file)}`,
  };
}

/** JSON lets a name stand twice in an object; every program takes the last, and nobody sees that. */
function* repeatedFields(node: JsonNode, path = ""): Generator<Finding> {
  if (node.kind === "array") {
    for (const [index, item] of node.items.entries()) yield* repeatedFields(item, `${path}[${index}]`);
  }
  if (node.kind !== "object") return;
  const seen = new Set<string>();
  for (const { name, value } of node.members) {
    const field = path === "" ? name : `${path}.${name}`;
    if (seen.has(name)) {
      yield {
        severity: "warning",
        field,
        problem: "it stands there more than once: the last one counts",
        remedy: "remove all but one",
      };
    }
    seen.add(name);
    yield* repeatedFields(value, field);
  }
}

/** What no table knows is kept; it may be a slip of the pen. */
function* unknownFields(raw: Readonly<Record<string, unknown>>): Generator<Finding> {
  for (const { path, value, row } of leavesOf(raw)) {
    if (row === undefined) yield unknown(path);
    else if (row.type.items !== undefined && Array.isArray(value)) {
      for (const [index, item] of value.entries()) {
        for (const name of unknownNames(item, row.type.items)) yield unknown(`${path}[${index}].${name}`);
      }
    }
  }
}

/** Entries of dmsg servers as a discovery gives them are longer than what is read of them. */
const ENTRY_NAMES: ReadonlySet<string> = new Set(["version", "sequence", "timestamp", "server"]);

function unknownNames(item: unknown, items: FieldTable): string[] {
  if (!isObject(item)) return [];
  const isEntry = "static" in items;
  return Object.keys(item).filter((name) =>
    !Object.hasOwn(items, name) && !(isEntry && ENTRY_NAMES.has(name))
  );
}

function unknown(path: string): Finding {
  const meant = nearestField(path);
  return {
    severity: "note",
    field: path,
    problem: "it is unknown, and kept as it is",
    remedy: meant === undefined ? "none is needed" : `if ${meant} is meant, rename it`,
  };
}
