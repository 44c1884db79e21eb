/** The dmsg discovery of a fleet: the real service over HTTP and dmsg, or one that lies. @module */
import { silentLog } from "../base/mod.ts";
import { type RawHandler, serveHttp } from "../http/mod.ts";
import type { World } from "../runtime/mod.ts";
import { attachDmsg, runDmsgDiscovery } from "../services/dmsg_discovery/mod.ts";
import { openEntryStore } from "../services/store/mod.ts";
import type { Entry } from "../dmsg/mod.ts";
import { FleetNode, type FleetNodeOptions } from "./_fleet_node.ts";
import { DISCOVERY_PORT } from "./_places.ts";

export interface DiscoveryNodeOptions extends FleetNodeOptions {
  /** The deployment's servers, which it dials from the start on. */
  readonly servers: readonly Entry[];
}

/** Keeps its entries in memory: after each start it has none. */
export class DiscoveryNode extends FleetNode {
  readonly #servers: readonly Entry[];
  #lie: RawHandler | undefined;
  #close: () => Promise<void> = () => Promise.resolve();

  constructor(options: DiscoveryNodeOptions) {
    super(options);
    this.#servers = options.servers;
  }

  /** From the next start on, `answer` is what it says to every request; undefined: the truth. */
  lieWith(answer: RawHandler | undefined): void {
    this.#lie = answer;
  }

  protected override async boot(world: World): Promise<void> {
    const address = { hostname: "0.0.0.0", port: DISCOVERY_PORT };
    if (this.#lie !== undefined) return await this.#bootLiar(world, this.#lie);
    const dmsg = attachDmsg({ world, local: this.keys, servers: this.#servers, log: this.log });
    const running = await runDmsgDiscovery({
      world,
      log: this.log,
      settings: { address, store: "memory", mode: "dual", publicKey: this.publicKey },
      dmsg,
    });
    this.#close = () => running.close();
  }

  /** The same two doors, and somebody else behind them. */
  async #bootLiar(world: World, lie: RawHandler): Promise<void> {
    const listener = await world.network.listen({ hostname: "0.0.0.0", port: DISCOVERY_PORT });
    const store = await openEntryStore("memory", world);
    const http = serveHttp(listener, { raw: lie }, { world, log: silentLog });
    const side = attachDmsg({ world, local: this.keys, servers: this.#servers, log: silentLog })({
      handler: lie,
      store,
    });
    this.#close = async () => {
      await Promise.all([http.close(), side[Symbol.asyncDispose]()]);
      await store[Symbol.asyncDispose]();
    };
  }

  protected override async shutdown(): Promise<void> {
    await this.#close();
  }
}
