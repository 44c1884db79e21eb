/**
 * Reading deployment files of every form: one file of 2026, either of the two files of 2024, or a single bare
 * deployment. Unknown members are ignored; a known one that is wrong is named with its value and its cure.
 *
 * @module
 */
import { present } from "../base/mod.ts";
import { parsePublicKey, type PublicKey } from "../crypto/mod.ts";
import {
  type Deployment,
  type Deployments,
  type DeploymentServer,
  SERVICES,
  SOLE_NAME,
} from "./deployment.ts";
import { DeploymentError, NotJson } from "./errors.ts";

/** Longest file that is read; the embedded one has 9 KiB. */
export const DEPLOYMENT_CHARS_MAX = 1024 * 1024;
/** Elements of one list. */
export const LIST_MAX = 4_096;

/** Reads the text of a file; errors name it where it is given. Errors: `DeploymentError`. */
export function parseDeployments(text: string, file?: string): Deployments {
  try {
    return parsed(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw error instanceof DeploymentError && file !== undefined ? error.of(file) : error;
  }
}

function parsed(text: string): Deployments {
  if (text.length > DEPLOYMENT_CHARS_MAX) {
    throw new DeploymentError("", `${text.length} characters`, `at most ${DEPLOYMENT_CHARS_MAX} characters`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message may quote a secret key: somebody may name a visor's configuration.
    throw new DeploymentError("", new NotJson(text), "a JSON object of deployments");
  }
  return readDeployments(value);
}

/** As `parseDeployments`, of parsed JSON. */
export function readDeployments(value: unknown): Deployments {
  if (!isObject(value)) throw new DeploymentError("", value, "a JSON object of deployments");
  if (isBare(value)) return { [SOLE_NAME]: readDeployment(value, "") };
  const names = Object.keys(value).filter((name) => isObject(value[name]));
  if (names.length === 0) {
    throw new DeploymentError("", value, "an object with members such as prod and test");
  }
  return Object.fromEntries(
    names.map((name) => [name, readDeployment(value[name] as JsonObject, `${name}.`)]),
  );
}

type JsonObject = { readonly [member: string]: unknown };

/** Whether a value has what makes it a deployment: servers, or the address of a service. */
export function isDeployment(value: unknown): boolean {
  return isObject(value) && isBare(value);
}

/** A file of one deployment has its members at the top. */
function isBare(value: JsonObject): boolean {
  return Array.isArray(value["dmsg_servers"]) ||
    SERVICES.some(([member]) => typeof (value[`${member}_dmsg`] ?? value[member]) === "string");
}

/** `path` is empty or ends with a dot. */
function readDeployment(value: JsonObject, path: string): Deployment {
  return {
    dmsgServers: readList(value, path, "dmsg_servers", readServer),
    routeSetupNodes: readList(value, path, "route_setup_nodes", readKey),
    transportSetup: readList(value, path, "transport_setup", readKey),
    surveyWhitelist: readList(value, path, "survey_whitelist", readKey),
    stunServers: readList(value, path, "stun_servers", readHostPort),
    ...readServices(value, path),
    ...present({
      dnsServer: readText(value, path, "dns_server"),
      geoip: readUrl(value, path, "geoip", HTTP_URL),
      wssDomainSuffix: readText(value, path, "wss_domain_suffix"),
      allowLoopbackAddresses: readFlag(value, path, "allow_loopback_addresses"),
      browseOriginSuffix: readText(value, path, "browse_origin_suffix"),
    }),
  };
}

/** Files of 2024 hold dmsg URLs under the plain name too: they are told apart by their scheme. */
function readServices(value: JsonObject, path: string): Record<string, string> {
  const urls: Record<string, string> = {};
  for (const [member, name] of SERVICES) {
    const plain = readUrl(value, path, member, ANY_URL);
    const overDmsg = readUrl(value, path, `${member}_dmsg`, DMSG_URL);
    if (plain !== undefined) urls[isDmsgUrl(plain) ? `${name}Dmsg` : name] = plain;
    if (overDmsg !== undefined) urls[`${name}Dmsg`] = overDmsg;
  }
  return urls;
}

function readServer(value: unknown, path: string): DeploymentServer {
  if (!isObject(value)) throw new DeploymentError(path, value, "an object with static and server");
  const publicKey = readKey(value["static"], `${path}.static`);
  const server = value["server"];
  if (!isObject(server)) throw new DeploymentError(`${path}.server`, server, "an object with address");
  const within = `${path}.server.`;
  return {
    publicKey,
    address: readHostPort(server["address"], `${within}address`),
    ...present({
      addressWs: readText(server, within, "address_ws"),
      addressUdp: readText(server, within, "address_udp"),
      addressWt: readText(server, within, "address_wt"),
    }),
  };
}

function readKey(value: unknown, path: string): PublicKey {
  try {
    if (typeof value === "string") return parsePublicKey(value);
  } catch (cause) {
    throw new DeploymentError(path, value, KEY, { cause });
  }
  throw new DeploymentError(path, value, KEY);
}

function readHostPort(value: unknown, path: string): string {
  if (typeof value === "string" && isHostPort(value)) return value;
  throw new DeploymentError(path, value, "host:port, an IPv6 host in brackets");
}

/** Whether a text is an address as files of deployments have it: `host:port`, an IPv6 host in brackets. */
export function isHostPort(text: string): boolean {
  const port = /^(?:\[[0-9a-f:.]+\]|[^\s:[\]/@]{1,253}):([0-9]{1,5})$/i.exec(text)?.[1];
  return port !== undefined && Number(port) <= 65_535;
}

function readList<T>(
  from: JsonObject,
  path: string,
  member: string,
  read: (value: unknown, path: string) => T,
): readonly T[] {
  const list = from[member] ?? [];
  if (!Array.isArray(list)) throw new DeploymentError(path + member, list, "a list");
  if (list.length > LIST_MAX) {
    throw new DeploymentError(
      path + member,
      `${list.length} elements`,
      `a list of at most ${LIST_MAX} elements`,
    );
  }
  return list.map((item, index) => read(item, `${path}${member}[${index}]`));
}

/** Absent, null and empty are the same: nothing is said. */
function readText(from: JsonObject, path: string, member: string): string | undefined {
  const value = from[member] ?? "";
  if (typeof value !== "string") throw new DeploymentError(path + member, value, "a text");
  return value === "" ? undefined : value;
}

/** Undefined for what is false, as files without it have it. */
function readFlag(from: JsonObject, path: string, member: string): true | undefined {
  const value = from[member] ?? false;
  if (typeof value !== "boolean") throw new DeploymentError(path + member, value, "true or false");
  return value ? true : undefined;
}

const KEY = "a public key of 66 hex characters";
const HTTP_URL = "a URL that starts with http:// or https://";
const DMSG_URL = "a URL such as dmsg://<public key>:80";
const ANY_URL = "a URL that starts with http://, https:// or dmsg://<public key>";

function readUrl(from: JsonObject, path: string, member: string, remedy: string): string | undefined {
  const text = readText(from, path, member);
  if (text === undefined) return undefined;
  const accepted = isDmsgUrl(text) ? remedy !== HTTP_URL : remedy !== DMSG_URL && isHttpUrl(text);
  if (!accepted) throw new DeploymentError(path + member, text, remedy);
  return text;
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

function isDmsgUrl(text: string): boolean {
  const match = /^dmsg:\/\/([0-9a-f]{66})(?::([0-9]{1,5}))?(?:[/?]\S*)?$/i.exec(text);
  if (match === null || Number(match[2] ?? 0) > 65_535) return false;
  try {
    parsePublicKey(match[1]!);
    return true;
  } catch {
    return false; // no point of the curve: the caller says so with the field and its value
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
