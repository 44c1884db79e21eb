/** The dmsg discovery of a fleet: the real service over HTTP and dmsg, or one that lies. @module */
import { silentLog } from "../base/mod.ts";
import { type RawHandler, serveHttp } from "../http/mod.ts";
import type { World } from "../runtime/mod.ts";
import { attachDmsg, runDmsgDiscovery } from "../services/dmsg_discovery/mod.ts";
import type { ServiceDmsgSide } from "../services/hosting/mod.ts";
import { openEntryStore } from "../services/store/mod.ts";
import { parsePublicKey } from "../crypto/mod.ts";
import { askOver, tcpHttpClient } from "../directory/mod.ts";
import { type AskService, type Entry, EntryRefusedError, HttpDiscovery } from "../dmsg/mod.ts";
import { FleetNode, type FleetNodeOptions } from "./_fleet_node.ts";
import { DISCOVERY_PORT, SIM_VERSION } from "./_places.ts";

export interface DiscoveryNodeOptions extends FleetNodeOptions {
  /** The deployment's servers, which it dials from the start on. */
  readonly servers: readonly Entry[];
}

/** Keeps its entries in memory: after each start it has none. */
export class DiscoveryNode extends FleetNode {
  readonly #servers: readonly Entry[];
  #lie: RawHandler | undefined;
  #close: () => Promise<void> = () => Promise.resolve();
  #side: ServiceDmsgSide | undefined;

  constructor(options: DiscoveryNodeOptions) {
    super(options);
    this.#servers = options.servers;
  }

  /** From the next start on, `answer` is what it says to every request; undefined: the truth. */
  lieWith(answer: RawHandler | undefined): void {
    this.#lie = answer;
  }

  /** Servers that it has a session with; none when it does not run. */
  connected(): readonly string[] {
    return this.isUp ? this.#side?.status().servers ?? [] : [];
  }

  /** The entries of all clients as they are now. */
  backup(): Promise<Entry[]> {
    return this.#observed(async (discovery, ask) => {
      const { text } = await ask({ method: "GET", path: "/dmsg-discovery/entries" });
      const keys: string[] = JSON.parse(text);
      const entries = await Promise.all(keys.sort().map((key) => discovery.entry(parsePublicKey(key))));
      return entries.filter((entry) => entry !== undefined);
    });
  }

  /** Puts entries into the store, as far as nothing newer is there. */
  restore(entries: readonly Entry[]): Promise<void> {
    return this.#observed(async (discovery) => {
      for (const entry of entries) {
        await discovery.post(entry).catch((error) => {
          if (!(error instanceof EntryRefusedError && error.isSequence)) throw error;
        });
      }
    });
  }

  /** Asked on its own machine, as an operator would who sits there. */
  async #observed<T>(work: (discovery: HttpDiscovery, ask: AskService) => Promise<T>): Promise<T> {
    await using client = tcpHttpClient(this.world, `skyctl/${SIM_VERSION}`);
    const origin = `http://127.0.0.1:${DISCOVERY_PORT}`;
    const way = { name: "http", origin, client, isReady: () => true };
    const ask = askOver("dmsg discovery", [way], this.world.clock, silentLog);
    return await work(new HttpDiscovery(ask), ask);
  }

  protected override async boot(world: World): Promise<void> {
    const address = { hostname: "0.0.0.0", port: DISCOVERY_PORT };
    if (this.#lie !== undefined) return await this.#bootLiar(world, this.#lie);
    const attach = attachDmsg({ world, local: this.keys, servers: this.#servers, log: this.log });
    const running = await runDmsgDiscovery({
      world,
      log: this.log,
      settings: { address, store: "memory", mode: "dual", publicKey: this.publicKey },
      dmsg: (options) => this.#side = attach(options),
    });
    this.#close = () => running.close();
  }

  /** The same two doors, and somebody else behind them. */
  async #bootLiar(world: World, lie: RawHandler): Promise<void> {
    const listener = await world.network.listen({ hostname: "0.0.0.0", port: DISCOVERY_PORT });
    const store = await openEntryStore("memory", world);
    const http = serveHttp(listener, { raw: lie }, { world, log: silentLog });
    const side = this.#side = attachDmsg({ world, local: this.keys, servers: this.#servers, log: silentLog })(
      {
        handler: lie,
        store,
      },
    );
    this.#close = async () => {
      await Promise.all([http.close(), side[Symbol.asyncDispose]()]);
      await store[Symbol.asyncDispose]();
    };
  }

  protected override async shutdown(): Promise<void> {
    await this.#close();
  }
}
