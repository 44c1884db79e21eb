/** The services that make routes, each on a machine of its own: what `skyctl svc run` starts. @module */
import { silentLog } from "../../base/mod.ts";
import {
  askOver,
  type DmsgNetwork,
  TransportDiscoveryClient,
  type TransportRecord,
} from "../../directory/mod.ts";
import {
  type PooledConnection,
  SETUP_CONNECTION,
  SETUP_LEASE,
  type SetupStatsReport,
} from "../../routing/setup/mod.ts";
import { tcpHttpClient } from "../../directory/mod.ts";
import type { DatagramSocket, SocketAddress, World } from "../../runtime/mod.ts";
import {
  runAddressResolver,
  type RunningAddressResolver,
  type UdpCounters,
} from "../../services/address_resolver/mod.ts";
import { attachService } from "../../services/hosting/mod.ts";
import { polledTransports, runRouteFinder } from "../../services/route_finder/mod.ts";
import { type RunningSetupNode, runSetupNode } from "../../services/setup_node/mod.ts";
import {
  type RunningTransportDiscovery,
  runTransportDiscovery,
} from "../../services/transport_discovery/mod.ts";
import { FleetNode, type FleetNodeOptions } from "../_fleet_node.ts";
import { SIM_VERSION } from "../_places.ts";

/** Where each service listens, on the machine that has its name. */
export const SERVICE_PORTS = {
  "transport-discovery": 9_091,
  "route-finder": 9_092,
  "address-resolver": 9_093,
} as const;

/** How long an entry of the transport discovery and of the address resolver lives: their default. */
export const SERVICE_ENTRY_MS = 5 * 60_000;

const USER_AGENT = `skyctl/${SIM_VERSION}`;

export interface ServiceNodeOptions extends FleetNodeOptions {
  /** The dmsg network that it is a client of. */
  readonly network: DmsgNetwork;
}

/** A service that is closed by one call. Its store is in memory: after each start it is empty. */
abstract class ServiceNode<Running extends { close(): Promise<void> }> extends FleetNode {
  protected readonly network: DmsgNetwork;
  #running: Running | undefined;

  constructor({ network, ...options }: ServiceNodeOptions) {
    super(options);
    this.network = network;
  }

  /** Undefined when it does not run. */
  protected get running(): Running | undefined {
    return this.isUp ? this.#running : undefined;
  }

  protected abstract run(world: World): Promise<Running>;

  protected override async boot(world: World): Promise<void> {
    this.#running = undefined;
    this.#running = await this.run(world);
  }

  protected override async shutdown(): Promise<void> {
    await this.#running!.close();
  }

  /** What all services over HTTP and dmsg are told. */
  protected hosted(world: World, port: number) {
    const dmsg = attachService({
      world,
      local: this.keys,
      network: this.network,
      log: this.log,
      userAgent: USER_AGENT,
    });
    const address = { hostname: "0.0.0.0", port };
    return { world, log: this.log, dmsg, settings: { address, mode: "dual", store: "memory" } as const };
  }
}

export class TransportDiscoveryNode extends ServiceNode<RunningTransportDiscovery> {
  /** What is registered now; nothing when it does not run. */
  transports(): readonly TransportRecord[] {
    return this.running?.transports.entries() ?? [];
  }

  protected override run(world: World): Promise<RunningTransportDiscovery> {
    const { settings, ...hosted } = this.hosted(world, SERVICE_PORTS["transport-discovery"]);
    return runTransportDiscovery({ ...hosted, settings: { ...settings, requestsPerMinute: 0 } });
  }
}

export class ResolverNode extends ServiceNode<RunningAddressResolver> {
  #isFailing = false;

  /** Of its UDP side; undefined when that does not run. */
  udpCounters(): UdpCounters | undefined {
    return this.running?.udpCounters();
  }

  /** The next datagram that its UDP side would receive is an error. */
  failReceiving(): void {
    this.#isFailing = true;
  }

  protected override run(world: World): Promise<RunningAddressResolver> {
    this.#isFailing = false;
    const { settings, ...hosted } = this.hosted(world, SERVICE_PORTS["address-resolver"]);
    const bind = world.network.datagrams.bind(world.network);
    Object.assign(world.network, {
      datagrams: async (at: SocketAddress) => this.#faulty(await bind(at)),
    });
    // Machines behind a NAT box have private addresses, and so may all others have here.
    return runAddressResolver({
      ...hosted,
      settings: { ...settings, udpAddress: settings.address, allowLoopbackAddresses: true },
    });
  }

  #faulty(socket: DatagramSocket): DatagramSocket {
    const receive = socket.receive.bind(socket);
    return Object.assign(socket, {
      receive: async () => {
        const datagram = await receive();
        if (!this.#isFailing) return datagram;
        this.#isFailing = false;
        this.timeline.add(this.name, "cannot receive a datagram");
        throw new TypeError("the simulation fails one receive");
      },
    });
  }
}

/** Reads the transport discovery's list again and again, and goes on with the last one for a while when it cannot. */
export class RouteFinderNode extends ServiceNode<{ close(): Promise<void> }> {
  protected override async run(world: World): Promise<{ close(): Promise<void> }> {
    const client = tcpHttpClient(world, USER_AGENT);
    const origin = `http://transport-discovery:${SERVICE_PORTS["transport-discovery"]}`;
    const ways = [{ name: "http", origin, client, isReady: () => true }];
    const discovery = new TransportDiscoveryClient(
      askOver("transport discovery", ways, world.clock, silentLog),
    );
    const { settings: { address, mode }, ...hosted } = this.hosted(world, SERVICE_PORTS["route-finder"]);
    const transports = polledTransports({
      list: (signal) => discovery.all(signal),
      clock: world.clock,
      log: this.log,
    });
    const running = await runRouteFinder({ ...hosted, settings: { address, mode }, transports });
    return {
      async close() {
        await running.close();
        await client.close();
      },
    };
  }
}

export class SetupNodeNode extends ServiceNode<RunningSetupNode> {
  /** Undefined when it does not run. */
  stats(): SetupStatsReport | undefined {
    return this.running?.stats();
  }

  /** Its kept connections. */
  pooled(): readonly PooledConnection[] {
    return this.running?.pooled() ?? [];
  }

  /** How many connections to visors it keeps, has in the hands of requests, and has open in all. */
  connections(): { readonly kept: number; readonly leased: number; readonly open: number } {
    const { ledger } = this.world;
    const [leased, open] = this.isUp ? [ledger.count(SETUP_LEASE), ledger.count(SETUP_CONNECTION)] : [0, 0];
    return { kept: this.pooled().length, leased, open };
  }

  /** Undefined when it does not run. */
  get dmsg(): RunningSetupNode["dmsg"] | undefined {
    return this.running?.dmsg;
  }

  /** Servers that it has a session with. */
  get sessions(): number {
    return this.dmsg?.sessions().length ?? 0;
  }

  protected override run(world: World): Promise<RunningSetupNode> {
    const { keys, network, log } = this;
    return runSetupNode({ world, keys, network, log, userAgent: USER_AGENT });
  }
}
