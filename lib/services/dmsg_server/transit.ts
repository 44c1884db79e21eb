/**
 * The server's own way to the discoveries: a dmsg client with the server's key, which exists before the server
 * does (DS-2; peer-announce.md 7).
 *
 *   registration -> HTTP over dmsg -> a session with another server of the deployment -> the discovery
 *                                  -> a session with ourselves, where the discovery is a client -> the discovery
 *
 * It publishes nothing: the key's only entry is the server's. It keeps away from the server's peers, since both
 * would hold a session there with the same key, and each end the other's; through ourselves it reaches what they
 * reach. Nobody waits for it: its first tries fail while the network starts, and are repeated.
 *
 * @module
 */
import type { Log } from "../../base/mod.ts";
import type { KeyPair, PublicKey } from "../../crypto/mod.ts";
import { askOver, type KnownServer } from "../../directory/mod.ts";
import {
  clientEntry,
  type Discovery,
  DmsgClient,
  type Entry,
  HTTP_PORT,
  HttpDiscovery,
  parseDmsgAddress,
  type Registration,
  renderDmsgAddress,
  serverEntry,
} from "../../dmsg/mod.ts";
import { HttpClient } from "../../http/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import { renderSocketAddress, type SocketAddress, type World } from "../../runtime/mod.ts";
import type { ServerDeployment } from "./deployments.ts";

export interface TransitOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network">;
  readonly log: Log;
  /** The server's. */
  readonly keys: KeyPair;
  readonly deployments: readonly ServerDeployment[];
  /** Where the server will accept sessions. */
  readonly listen: SocketAddress;
  /** Servers that are left alone. */
  readonly peers: readonly PublicKey[];
  readonly userAgent: string;
  readonly postQuantum?: PostQuantumSettings | undefined;
}

export interface Transit extends AsyncDisposable {
  readonly client: DmsgClient;
  /** One per deployment: its discovery, over dmsg and nothing else. */
  readonly registrations: readonly Registration[];
}

/** Starts the client. It connects in the background. Every deployment must have `discoveryDmsg`. */
export function startTransit(options: TransitOptions): Transit {
  const { world, log, keys, deployments, userAgent, postQuantum } = options;
  const discoveries: HttpDiscovery[] = [];
  const client = new DmsgClient({
    world,
    local: keys,
    log: log.child("transit"),
    discovery: joined(discoveries, new Set([keys.publicKey, ...options.peers])),
    seeded: transitSeeds(options),
    sessionsMin: 0,
    publish: false,
    postQuantum,
  });
  const http = new HttpClient({
    clock: world.clock,
    ledger: world.ledger,
    userAgent,
    // Whoever registers repeats on purpose: what failed a moment ago is tried again.
    dial: (authority, signal) => client.dial(parseDmsgAddress(authority), { signal, bypassCaches: true }),
  });
  const registrations = deployments.map(({ discoveryDmsg, advertisedAddress }) => {
    const { publicKey, port } = discoveryDmsg!;
    const origin = `http://${renderDmsgAddress({ publicKey, port: port || HTTP_PORT })}`;
    const ways = [{ name: "dmsg", origin, client: http, isReady: () => true }];
    const discovery = new HttpDiscovery(askOver("dmsg discovery", ways, world.clock, log));
    discoveries.push(discovery);
    return { discovery, publicAddress: advertisedAddress };
  });
  return {
    client,
    registrations,
    async [Symbol.asyncDispose]() {
      await client.close();
      await http.close();
    },
  };
}

/**
 * What the client knows from the start: this server on loopback, the servers of each deployment, and each
 * discovery as a client of them, since it posts no entry of its own.
 */
export function transitSeeds(
  { keys, deployments, listen, peers }: Pick<TransitOptions, "keys" | "deployments" | "listen" | "peers">,
): Entry[] {
  const self = ownServer(keys.publicKey, listen);
  const leftOut = new Set([keys.publicKey, ...peers]);
  const servers = new Map<PublicKey, KnownServer>(self.map((server) => [server.publicKey, server]));
  const delegated = new Map<PublicKey, Set<PublicKey>>();
  for (const { discoveryDmsg, servers: known } of deployments) {
    const others = known.filter(({ publicKey }) => !leftOut.has(publicKey));
    for (const server of others) servers.set(server.publicKey, server);
    if (discoveryDmsg === undefined) continue;
    const of = delegated.get(discoveryDmsg.publicKey) ?? new Set();
    for (const { publicKey } of [...self, ...others]) of.add(publicKey);
    delegated.set(discoveryDmsg.publicKey, of);
  }
  return [
    ...[...servers.values()].map(({ publicKey, address }) =>
      serverEntry({ publicKey, server: { address, availableSessions: 0 }, timestamp: 0n })
    ),
    ...[...delegated].map(([publicKey, of]) =>
      clientEntry({ publicKey, delegatedServers: [...of], timestamp: 0n })
    ),
  ];
}

/** This server as its own process reaches it; unknown while the system chooses the port. */
function ownServer(publicKey: PublicKey, { hostname, port }: SocketAddress): KnownServer[] {
  if (port === 0) return [];
  const isEverywhere = hostname === "0.0.0.0" || hostname === "::";
  return [{
    publicKey,
    address: renderSocketAddress({ hostname: isEverywhere ? "127.0.0.1" : hostname, port }),
  }];
}

/** Several discoveries as one to look servers up in, some of them left out. Publishes nothing. */
function joined(discoveries: readonly Discovery[], leftOut: ReadonlySet<PublicKey>): Discovery {
  const servers = async (list: (discovery: Discovery) => Promise<Entry[]>): Promise<Entry[]> => {
    const answers = await Promise.allSettled(discoveries.map(list));
    const lists = answers.filter((answer) => answer.status === "fulfilled").map(({ value }) => value);
    if (lists.length === 0 && answers[0]?.status === "rejected") throw answers[0].reason;
    const found = new Map(lists.flat().map((entry) => [entry.static, entry]));
    return [...found.values()].filter((entry) => !leftOut.has(entry.static));
  };
  const refused = () => Promise.reject(new TypeError("The transit client publishes nothing"));
  return {
    // All that it dials is seeded, and a look-up would have to dial the discovery in order to dial the discovery.
    entry: () => Promise.resolve(undefined),
    availableServers: (signal) => servers((discovery) => discovery.availableServers(signal)),
    allServers: (signal) => servers((discovery) => discovery.allServers(signal)),
    post: refused,
    remove: refused,
  };
}
