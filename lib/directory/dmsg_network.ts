/**
 * What a dmsg client needs of a deployment: servers to begin with, and where the dmsg discovery is.
 *
 * @module
 */
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
import { NoDiscoveryError } from "./errors.ts";

/** A dmsg server that is known before anything is looked up. */
export interface KnownServer {
  readonly publicKey: PublicKey;
  /** `host:port`. */
  readonly address: string;
}

/** What a dmsg client needs of a deployment. */
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
}

/** The network of a deployment file. Errors: those of its parser; `NoDiscoveryError`. */
export function networkOfFile(text: string, file: string): DmsgNetwork {
  const deployments = parseDeployments(text);
  const name = "prod" in deployments ? "prod" : Object.keys(deployments)[0];
  if (name === undefined) throw new NoDiscoveryError(file);
  const network = toNetwork(name, deployments[name]!, file);
  if (network.discoveryHttp === undefined && network.discoveryDmsg === undefined) {
    throw new NoDiscoveryError(file);
  }
  return network;
}

/** The embedded production deployment. */
export function embeddedNetwork(): DmsgNetwork {
  return toNetwork("prod", embeddedDeployment("prod"), undefined);
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
