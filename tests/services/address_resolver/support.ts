/** An address resolver with its UDP side on a simulated machine, and visors that speak to it segment by segment. */
import assert from "node:assert/strict";
import { type Conn, silentLog } from "../../../lib/base/mod.ts";
import type { KeyPair } from "../../../lib/crypto/mod.ts";
import { type KcpConn, KcpSocket } from "../../../lib/kcp/mod.ts";
import type { DatagramSocket, SocketAddress, World } from "../../../lib/runtime/mod.ts";
import type { NodeOptions, Simulation } from "../../../lib/runtime/simulated/mod.ts";
import {
  type AddressResolverSettings,
  createAddressResolver,
  UdpSide,
  type UdpSideSettings,
} from "../../../lib/services/address_resolver/mod.ts";
import type { ServiceApi } from "../../../lib/services/hosting/mod.ts";
import { type BindingStore, SqliteBindingStore } from "../../../lib/services/store/mod.ts";
import { openAddressHandshake } from "../../../lib/transport/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { type Answered, ask, pair } from "../service_support.ts";

export const RESOLVER = { hostname: "resolver", port: 30_178 };

export interface RigOptions {
  readonly settings?: AddressResolverSettings & UdpSideSettings;
  readonly store?: (world: World) => BindingStore;
  readonly socket?: (world: World) => Promise<DatagramSocket>;
}

export class Rig {
  readonly visors: Visor[] = [];
  side!: UdpSide;
  #store!: BindingStore;
  #api!: ServiceApi;

  private constructor(readonly simulation: Simulation, readonly world: World) {}

  /** Runs `scenario`; at its end everything is closed, and nothing may be alive. */
  static run(scenario: (rig: Rig) => Promise<void>, options: RigOptions = {}, seed = 1): Promise<void> {
    return withSimulation(seed, async (simulation) => {
      const rig = new Rig(simulation, simulation.node("resolver"));
      await simulation.run(async () => {
        await rig.start(options);
        try {
          await scenario(rig);
        } finally {
          for (const visor of rig.visors) visor.close();
          await rig.stop();
          for (const visor of rig.visors) await visor.closed;
        }
      }, { untilMs: 10 * 3_600_000 });
    });
  }

  async start({ settings = {}, store, socket }: RigOptions = {}): Promise<void> {
    const { world } = this;
    this.#store = store?.(world) ?? new SqliteBindingStore({ clock: world.clock, ledger: world.ledger });
    const bound = await (socket?.(world) ??
      world.network.datagrams({ hostname: "0.0.0.0", port: RESOLVER.port }));
    this.side = new UdpSide(bound, { world, log: silentLog, store: this.#store, settings });
    this.#api = createAddressResolver({ store: this.#store, world, settings, udp: () => this.side });
  }

  async stop(): Promise<void> {
    await this.side[Symbol.asyncDispose]();
    await this.#store[Symbol.asyncDispose]();
  }

  /** A visor on a machine of its own; its port is bound, and nothing is said yet. */
  async visor(name: string, options: NodeOptions = {}): Promise<Visor> {
    const visor = await Visor.on(this.simulation.node(name, options), pair(name));
    this.visors.push(visor);
    return visor;
  }

  /** As `asker`, over its own dmsg stream. */
  askAs(asker: KeyPair, path: string): Promise<Answered> {
    return ask(this.#api, { path, remote: `${asker.publicKey}:49152` });
  }

  /** What `asker` is told about `sought`; undefined when that is not bound. */
  // deno-lint-ignore no-explicit-any -- JSON, compared whole
  async resolve(asker: KeyPair, sought: KeyPair): Promise<any> {
    const answer = await this.askAs(asker, `/resolve/sudph/${sought.publicKey}`);
    if (answer.status === 404) return undefined;
    assert.equal(answer.status, 200);
    return JSON.parse(answer.body);
  }
}

/** A visor of the network, as far as the resolver can tell. */
export class Visor {
  session: KcpConn | undefined;
  readonly #socket: KcpSocket;
  #conn: Conn | undefined;

  private constructor(readonly world: World, readonly local: KeyPair, socket: KcpSocket) {
    this.#socket = socket;
  }

  static async on(world: World, local: KeyPair): Promise<Visor> {
    const datagrams = await world.network.datagrams({ hostname: "0.0.0.0", port: 0 });
    return new Visor(world, local, new KcpSocket(datagrams, { world }));
  }

  get port(): number {
    return this.#socket.address.port;
  }
  get closed(): Promise<void> {
    return this.#socket.closed;
  }

  /** Begins a session and proves the key. */
  async connect(
    { to = RESOLVER, remotePort = 0 }: { to?: SocketAddress; remotePort?: number } = {},
  ): Promise<this> {
    const { world, local } = this;
    this.session = this.#socket.dial(to, { keepsWrites: true });
    this.#conn = await openAddressHandshake(this.session, {
      world,
      local,
      localPort: 0,
      remote: undefined,
      remotePort,
    });
    return this;
  }

  /** Begins a session, asks for a nonce, and leaves it at that. */
  request(): void {
    this.session = this.#socket.dial(RESOLVER);
    this.session.write(new TextEncoder().encode("get_nonce"));
  }

  say(text: string): Promise<void> {
    return this.#conn!.write(new TextEncoder().encode(text));
  }

  bind(addresses: readonly string[] = ["192.0.2.7"], port = this.port): Promise<void> {
    return this.say(`{"port":"${port}","addresses":${JSON.stringify(addresses)}}`);
  }

  /** What the resolver says next; undefined at the end of the session. */
  async hear(): Promise<string | undefined> {
    const view = await this.#conn!.read().catch(() => null);
    return view === null ? undefined : new TextDecoder().decode(view);
  }

  close(): void {
    this.#socket.close(new Error("The visor is gone"));
  }
}
