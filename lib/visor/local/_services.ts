/**
 * What makes routes in a local network: transport discovery, address resolver, route finder and setup node, in
 * this process and on loopback, each over HTTP and dmsg (the setup node over dmsg alone).
 *
 * @module
 */
import { describeError, type Log } from "../../base/mod.ts";
import type { HostedService } from "../../control/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import type { DmsgNetwork, ServiceAddress } from "../../directory/mod.ts";
import { HTTP_PORT } from "../../dmsg/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import { renderSocketAddress, type World } from "../../runtime/mod.ts";
import { runAddressResolver, type RunningAddressResolver } from "../../services/address_resolver/mod.ts";
import { type AttachService, attachService, type RunningService } from "../../services/hosting/mod.ts";
import { runRouteFinder, toldTransports } from "../../services/route_finder/mod.ts";
import { type RunningSetupNode, runSetupNode } from "../../services/setup_node/mod.ts";
import { runTransportDiscovery } from "../../services/transport_discovery/mod.ts";
import { isLoopbackAddress } from "../../transport/mod.ts";
import { keptKeyPair, type KeyPair, readKeyPair } from "../kept_keys.ts";

export interface LocalServicesOptions {
  readonly world: World;
  readonly log: Log;
  /** For their keys. */
  readonly folder: string;
  /** Where they listen. */
  readonly hostname: string;
  readonly version: string;
  /** The dmsg network that they are clients of. */
  readonly network: DmsgNetwork;
  readonly postQuantum?: PostQuantumSettings;
}

const NAMES = ["transport-discovery", "address-resolver", "route-finder", "setup-node"] as const;
type Name = typeof NAMES[number];

export interface LocalServices {
  /** What the network gains by them. */
  readonly network: Pick<
    DmsgNetwork,
    "transportDiscovery" | "addressResolver" | "routeFinder" | "setupNodes" | "allowLoopbackAddresses"
  >;
  services(): HostedService[];
  /** Settles with the name of the first that ends by itself. */
  readonly ended: Promise<string>;
  /** Never rejects. */
  close(): Promise<void>;
}

/** Reads every key file that is there: a broken one is told before anything is made. */
export async function readLocalServiceKeys(world: World, folder: string): Promise<void> {
  for (const name of NAMES) await readKeyPair(world, keyFile(folder, name));
}

/** Starts them; they answer over HTTP when this resolves. Nothing is left of a start that failed. */
export async function startLocalServices(options: LocalServicesOptions): Promise<LocalServices> {
  const { world, log, folder, hostname, version, network, postQuantum } = options;
  const keys = new Map<Name, KeyPair>();
  for (const name of NAMES) keys.set(name, await keptKeyPair(world, keyFile(folder, name)));
  const build = { version, commit: "unknown", date: "unknown" };
  const running = new Map<Name, RunningService | RunningAddressResolver | RunningSetupNode>();
  const closeAll = async () => {
    for (const [name, service] of [...running].reverse()) {
      await service.close().catch((error) =>
        log.warn("Closing failed", { what: name, cause: describeError(error) })
      );
    }
  };
  const attach = (name: Name): AttachService =>
    attachService({
      world,
      local: keys.get(name)!,
      network,
      log: log.child(name),
      userAgent: `skyctl/${version}`,
      postQuantum,
    });
  const common = (name: Name) => ({ world, log: log.child(name), dmsg: attach(name) });
  const settings = {
    address: { hostname, port: 0 },
    mode: "dual",
    store: "memory",
    build,
  } as const;
  try {
    const discovery = await runTransportDiscovery({
      ...common("transport-discovery"),
      settings: { ...settings, requestsPerMinute: 0 }, // whoever tries things out asks often
    });
    running.set("transport-discovery", discovery);
    running.set(
      "address-resolver",
      await runAddressResolver({
        ...common("address-resolver"),
        settings: {
          ...settings,
          allowLoopbackAddresses: true, // a network on loopback cannot be without it
          udpAddress: settings.address,
        },
      }),
    );
    running.set(
      "route-finder",
      await runRouteFinder({
        ...common("route-finder"),
        settings,
        transports: toldTransports(discovery.transports),
      }),
    );
    running.set(
      "setup-node",
      await runSetupNode({
        world,
        keys: keys.get("setup-node")!,
        network,
        log: log.child("setup-node"),
        userAgent: `skyctl/${version}`,
        settings: { build },
        postQuantum,
      }),
    );
  } catch (error) {
    await closeAll();
    throw error;
  }
  const publicKey = (name: Name): PublicKey => keys.get(name)!.publicKey;
  const http = (name: Name) => `http://${hostname}:${running.get(name)!.address!.port}`;
  const address = (name: Name): ServiceAddress => ({
    http: http(name),
    dmsg: { publicKey: publicKey(name), port: HTTP_PORT },
  });
  let isClosing = false;
  return {
    network: {
      transportDiscovery: address("transport-discovery"),
      addressResolver: address("address-resolver"),
      routeFinder: address("route-finder"),
      setupNodes: [publicKey("setup-node")],
      allowLoopbackAddresses: isLoopbackAddress(hostname),
    },
    services: () =>
      NAMES.map((name) => {
        const service = running.get(name)!;
        const servers = "dmsgStatus" in service
          ? service.dmsgStatus()?.servers.length ?? 0
          : service.dmsg.sessions().length;
        return {
          name,
          publicKey: publicKey(name),
          address: service.address === undefined ? `dmsg://${publicKey(name)}:36` : http(name),
          udpAddress: "udpAddress" in service && service.udpAddress !== undefined
            ? renderSocketAddress(service.udpAddress)
            : undefined,
          ready: servers > 0,
        };
      }),
    ended: Promise.race(
      [...running].map(([name, { closed }]) =>
        closed.then(() => isClosing ? new Promise<never>(() => {}) : name)
      ),
    ),
    close: () => {
      isClosing = true;
      return closeAll();
    },
  };
}

function keyFile(folder: string, name: Name): string {
  return `${folder}/${name}.key`;
}
