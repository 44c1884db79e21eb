/**
 * The routed part of a visor: transports, routes, setting them up, and the apps on them.
 *
 *     apps --> dialler --> router --packets--> transports --> carriers: stcpr, sudph, stcp, dmsg
 *                  |          ^
 *                  +-- setup node, route finder, the far visor itself (over dmsg, port 136)
 *
 * Nothing here waits for the network: carriers, registration and apps begin by themselves and try again (TP-4).
 *
 * @module
 */
import { type Conn, describeError, type Log, Scope } from "../base/mod.ts";
import type { NodeCounters } from "../control/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import type { DmsgNetwork, NetworkClient } from "../directory/mod.ts";
import { PostQuantum, type PostQuantumSettings } from "../noise/mod.ts";
import { type RouteGroup, Router } from "../routing/mod.ts";
import {
  automaticTransports,
  newSetupCounters,
  RouteDialer,
  serveAppDirect,
  serveDirectSetupStream,
  serveSetupCalls,
  serveTransportGateway,
  SetupConnections,
} from "../routing/setup/mod.ts";
import type { SocketAddress, World } from "../runtime/mod.ts";
import {
  dmsgCarrier,
  isTellableAddress,
  PacketType,
  RefusalCounters,
  type SocketCarrier,
  stcpCarrier,
  stcprCarrier,
  SudphCarrier,
  sudphCarrier,
  TRANSPORT_TYPES,
  type TransportCarrier,
  TransportManager,
} from "../transport/mod.ts";
import { AppPorts } from "./_app_ports.ts";
import type { NodeConfig, PersistentTransport } from "./config/mod.ts";
import { type NodeServices, openServices } from "./_node_services.ts";
import { resolverUdpAddress } from "./_resolver_address.ts";
import { type AppEntry, type AppNetwork, Launcher } from "./apps/mod.ts";
import { type Offer, Presence, PUBLIC_TYPE } from "./presence/mod.ts";

/** What of a configuration the routed part uses. */
export type NodeSettings =
  & Pick<
    NodeConfig,
    | "minHops"
    | "stcp"
    | "stcprPort"
    | "sudphPort"
    | "stunServers"
    | "transportSetupNodes"
    | "routeFinderTimeoutMs"
    | "presence"
  >
  & { readonly persistentTransports: readonly PersistentTransport[] };

export interface VisorNodeOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network" | "outside">;
  readonly keys: KeyPair;
  readonly network: DmsgNetwork;
  readonly client: NetworkClient;
  readonly settings: NodeSettings;
  readonly apps: readonly AppEntry[];
  readonly log: Log;
  readonly version: string;
  readonly postQuantum?: PostQuantumSettings | undefined;
}

/** Peers of routes have so long to answer a close when the visor stops: Ctrl-C has 2 s for everything. */
export const ROUTES_CLOSE_MS = 300;
/** Ports of the route space on which a visor answers to being there: of 2026 and of 2024 (routing.md 3). */
export const SKY_PING_PORTS = [58, 48] as const;

export class VisorNode implements AsyncDisposable {
  readonly publicKey: PublicKey;
  readonly transports: TransportManager;
  readonly router: Router;
  readonly dialer: RouteDialer<RouteGroup>;
  readonly services: NodeServices;
  readonly launcher: Launcher;
  /** Undefined without an address resolver. */
  readonly sudph: SudphCarrier | undefined;
  readonly presence: Presence;
  /** What peers did on transports that was refused or ignored. */
  readonly refusals = new RefusalCounters();
  readonly #setupCounters = newSetupCounters();
  readonly #options: VisorNodeOptions;
  readonly #scope = new Scope();
  readonly #ports: AppPorts;
  #stcpr: SocketCarrier | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: VisorNodeOptions) {
    const { world, keys, network, client, settings, log } = options;
    this.#options = options;
    const local = this.publicKey = keys.publicKey;
    const postQuantum = new PostQuantum({ ...options.postQuantum, random: world.random, log });
    this.services = openServices(options);
    this.router = new Router({
      world,
      local: keys,
      transports: { find: (id) => this.transports.find(id) },
      log,
      postQuantum,
    });
    const carriers = this.#carriers(postQuantum);
    this.sudph = carriers.find((carrier) => carrier instanceof SudphCarrier);
    this.transports = new TransportManager({
      world,
      local: keys,
      log,
      refusals: this.refusals,
      carriers,
      registrar: this.services.transportDiscovery,
      persistent: settings.persistentTransports.flatMap(({ publicKey, type }) => {
        const known = TRANSPORT_TYPES.find((each) => each === type);
        if (known !== undefined) return [{ remote: publicKey, type: known }];
        log.warn("A persistent transport is of a type that is not built in", { remote: publicKey, type });
        return [];
      }),
      onPackets: this.router.handlePackets,
      isUsed: (id) => this.router.usesTransport(id),
      unaskedMax: settings.presence.isPublic && settings.presence.publicTransportsMax || undefined,
    });
    this.transports.onClosed((transport) => this.router.transportClosed(transport));
    this.dialer = new RouteDialer<RouteGroup>({
      world,
      local,
      router: this.router,
      transports: this.transports,
      dmsg: client.dmsg,
      findRoutes: this.services.findRoutes,
      setupNodes: () => network.setupNodes ?? [],
      directory: this.services.transportDiscovery,
      autoTransports: automaticTransports({
        world,
        transports: this.transports,
        resolver: this.services.addressResolver,
        types: this.transports.types,
        log: log.child("transport"),
      }),
      minHops: settings.minHops,
      log: log.child("router"),
    });
    this.#ports = new AppPorts(this.router, this.#scope);
    this.launcher = new Launcher({
      world,
      log: log.child("app"),
      entries: options.apps,
      network: this.#appNetwork(),
      onChange: () => this.presence.changed(),
    });
    this.presence = new Presence({
      world,
      publicKey: local,
      version: options.version,
      settings: settings.presence,
      services: this.services,
      transports: this.transports,
      offers: () => this.#offers(),
      addresses: () => this.#addresses().filter(isTellableAddress),
      log,
    });
    this.#serve();
  }

  /** Where it listens for stcpr; undefined: it only dials, or not even that. */
  get stcprAddress(): SocketAddress | undefined {
    return this.#stcpr?.address;
  }

  /** What was carried, and what of others was refused or could not be used, since the start. */
  counters(): NodeCounters {
    return {
      transports: this.refusals.snapshot(),
      router: { ...this.router.counters() },
      setup: { ...this.#setupCounters },
      apps: { streamsRefused: this.#ports.refused },
    };
  }

  /** Starts the apps that the configuration starts. */
  startApps(): void {
    this.launcher.startConfigured();
  }

  /** Ends everything in an order in which each part can still say goodbye. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      const left = this.presence.close(); // on its way first, and waited for last: it needs nothing of the rest
      await this.launcher.close();
      await this.#scope[Symbol.asyncDispose]();
      const dials = this.dialer.close(); // of routes that are closed with the others
      await this.router.close({ waitMs: ROUTES_CLOSE_MS }); // over transports that still live
      await this.transports.close();
      await dials;
      await left;
    })();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #carriers(postQuantum: PostQuantum): TransportCarrier[] {
    const { world, keys, client, network, settings: { stcp, stcprPort, sudphPort, stunServers }, log } =
      this.#options;
    const { addressResolver: resolver } = this.services;
    const sockets = { world, local: keys, log, postQuantum, refusals: this.refusals };
    const carriers: TransportCarrier[] = [dmsgCarrier({ client: client.dmsg })];
    if (stcp !== undefined) {
      const table = new Map([...stcp.table].map(([key, address]) => [key, socketAddressOf(address)]));
      carriers.unshift(stcpCarrier({ ...sockets, table, listen: stcp.listen }));
    }
    if (resolver !== undefined) {
      const allowLoopback = network.allowLoopbackAddresses === true;
      const hostname = allowLoopback ? "127.0.0.1" : "0.0.0.0";
      const direct = { ...sockets, resolver, addresses: () => this.#addresses(), allowLoopback };
      const resolverAddress = (signal: AbortSignal) =>
        resolverUdpAddress(resolver, network.addressResolver!.http, signal);
      this.#stcpr = stcprCarrier({ ...direct, listen: { hostname, port: stcprPort } });
      carriers.unshift(
        this.#stcpr,
        sudphCarrier({ ...direct, listen: { hostname, port: sudphPort }, resolverAddress, stunServers }),
      );
    }
    return carriers;
  }

  /** IP addresses at which others may find this machine. */
  #addresses(): readonly string[] {
    const { world, network } = this.#options;
    return network.allowLoopbackAddresses === true ? ["127.0.0.1"] : world.network.addresses();
  }

  /** What everybody may use of this visor: one of a type. */
  #offers(): Offer[] {
    const offers = this.#options.settings.presence.isPublic ? [this.#publicOffer()] : [];
    for (const offer of this.launcher.offers()) {
      if (offers.every(({ type }) => type !== offer.type)) offers.push(offer);
    }
    return offers;
  }

  /** At its stcpr port; and setup nodes must reach it over dmsg, by its entry (services.md 6). */
  #publicOffer(): Offer {
    const port = this.#stcpr?.address?.port;
    const failure = this.transports.carrierFailures.get("stcpr");
    const problem = this.#stcpr === undefined
      ? "the network has no address resolver, so stcpr is not served"
      : failure !== undefined
      ? describeError(failure)
      : port === undefined
      ? "stcpr does not listen: this visor has no public IPv4 address"
      : "its dmsg entry is not published yet";
    const isFound = this.#options.client.dmsg.status().entry?.published === true;
    return port !== undefined && isFound
      ? { type: PUBLIC_TYPE, port }
      : { type: PUBLIC_TYPE, port: undefined, problem };
  }

  #appNetwork(): AppNetwork {
    return {
      dial: (to, { direct, minHops, signal }): Promise<Conn> =>
        this.dialer.dial(to, { direct, minHops, signal }),
      listen: (port) => this.#ports.listen(port),
    };
  }

  /** What other visors and setup nodes ask of this one. */
  #serve(): void {
    const { world, keys: { publicKey: local }, network, client: { dmsg }, settings, log } = this.#options;
    const { transports, router } = this;
    const scope = this.#scope;
    const setupLog = log.child("setup");
    const counters = this.#setupCounters;
    const connections = new SetupConnections(); // about rules, of both ways to ask
    const setupNodes = new Set<PublicKey>(network.setupNodes ?? []);
    serveSetupCalls({
      world,
      local,
      dmsg,
      router,
      transports,
      trusts: (key) => setupNodes.has(key),
      looks: (key) => key === network.serviceDiscovery?.dmsg?.publicKey,
      connections,
      scope,
      log: setupLog,
      counters,
    });
    const transportSetupNodes = new Set<PublicKey>(trustedTransportSetupNodes(network, settings));
    serveTransportGateway({
      world,
      dmsg,
      transports,
      trusts: (key) => transportSetupNodes.has(key),
      scope,
      log: setupLog,
      counters,
    });
    const { signal } = scope;
    transports.onStream(
      PacketType.setupRpc,
      (stream) =>
        scope.spawn(
          "direct set-up",
          () =>
            serveDirectSetupStream(stream, {
              world,
              local,
              router,
              transports,
              connections,
              log: setupLog,
              counters,
              signal,
            }),
        ),
    );
    transports.onStream(
      PacketType.appDirect,
      (stream) =>
        scope.spawn("direct stream of an app", () =>
          serveAppDirect(stream, {
            world,
            local,
            listenerOn: (port) => this.#ports.taker(port),
            log: setupLog,
            signal,
          })),
    );
    for (const port of SKY_PING_PORTS) {
      const listener = this.#ports.listen(port);
      scope.spawn("pings over routes", async () => {
        for (let conn = await listener.accept(); conn !== null; conn = await listener.accept()) {
          const taken = conn;
          scope.spawn("a ping over a route", async (signal) => {
            const onAbort = () => taken.close(signal.reason); // a silent peer must not hold the visor's end up
            if (signal.aborted) onAbort();
            signal.addEventListener("abort", onAbort, { once: true });
            try {
              while (await taken.read() !== null); // the group answers pings; what is written is not looked at
            } catch {
              /* however it ends, it is over */
            } finally {
              signal.removeEventListener("abort", onAbort);
              taken.close();
            }
          });
        }
      });
    }
  }
}

function socketAddressOf(text: string): SocketAddress {
  const [, bracketed, hostname, port] = /^(?:\[([^\]]*)\]|([^:]*)):([0-9]+)$/.exec(text) ?? [];
  return { hostname: bracketed ?? hostname ?? "", port: Number(port) };
}

/** Nobody is trusted with transports unasked: the configuration names the nodes, or the deployment file that was given. */
function trustedTransportSetupNodes(
  { file, transportSetup = [] }: DmsgNetwork,
  { transportSetupNodes }: NodeSettings,
): readonly PublicKey[] {
  return file === undefined ? transportSetupNodes : [...transportSetupNodes, ...transportSetup];
}
