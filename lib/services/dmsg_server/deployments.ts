/**
 * The deployments that a dmsg server is part of: from its configuration, else the embedded one (DS-4).
 *
 *   dmsg: { ... } or [{ ... }, ...]                what it says, and nothing else
 *   discovery, discovery_dmsg, servers             the same for one deployment, older
 *   none of them                                   embedded production
 *
 * Without servers of its own a deployment borrows those of the embedded one with the same discovery key. Servers
 * of different deployments never mix. Source: peer-announce.md 7; config.md 4.
 *
 * @module
 */
import { CallerError } from "../../base/mod.ts";
import {
  deploymentByDiscoveryKey,
  type Deployments,
  embeddedDeployments,
  type Fields,
  keyOfDmsgUrl,
} from "../../deployment/mod.ts";
import type { KnownServer } from "../../directory/mod.ts";
import { type DmsgAddress, parseDmsgUrl } from "../../dmsg/mod.ts";

/** One deployment as a server sees it. */
export interface ServerDeployment {
  /** Where it stands in the configuration, or `prod`. */
  readonly name: string;
  /** `http://host:port` of its dmsg discovery. */
  readonly discovery: string | undefined;
  /** Its dmsg discovery's own dmsg address. */
  readonly discoveryDmsg: DmsgAddress | undefined;
  /** Its other servers. */
  readonly servers: readonly KnownServer[];
  /** `host:port` that its clients dial; undefined: the server's `public_address`. */
  readonly advertisedAddress: string | undefined;
}

/** How a server says to the discoveries that it is there. */
export type RegistrationWay = "dmsg" | "http";

/** The configuration names no discovery that the server could register at. */
export class NoServerDiscoveryError extends CallerError {
  readonly code = "NO_SERVER_DISCOVERY";
}

/** Reads what the configuration says. Errors: `ConfigError`. */
export function readServerDeployments(
  fields: Fields,
  content: Readonly<Record<string, unknown>>,
  embedded: Deployments = embeddedDeployments(),
): ServerDeployment[] {
  const block = content.dmsg ?? undefined;
  if (Array.isArray(block)) {
    return fields.list("dmsg").map((item, index) => readDeployment(item, `dmsg[${index}]`, embedded));
  }
  if (block !== undefined) return [readDeployment(fields.object("dmsg"), "dmsg", embedded)];
  const older = readDeployment(fields, "discovery", embedded);
  const isOmitted = older.discovery === undefined && !fields.text("discovery_dmsg") &&
    fields.list("servers").length === 0;
  if (!isOmitted) return [{ ...older, advertisedAddress: undefined }];
  const { prod } = embedded;
  if (prod === undefined) return [];
  return [{
    name: "prod",
    discovery: prod.dmsgDiscovery,
    discoveryDmsg: dmsgAddress(prod.dmsgDiscoveryDmsg),
    servers: prod.dmsgServers,
    advertisedAddress: undefined,
  }];
}

/** Holds the deployments against the way of registering. Errors: `NoServerDiscoveryError`. */
export function checkServerDeployments(
  deployments: readonly ServerDeployment[],
  registration: RegistrationWay,
): void {
  if (deployments.length === 0) {
    throw new NoServerDiscoveryError(
      "dmsg-server: no dmsg-discoveries configured; set 'discovery' or 'dmsg' in config",
    );
  }
  for (const { name, discovery, discoveryDmsg } of deployments) {
    if (registration === "dmsg" && discoveryDmsg === undefined) {
      throw new NoServerDiscoveryError(
        `dmsg-server: deployment "${name}" has no discovery_dmsg; strict dmsg-only registration requires it`,
        {
          hint: 'add "discovery_dmsg": "dmsg://KEY:80", or for a discovery without dmsg --http-registration',
        },
      );
    }
    if (registration === "http" && discovery === undefined) {
      throw new NoServerDiscoveryError(
        `dmsg-server: deployment "${name}" has no discovery; registration over HTTP requires it`,
        { hint: 'add "discovery": "http://HOST:PORT", or register over dmsg' },
      );
    }
  }
}

/**
 * The servers of the embedded deployment whose discovery has the key in this URL. Empty for an unknown key, the
 * null key, and what is no dmsg URL.
 */
export function borrowedServers(
  discoveryDmsg: string | undefined,
  embedded: Deployments = embeddedDeployments(),
): readonly KnownServer[] {
  const key = dmsgAddress(discoveryDmsg)?.publicKey;
  return key === undefined ? [] : deploymentByDiscoveryKey(embedded, key)?.deployment.dmsgServers ?? [];
}

function readDeployment(fields: Fields, name: string, embedded: Deployments): ServerDeployment {
  const discoveryDmsg = fields.text("discovery_dmsg");
  const servers = fields.list("servers").map((item) => {
    const server = item.object("server");
    const address = server.text("address") ?? server.refuse("address", "it must be host:port");
    server.address("address", address);
    return { publicKey: item.key("static"), address };
  });
  return {
    name,
    discovery: fields.url("discovery", ["http:", "https:"]),
    discoveryDmsg: dmsgAddress(discoveryDmsg),
    servers: servers.length > 0 ? servers : borrowedServers(discoveryDmsg, embedded),
    advertisedAddress: fields.text("advertised_address") || undefined,
  };
}

/** The address in a dmsg URL; undefined for none, and for what is none. */
function dmsgAddress(url: string | undefined): DmsgAddress | undefined {
  try {
    return keyOfDmsgUrl(url) === undefined ? undefined : parseDmsgUrl(url!).address;
  } catch {
    return undefined; // no key of the curve: as good as no address, which is told where one is needed
  }
}
