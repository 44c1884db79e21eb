/** Whole visors in simulated networks: dmsg, transports over TCP, routers, the calls of set-up. @module */
import { Scope } from "../../../lib/base/mod.ts";
import type { PublicKey } from "../../../lib/crypto/mod.ts";
import { AWAIT_SETUP_PORT, type DmsgClient, SETUP_NODE_PORT } from "../../../lib/dmsg/mod.ts";
import { type RouteGroup, Router } from "../../../lib/routing/mod.ts";
import {
  type FindRoutes,
  type FoundHop,
  RouteDialer,
  type RouteDialerOptions,
  serveAppDirect,
  serveDirectSetupStream,
  serveSetupCalls,
  SetupConnections,
  SetupNode,
  type SetupNodeOptions,
} from "../../../lib/routing/setup/mod.ts";
import {
  PacketType,
  stcpCarrier,
  type Transport,
  transportId,
  TransportManager,
} from "../../../lib/transport/mod.ts";
import type { World } from "../../../lib/runtime/mod.ts";
import { DmsgNetworkUnderTest, inNetwork, key, pair } from "../../dmsg/client_support.ts";

export { inNetwork, key, pair };

const STCP_PORT = 7777;

export interface VisorOptions {
  /** Serve what visors of 2024 do not have. Default true. */
  readonly direct?: boolean;
  readonly dialer?: Partial<RouteDialerOptions<RouteGroup>>;
  readonly trusted?: readonly string[];
}

export class VisorUnderTest {
  readonly world: World;
  readonly dmsg: DmsgClient;
  readonly router: Router;
  readonly transports: TransportManager;
  readonly dialer: RouteDialer<RouteGroup>;
  readonly scope = new Scope();
  readonly apps: ((conn: unknown) => void)[] = [];

  constructor(
    readonly network: DmsgNetworkUnderTest,
    readonly name: string,
    fleet: SetupFleet,
    { direct = true, dialer = {}, trusted = ["setup"] }: VisorOptions = {},
  ) {
    const world = this.world = network.world(name);
    const log = network.log(name);
    const local = pair(name);
    this.dmsg = network.client(name);
    const table = new Map(VISORS.map((each) => [key(each), { hostname: each, port: STCP_PORT }]));
    this.transports = new TransportManager({
      world,
      local,
      log,
      carriers: [stcpCarrier({ world, local, table, listen: { hostname: "0.0.0.0", port: STCP_PORT } })],
      onPackets: (packets, from) => this.router.handlePackets(packets, from),
    });
    this.router = new Router({ world, local, log, transports: this.transports });
    this.transports.onClosed((transport) => this.router.transportClosed(transport));
    const connections = new SetupConnections();
    serveSetupCalls({
      world,
      connections,
      log,
      local: key(name),
      dmsg: this.dmsg,
      router: this.router,
      transports: direct ? this.transports : { find: (id) => this.transports.find(id), to: () => [] },
      trusts: (caller) => trusted.some((each) => key(each) === caller),
      scope: this.scope,
    });
    if (direct) {
      this.transports.onStream(
        PacketType.setupRpc,
        (stream) =>
          this.scope.spawn("direct set-up", (signal) =>
            serveDirectSetupStream(stream, {
              world,
              connections,
              log,
              signal,
              local: key(name),
              router: this.router,
              transports: this.transports,
            })),
      );
      this.transports.onStream(
        PacketType.appDirect,
        (stream) =>
          this.scope.spawn("app direct", (signal) =>
            serveAppDirect(stream, {
              world,
              log,
              signal,
              local: key(name),
              listenerOn: (port) => port === 3 ? (conn) => (void echo(conn), true) : undefined,
            })),
      );
    }
    this.dialer = new RouteDialer({
      world,
      log,
      local: key(name),
      router: this.router,
      transports: this.transports,
      dmsg: this.dmsg,
      setupNodes: () => [key("setup")],
      findRoutes: (...args) => fleet.findRoutes(...args),
      ...dialer,
    });
  }

  /** Answers on port 3 what it gets. */
  echo(): void {
    const listener = this.router.listen(3);
    this.scope.spawn("echo", async (signal) => {
      signal.addEventListener("abort", () => listener.close(), { once: true });
      for (let group = await listener.accept(); group !== null; group = await listener.accept()) {
        void echo(group);
      }
    });
  }

  async transportTo(name: string): Promise<Transport> {
    return await this.transports.dial(key(name), "stcp", { label: "user" });
  }

  async close(): Promise<void> {
    await Promise.all([this.scope[Symbol.asyncDispose](), this.dialer.close(), this.router.close()]);
    await this.transports.close();
    await this.dmsg.close();
  }
}

const VISORS = ["alice", "bob", "carol", "dave"];

/** Visors, a dmsg server, a setup node. */
export class SetupFleet implements AsyncDisposable {
  readonly visors = new Map<string, VisorUnderTest>();
  readonly #ends: (() => Promise<unknown>)[] = [];
  node!: SetupNode;
  /** Paths as a route finder gives them: names of the visors, best first. */
  paths: string[][] = [];
  /** What was asked of the route finder. */
  asked = 0;

  constructor(readonly network: DmsgNetworkUnderTest) {}

  static async start(
    network: DmsgNetworkUnderTest,
    names: readonly string[],
    { node = {}, visors = {} }: {
      node?: Partial<SetupNodeOptions>;
      visors?: Readonly<Record<string, VisorOptions>>;
    } = {},
  ): Promise<SetupFleet> {
    const fleet = new SetupFleet(network);
    const server = await network.server("server");
    fleet.#ends.push(() => server.close());
    const setup = network.client("setup");
    fleet.#ends.push(() => setup.close());
    fleet.node = new SetupNode({
      world: network.world("setup"),
      log: network.log("setup"),
      version: { version: "1", commit: "c", date: "d" },
      dial: (publicKey, { signal, bypassCaches }) =>
        setup.dial({ publicKey, port: AWAIT_SETUP_PORT }, { signal, bypassCaches }),
      ...node,
    });
    fleet.#ends.push(() => fleet.node[Symbol.asyncDispose]());
    const listener = setup.listen(SETUP_NODE_PORT);
    void (async () => {
      for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
        void fleet.node.serve(stream, stream.remote.publicKey);
      }
    })();
    for (const name of names) fleet.visors.set(name, new VisorUnderTest(network, name, fleet, visors[name]));
    await Promise.all(
      [setup, ...[...fleet.visors.values()].map(({ dmsg }) => dmsg)].map((dmsg) => dmsg.whenPublished()),
    );
    return fleet;
  }

  visor(name: string): VisorUnderTest {
    return this.visors.get(name)!;
  }

  /** Transports between each two neighbours. */
  async join(...names: string[]): Promise<void> {
    for (let at = 1; at < names.length; at++) await this.visor(names[at - 1]!).transportTo(names[at]!);
  }

  readonly findRoutes: FindRoutes = (pairs) => {
    this.asked++;
    return Promise.resolve(pairs.map(([from, to]) => this.#pathsBetween(from, to)));
  };

  #pathsBetween(from: PublicKey, to: PublicKey): FoundHop[][] {
    return this.paths.flatMap((names) => [names, names.toReversed()])
      .filter((names) => key(names[0]!) === from && key(names.at(-1)!) === to)
      .map((names) =>
        names.slice(1).map((name, at) => {
          const [one, other] = [names[at]!, name];
          const transport = this.visor(one).transports.to(key(other))[0];
          return {
            transportId: transport?.id ?? transportId(key(one), key(other), "stcpr"),
            from: key(one),
            to: key(other),
          };
        })
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const visor of this.visors.values()) await visor.close();
    for (const end of this.#ends.toReversed()) await end();
  }
}

/** Runs a scenario in virtual time with visors that have started. Nothing may be alive at its end. */
export function inFleet(
  seed: number,
  names: readonly string[],
  scenario: (fleet: SetupFleet) => Promise<void>,
  options: Parameters<typeof SetupFleet.start>[2] = {},
): Promise<void> {
  return inNetwork(seed, async (network) => {
    await using fleet = await SetupFleet.start(network, names, options);
    await scenario(fleet);
  });
}

async function echo(
  conn: { read(): Promise<Uint8Array | null>; write(bytes: Uint8Array): Promise<void>; close(): void },
): Promise<void> {
  try {
    for (let bytes = await conn.read(); bytes !== null; bytes = await conn.read()) {
      await conn.write(bytes.slice());
    }
  } catch {
    // The test's end is gone: its business was done.
  } finally {
    conn.close();
  }
}
