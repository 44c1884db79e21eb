/**
 * A deployment: the servers, services and keys that a node of one Skywire network starts from (config.md 3).
 *
 * @module
 */
import { parsePublicKey, type PublicKey } from "../crypto/mod.ts";

/** A dmsg server as a deployment lists it. */
export interface DeploymentServer {
  /** The server's static key. */
  readonly publicKey: PublicKey;
  /** `host:port` of TCP. */
  readonly address: string;
  /** `ws://` or `wss://` URL. */
  readonly addressWs?: string;
  /** `host:port` of QUIC. */
  readonly addressUdp?: string;
  /** `https://` URL of WebTransport. */
  readonly addressWt?: string;
}

/** The services that a deployment may name, each by plain HTTP and over dmsg. */
export const SERVICES = [
  ["conf", "conf"],
  ["dmsg_discovery", "dmsgDiscovery"],
  ["transport_discovery", "transportDiscovery"],
  ["address_resolver", "addressResolver"],
  ["route_finder", "routeFinder"],
  ["service_discovery", "serviceDiscovery"],
  ["uptime_tracker", "uptimeTracker"],
  ["reward_system", "rewardSystem"],
  ["skycoin_node", "skycoinNode"],
] as const;

/** A service by the name of its member here. */
export type Service = typeof SERVICES[number][1];
/**
 * `dmsgDiscovery` is the URL by plain HTTP, `dmsgDiscoveryDmsg` the one over dmsg (`dmsg://<key>:<port>`); so for
 * every service. Absent: the deployment does not offer it that way.
 */
export type ServiceUrls = { readonly [url in Service | `${Service}Dmsg`]?: string };

/** What is known of a deployment. Lists are empty, texts absent, where the file says nothing. */
export interface Deployment extends ServiceUrls {
  /** Servers to start from, before the discovery is asked. */
  readonly dmsgServers: readonly DeploymentServer[];
  /** Keys of setup nodes, which make routes. */
  readonly routeSetupNodes: readonly PublicKey[];
  /** Keys that may make a visor add transports. */
  readonly transportSetup: readonly PublicKey[];
  /** Keys that may read a visor's survey. */
  readonly surveyWhitelist: readonly PublicKey[];
  /** `host:port` each. */
  readonly stunServers: readonly string[];
  /** IP address of a name server. */
  readonly dnsServer?: string;
  /** URL that tells where an IP address is. */
  readonly geoip?: string;
  /** `wss://<label of the key>.<suffix>/dmsg` reaches a server from a browser. */
  readonly wssDomainSuffix?: string;
  /** A network on loopback: addresses of this machine count as public. Absent: false. */
  readonly allowLoopbackAddresses?: boolean;
  /** `<label of the key>.<suffix>` is the web origin of a key in a browser. */
  readonly browseOriginSuffix?: string;
}

/** Deployments by name: `prod`, `test`, `local`. */
export type Deployments = { readonly [name: string]: Deployment };

/** The name of a deployment that stands alone in its file. */
export const SOLE_NAME = "local";

/** The key in a `dmsg://<key>[:<port>]…` URL, undefined when it is none. Errors: `InvalidKeyError`. */
export function keyOfDmsgUrl(url: string | undefined): PublicKey | undefined {
  const key = /^dmsg:\/\/([0-9a-f]{66})(?![0-9a-f])/i.exec(url ?? "")?.[1];
  return key === undefined ? undefined : parsePublicKey(key);
}

/** What tells networks apart. */
export type Discovery = Pick<Deployment, "dmsgDiscovery" | "dmsgDiscoveryDmsg">;

/** Whether both name one dmsg discovery: by its key where both have it, else by its URL. */
export function isSameNetwork(one: Discovery, other: Discovery): boolean {
  const [key, otherKey] = [keyOfDmsgUrl(one.dmsgDiscoveryDmsg), keyOfDmsgUrl(other.dmsgDiscoveryDmsg)];
  if (key !== undefined && otherKey !== undefined) return key === otherKey;
  const [url, otherUrl] = [one.dmsgDiscovery, other.dmsgDiscovery];
  return url !== undefined && otherUrl !== undefined && URL.parse(url)?.href === URL.parse(otherUrl)?.href;
}

/** Whether it names a dmsg discovery: without one there is no network to join. */
export function namesDiscovery({ dmsgDiscovery, dmsgDiscoveryDmsg }: Discovery): boolean {
  return dmsgDiscovery !== undefined || dmsgDiscoveryDmsg !== undefined;
}

/**
 * The deployment whose discovery has `key`; of several with the same discovery `prod`, else the first.
 * Production and test of 2026 share their services.
 */
export function deploymentByDiscoveryKey(
  deployments: Deployments,
  key: PublicKey,
): { readonly name: string; readonly deployment: Deployment } | undefined {
  const matches = Object.entries(deployments)
    .filter(([, deployment]) => keyOfDmsgUrl(deployment.dmsgDiscoveryDmsg) === key)
    .map(([name, deployment]) => ({ name, deployment }));
  return matches.find(({ name }) => name === "prod") ?? matches[0];
}

/**
 * `first` completed from `second`, per deployment: what `first` leaves open is taken over, lists included. Joins the
 * two files of 2024, and a fetched answer that lacks its dmsg URLs with the embedded data.
 */
export function mergeDeployments(first: Deployments, second: Deployments): Deployments {
  const merged = new Map(Object.entries(second));
  for (const [name, deployment] of Object.entries(first)) {
    const other = merged.get(name);
    merged.set(name, other === undefined ? deployment : complete(deployment, other));
  }
  return Object.fromEntries(merged);
}

function complete(first: Deployment, second: Deployment): Deployment {
  const filled: Record<string, unknown> = { ...second };
  for (const [field, value] of Object.entries(first)) {
    if (Array.isArray(value) && value.length === 0) continue;
    filled[field] = value;
  }
  return filled as unknown as Deployment;
}
