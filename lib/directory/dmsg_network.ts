/**
 * What a client needs of a deployment: servers to begin with, and where its services are.
 *
 * @module
 */
import { CallerError, present } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { type Deployment, embeddedDeployment, parseDeployments } from "../deployment/mod.ts";
import {
  clientEntry,
  type DmsgAddress,
  type Entry,
  HTTP_PORT,
  parseDmsgUrl,
  serverEntry,
} from "../dmsg/mod.ts";
import type { Files } from "../runtime/mod.ts";
import { NoDiscoveryError } from "./errors.ts";

/** A dmsg server that is known before anything is looked up. */
export interface KnownServer {
  readonly publicKey: PublicKey;
  /** `host:port`. */
  readonly address: string;
}

/** Where a service of the deployment is; without either it is not offered. */
export interface ServiceAddress {
  /** `http://host[:port]` or `https://...`, no path. */
  readonly http?: string;
  readonly dmsg?: DmsgAddress;
}

/** What a client needs of a deployment. */
export interface DmsgNetwork {
  /** "production", "test", "local", or another name that its file gives it. */
  readonly name: string;
  /** The file, when it was one. */
  readonly file: string | undefined;
  readonly servers: readonly KnownServer[];
  /** `http://host:port` of the dmsg discovery. */
  readonly discoveryHttp: string | undefined;
  /** The dmsg discovery's own dmsg address. */
  readonly discoveryDmsg: DmsgAddress | undefined;
  /** Absent, as the next: the deployment has none, or its file says nothing of it. */
  readonly transportDiscovery?: ServiceAddress;
  readonly addressResolver?: ServiceAddress;
  readonly routeFinder?: ServiceAddress;
  readonly serviceDiscovery?: ServiceAddress;
  readonly uptimeTracker?: ServiceAddress;
  /** The config bootstrapper: tells new visors the rest of this. */
  readonly conf?: ServiceAddress;
  /** Keys of the setup nodes, which make routes. Absent: none. */
  readonly setupNodes?: readonly PublicKey[];
  /** Keys of the transport setup nodes, whose orders visors follow. Absent: none. */
  readonly transportSetup?: readonly PublicKey[];
  /** Who may read surveys, logs and profiles of the deployment's nodes. Absent: nobody. */
  readonly surveyWhitelist?: readonly PublicKey[];
  /** A network on loopback: addresses of this machine count as public. Absent: false. */
  readonly allowLoopbackAddresses?: boolean;
}

/** The network of a deployment file: the one of this name, else its first. Errors: of its parser; `NoDiscoveryError`. */
export function networkOfFile(text: string, file: string, wanted: "prod" | "test" = "prod"): DmsgNetwork {
  const deployments = parseDeployments(text, file);
  const name = wanted in deployments ? wanted : Object.keys(deployments)[0];
  if (name === undefined) throw new NoDiscoveryError(file);
  const network = networkOfDeployment(name, deployments[name]!, file);
  if (network.discoveryHttp === undefined && network.discoveryDmsg === undefined) {
    throw new NoDiscoveryError(file);
  }
  return network;
}

/** The network of the deployment file at this path, see {@link networkOfFile}. Errors: those, and of the files. */
export async function readNetworkFile(
  files: Pick<Files, "read">,
  path: string,
  wanted?: "prod" | "test",
): Promise<DmsgNetwork> {
  return networkOfFile(new TextDecoder().decode(await files.read(path)), path, wanted);
}

/** An embedded deployment. */
export function embeddedNetwork(name: "prod" | "test" = "prod"): DmsgNetwork {
  return networkOfDeployment(name, embeddedDeployment(name));
}

/**
 * Entries that need no look-up: each server, and each service key as a client of all of them, since a service
 * that is reached this way posts no entry of its own (dmsg.md 11).
 */
export function seededEntries(network: DmsgNetwork): Entry[] {
  const { servers, discoveryDmsg } = network;
  const entries: Entry[] = servers.map(({ publicKey, address }) =>
    serverEntry({ publicKey, server: { address, availableSessions: 0 }, timestamp: 0n })
  );
  const services = [discoveryDmsg, ...SERVICE_FIELDS.map(([, member]) => network[member]?.dmsg)];
  const keys = new Set(services.flatMap((address) => address === undefined ? [] : [address.publicKey]));
  const delegatedServers = servers.map(({ publicKey }) => publicKey);
  return [
    ...entries,
    ...[...keys].map((publicKey) => clientEntry({ publicKey, delegatedServers, timestamp: 0n })),
  ];
}

/** Fields of a deployment file, and the members here, by HTTP and over dmsg. */
const SERVICE_FIELDS = [
  ["transport_discovery", "transportDiscovery"],
  ["address_resolver", "addressResolver"],
  ["route_finder", "routeFinder"],
  ["service_discovery", "serviceDiscovery"],
  ["uptime_tracker", "uptimeTracker"],
  ["conf", "conf"],
] as const;

/** Services by their names in a network, with those that people know. */
export const SERVICE_NAMES = {
  dmsgDiscovery: "dmsg discovery",
  transportDiscovery: "transport discovery",
  addressResolver: "address resolver",
  routeFinder: "route finder",
  serviceDiscovery: "service discovery",
  uptimeTracker: "uptime tracker",
  conf: "config bootstrapper",
} as const;

/** A service by its name in a network. */
export type NetworkService = keyof typeof SERVICE_NAMES;

/** The network that is meant has no such service. */
export class NoServiceError extends CallerError {
  readonly code = "NO_SERVICE";
  constructor(
    service: NetworkService,
    network: DmsgNetwork,
    { hint = "name it with --addr, or another network with --deployment" }: { readonly hint?: string } = {},
  ) {
    super(`${network.file ?? `The ${network.name} deployment`} names no ${SERVICE_NAMES[service]}`, { hint });
  }
}

/** Where a service of the network is; undefined when it has none. */
export function serviceOfNetwork(network: DmsgNetwork, service: NetworkService): ServiceAddress | undefined {
  if (service !== "dmsgDiscovery") return network[service];
  const { discoveryHttp: http, discoveryDmsg: dmsg } = network;
  return http === undefined && dmsg === undefined ? undefined : present({ http, dmsg });
}

/** The network of a deployment of this name, which may be one of `file`. */
export function networkOfDeployment(name: string, deployment: Deployment, file?: string): DmsgNetwork {
  const {
    dmsgServers,
    dmsgDiscovery,
    dmsgDiscoveryDmsg,
    routeSetupNodes,
    transportSetup,
    surveyWhitelist,
    allowLoopbackAddresses,
  } = deployment;
  return {
    name: name === "prod" ? "production" : name,
    file,
    servers: dmsgServers,
    discoveryHttp: dmsgDiscovery,
    discoveryDmsg: dmsgAddressOf(dmsgDiscoveryDmsg),
    ...Object.fromEntries(SERVICE_FIELDS.flatMap(([, member]) => {
      const http = deployment[member];
      const dmsg = dmsgAddressOf(deployment[`${member}Dmsg`]);
      return http === undefined && dmsg === undefined ? [] : [[member, { http, dmsg }]];
    })),
    ...(routeSetupNodes.length === 0 ? {} : { setupNodes: routeSetupNodes }),
    ...(transportSetup.length === 0 ? {} : { transportSetup }),
    ...(surveyWhitelist.length === 0 ? {} : { surveyWhitelist }),
    ...(allowLoopbackAddresses === true ? { allowLoopbackAddresses } : {}),
  };
}

function dmsgAddressOf(url: string | undefined): DmsgAddress | undefined {
  return url === undefined ? undefined : parseDmsgUrl(url).address;
}

/** The text of a deployment file for this network: the 2026 one-file form. */
export function renderDeploymentFile(network: DmsgNetwork): string {
  const { name, servers, allowLoopbackAddresses } = network;
  const { dmsg_discovery, ...services } = servicesObject(network);
  const deployment = {
    dmsg_discovery,
    dmsg_servers: servers.map(({ publicKey, address }) => ({ static: publicKey, server: { address } })),
    ...services,
    ...(allowLoopbackAddresses === true ? { allow_loopback_addresses: true } : {}),
  };
  return JSON.stringify({ [name]: deployment }, null, 2) + "\n";
}

/** The services of a network as its deployment file has them. */
export function servicesObject(network: DmsgNetwork) {
  const { discoveryHttp, discoveryDmsg, setupNodes = [], transportSetup = [], surveyWhitelist = [] } =
    network;
  return {
    dmsg_discovery: discoveryHttp ?? "",
    dmsg_discovery_dmsg: dmsgUrlOf(discoveryDmsg),
    ...Object.fromEntries(SERVICE_FIELDS.flatMap(([field, member]) => {
      const address = network[member];
      if (address === undefined) return [];
      return [[field, address.http ?? ""], [`${field}_dmsg`, dmsgUrlOf(address.dmsg)]];
    })),
    ...(setupNodes.length === 0 ? {} : { route_setup_nodes: setupNodes }),
    ...(transportSetup.length === 0 ? {} : { transport_setup: transportSetup }),
    ...(surveyWhitelist.length === 0 ? {} : { survey_whitelist: surveyWhitelist }),
  };
}

/** Empty, as deployment files have it, for what is not there. */
function dmsgUrlOf(address: DmsgAddress | undefined): string {
  return address === undefined ? "" : `dmsg://${address.publicKey}:${address.port || HTTP_PORT}`;
}
