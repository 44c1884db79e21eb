/**
 * New configurations: the fields of the table in its order, tab-indented as Skywire writes them.
 *
 * @module
 */
import type { SecretKey } from "../../crypto/mod.ts";
import { type Deployment, Fields, namesDiscovery, type Service } from "../../deployment/mod.ts";
import { NoDiscoveryError } from "../../directory/mod.ts";
import { readField, VISOR_FIELDS, type VisorField } from "./fields.ts";
import { type AppConfig, APPS_DEFAULT } from "./node_config.ts";

/** Values of fields, as a file says them. */
export type FieldValues = { readonly [Path in VisorField]?: unknown };

/** How services are reached: each way that a new configuration names. A service without that way has its other one. */
export type ServiceMode = "dual" | "dmsg" | "http";

/** The object of a new configuration: what is given, else what the table says, in the table's order. */
export function generateConfig(secretKey: SecretKey, given: FieldValues): Record<string, unknown> {
  const values: FieldValues = {
    "launcher.apps": appsAsWritten(APPS_DEFAULT),
    ...given,
    sk: secretKey.reveal(),
    pk: secretKey.publicKey,
  };
  const config: Record<string, unknown> = {};
  for (const path of Object.keys(VISOR_FIELDS) as VisorField[]) {
    const value = path in values ? values[path] : VISOR_FIELDS[path].generated;
    if (value !== undefined) put(config, path.split("."), value);
  }
  return config;
}

/** Apps that are within Skywire's one program: its first arguments name them. */
const WITHIN_SKYWIRE: ReadonlySet<string> = new Set([
  "skysocks",
  "skysocks-client",
  "vpn-client",
  "vpn-server",
]);

/** Apps as a file has them, so that a visor of Skywire can start them, too. */
export function appsAsWritten(apps: readonly AppConfig[]): { readonly name: string }[] {
  return apps.map(({ name, binary, args, autoStart, port }) => ({
    name,
    ...(WITHIN_SKYWIRE.has(binary)
      ? { binary: "skywire", args: ["app", binary, ...args] }
      : { binary, args: [...args] }),
    auto_start: autoStart,
    port,
  }));
}

/**
 * The fields that a deployment fills. What it does not have is left out: empty texts say the same. Errors:
 * `NoDiscoveryError`, for who names no dmsg discovery joins the embedded network.
 */
export function valuesOfDeployment(deployment: Deployment, mode: ServiceMode = "dual"): FieldValues {
  const urls: Record<string, unknown> = {};
  for (const [path, overDmsg, service] of SERVICE_FIELDS) {
    const [http, dmsg] = [deployment[service], deployment[`${service}Dmsg`]];
    if (http === undefined && dmsg === undefined) continue;
    urls[path] = mode === "dmsg" && dmsg !== undefined ? "" : http ?? "";
    urls[overDmsg] = mode === "http" && http !== undefined ? "" : dmsg ?? "";
  }
  if (!urls["dmsg.discovery"] && !urls["dmsg.discovery_dmsg"]) throw new NoDiscoveryError("the deployment");
  const { dmsgServers, transportSetup, routeSetupNodes, surveyWhitelist, stunServers } = deployment;
  return {
    ...urls,
    // Who asks the discovery over HTTP learns of them there.
    "dmsg.servers": mode === "http" && urls["dmsg.discovery"] !== ""
      ? []
      : dmsgServers.map(({ publicKey, address }) => ({ static: publicKey, server: { address } })),
    "transport.transport_setup": [...transportSetup],
    "routing.route_setup_nodes": [...routeSetupNodes],
    survey_whitelist: [...surveyWhitelist],
    stun_servers: [...stunServers],
    ...(deployment.allowLoopbackAddresses === true ? { "transport.allow_loopback_addresses": true } : {}),
  };
}

/**
 * The services that a visor's or a route setup node's configuration names itself: the inverse of
 * `valuesOfDeployment`. Undefined where it names neither a dmsg discovery nor a configuration service. Errors:
 * `ConfigError`.
 */
export function namedServices(
  raw: Readonly<Record<string, unknown>>,
  file: string,
): Deployment | undefined {
  const ofSetupNode = raw["transport_discovery"];
  const fields = new Fields(
    file,
    ofSetupNode === undefined ? raw : { ...raw, transport: { discovery: ofSetupNode } },
    "",
  );
  const urls: { [url in Service | `${Service}Dmsg`]?: string } = {};
  for (const [path, overDmsg, service] of SERVICE_FIELDS) {
    const plain = readField(fields, path);
    const isDmsg = plain?.startsWith("dmsg:") === true; // as files of 2024 have it
    const dmsg = readField(fields, overDmsg) ?? (isDmsg ? plain : undefined);
    if (plain !== undefined && !isDmsg) urls[service] = plain;
    if (dmsg !== undefined) urls[`${service}Dmsg`] = dmsg;
  }
  if (!namesDiscovery(urls) && urls.conf === undefined && urls.confDmsg === undefined) return undefined;
  return {
    ...urls,
    dmsgServers: readField(fields, "dmsg.servers").map((server) => ({
      publicKey: server.static,
      address: server["server.address"],
    })),
    transportSetup: readField(fields, "transport.transport_setup"),
    routeSetupNodes: readField(fields, "routing.route_setup_nodes"),
    surveyWhitelist: readField(fields, "survey_whitelist"),
    stunServers: fields.words("stun_servers"),
    ...(readField(fields, "transport.allow_loopback_addresses") ? { allowLoopbackAddresses: true } : {}),
  };
}

/** The text of a configuration. Holds the secret key: mode 0600. */
export function renderConfig(config: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(config, null, "\t") + "\n";
}

const SERVICE_FIELDS = [
  ["dmsg.discovery", "dmsg.discovery_dmsg", "dmsgDiscovery"],
  ["transport.discovery", "transport.discovery_dmsg", "transportDiscovery"],
  ["transport.address_resolver", "transport.address_resolver_dmsg", "addressResolver"],
  ["routing.route_finder", "routing.route_finder_dmsg", "routeFinder"],
  ["uptime_tracker.addr", "uptime_tracker.addr_dmsg", "uptimeTracker"],
  ["launcher.service_discovery", "launcher.service_discovery_dmsg", "serviceDiscovery"],
  ["conf_service", "conf_service_dmsg", "conf"],
  ["reward_system", "reward_system_dmsg", "rewardSystem"],
] as const satisfies readonly (readonly [VisorField, VisorField, string])[];

/** Fields that name services: of another deployment they would mislead. */
export const DEPLOYMENT_FIELDS: ReadonlySet<string> = new Set(
  SERVICE_FIELDS.flatMap(([http, overDmsg]) => [http, overDmsg]),
);

function put(into: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name = "", ...rest] = path;
  if (rest.length === 0) into[name] = value;
  else put((into[name] ??= {}) as Record<string, unknown>, rest, value);
}
