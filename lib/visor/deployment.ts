/**
 * Which network a visor joins: a deployment file, its configuration, or the embedded production deployment.
 *
 * @module
 */
import {
  clientEntry,
  type DmsgAddress,
  type Entry,
  HTTP_PORT,
  parseDmsgUrl,
  serverEntry,
} from "../dmsg/mod.ts";
import { type Deployment, embeddedDeployment, parseDeployments } from "../deployment/mod.ts";
import { ConfigError, type ConfiguredServer, type VisorConfig } from "./config.ts";

/** What a dmsg client needs of a deployment. */
export interface DmsgNetwork {
  /** "production", "test", "local", or the file's own name. */
  readonly name: string;
  /** The file, when it was one. */
  readonly file: string | undefined;
  readonly servers: readonly ConfiguredServer[];
  /** `http://host:port` of the dmsg discovery. */
  readonly discoveryHttp: string | undefined;
  /** The dmsg discovery's own dmsg address. */
  readonly discoveryDmsg: DmsgAddress | undefined;
}

/** The network of a deployment file. Errors: those of its parser, `ConfigError` when it has no dmsg part. */
export function networkOfFile(text: string, file: string): DmsgNetwork {
  const deployments = parseDeployments(text);
  const name = "prod" in deployments ? "prod" : Object.keys(deployments)[0];
  if (name === undefined) throw new ConfigError(file, "", "it holds no deployment");
  const network = toNetwork(name, deployments[name]!, file);
  if (network.discoveryHttp === undefined && network.discoveryDmsg === undefined) {
    throw new ConfigError(file, "dmsg_discovery", "it is missing, and so is dmsg_discovery_dmsg");
  }
  return network;
}

/** The embedded production deployment. */
export function embeddedNetwork(): DmsgNetwork {
  return toNetwork("prod", embeddedDeployment("prod"), undefined);
}

/**
 * The network of a configuration: what it says itself, the rest from the embedded deployment (DC-12). A
 * configuration that names another discovery brings its own servers, or none: deployments are never mixed.
 */
export function networkOfConfig(config: VisorConfig): DmsgNetwork {
  const embedded = embeddedNetwork();
  const { discovery, discoveryDmsg, servers } = config.dmsg;
  if (discovery === undefined && discoveryDmsg === undefined) {
    return servers.length === 0 ? embedded : { ...embedded, servers };
  }
  // A 2024 configuration made with -d has the dmsg address in `discovery`.
  const dmsgUrl = discoveryDmsg ?? (discovery?.startsWith("dmsg:") ? discovery : undefined);
  const discoveryHttp = discovery?.startsWith("dmsg:") ? undefined : discovery;
  const address = dmsgUrl === undefined ? undefined : parseDmsgUrl(dmsgUrl).address;
  const isEmbedded = address?.publicKey === embedded.discoveryDmsg?.publicKey ||
    (address === undefined && discoveryHttp === embedded.discoveryHttp);
  return {
    name: isEmbedded ? embedded.name : "configured",
    file: undefined,
    servers: servers.length > 0 ? servers : isEmbedded ? embedded.servers : [],
    discoveryHttp,
    discoveryDmsg: address ?? (isEmbedded ? embedded.discoveryDmsg : undefined),
  };
}

/**
 * Entries that need no look-up: each server, and each service key as a client of all of them, since a service
 * that is reached this way posts no entry of its own (dmsg.md 11).
 */
export function seededEntries({ servers, discoveryDmsg }: DmsgNetwork): Entry[] {
  const entries: Entry[] = servers.map(({ publicKey, address }) =>
    serverEntry({ publicKey, server: { address, availableSessions: 0 }, timestamp: 0n })
  );
  if (discoveryDmsg === undefined) return entries;
  const delegatedServers = servers.map(({ publicKey }) => publicKey);
  return [...entries, clientEntry({ publicKey: discoveryDmsg.publicKey, delegatedServers, timestamp: 0n })];
}

function toNetwork(name: string, deployment: Deployment, file: string | undefined): DmsgNetwork {
  const { dmsgServers, dmsgDiscovery, dmsgDiscoveryDmsg } = deployment;
  return {
    name: name === "prod" ? "production" : name,
    file,
    servers: dmsgServers,
    discoveryHttp: dmsgDiscovery,
    discoveryDmsg: dmsgDiscoveryDmsg === undefined ? undefined : parseDmsgUrl(dmsgDiscoveryDmsg).address,
  };
}

/** The text of a deployment file for this network: the 2026 one-file form. */
export function renderDeploymentFile(network: DmsgNetwork): string {
  const { name, servers, discoveryHttp, discoveryDmsg } = network;
  const deployment = {
    dmsg_discovery: discoveryHttp ?? "",
    dmsg_servers: servers.map(({ publicKey, address }) => ({ static: publicKey, server: { address } })),
    dmsg_discovery_dmsg: discoveryDmsg === undefined
      ? ""
      : `dmsg://${discoveryDmsg.publicKey}:${discoveryDmsg.port || HTTP_PORT}`,
  };
  return JSON.stringify({ [name]: deployment }, null, 2) + "\n";
}
