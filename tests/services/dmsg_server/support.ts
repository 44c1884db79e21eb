/** A discovery that is on dmsg, servers that register with it, and who dialled whom. @module */
import { type LogRecord, logTo } from "../../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import { type Entry, parseEntry, serverEntry } from "../../../lib/dmsg/mod.ts";
import { sleep, type World } from "../../../lib/runtime/mod.ts";
import type { Simulation } from "../../../lib/runtime/simulated/mod.ts";
import { attachDmsg, runDmsgDiscovery } from "../../../lib/services/dmsg_discovery/mod.ts";
import {
  parseDmsgServerConfig,
  runDmsgServer,
  type RunningDmsgServer,
} from "../../../lib/services/dmsg_server/mod.ts";
import type { EntryStore } from "../../../lib/services/store/mod.ts";
import { withSimulation } from "../../support/world.ts";

export const PORT = 8081;

/** The same pair for the same name. */
export function pair(name: string) {
  return keyPairFromSeed(new TextEncoder().encode(name));
}

export function key(name: string) {
  return pair(name).publicKey;
}

/** A server of a configuration: the node of its name. */
export function known(name: string) {
  return { static: key(name), server: { address: `${name}:${PORT}` } };
}

/** The deployment of the discovery on the node of its name. */
export function deployment(discovery: string, servers: readonly string[] = []) {
  return { discovery_dmsg: `dmsg://${key(discovery)}:80`, servers: servers.map(known) };
}

export interface WatchedDiscovery extends AsyncDisposable {
  /** What its store has, asked behind its back. */
  entry(of: string): Promise<Entry | undefined>;
  close(): Promise<void>;
}

export class Net {
  readonly logged: LogRecord[] = [];
  /** TCP dials: `from to:port`. */
  readonly dials: string[] = [];
  readonly #worlds = new Map<string, World>();

  constructor(readonly simulation: Simulation) {}

  world(name: string): World {
    const made = this.#worlds.get(name);
    if (made !== undefined) return made;
    const world = this.simulation.node(name);
    const { dial } = world.network;
    world.network.dial = (to, options) => {
      this.dials.push(`${name} ${to.hostname}:${to.port}`);
      return dial.call(world.network, to, options);
    };
    this.#worlds.set(name, world);
    return world;
  }

  log(name: string) {
    return logTo((record) => this.logged.push(record), () => this.simulation.nowMs, name);
  }

  sleep(ms: number): Promise<void> {
    return sleep(this.world("observer").clock, ms);
  }

  /** A discovery that is a dmsg client of these servers. */
  async discovery(name: string, servers: readonly string[]): Promise<WatchedDiscovery> {
    const world = this.world(name);
    let store: EntryStore | undefined;
    const attach = attachDmsg({
      world,
      local: pair(name),
      log: this.log(name),
      servers: servers.map((server) =>
        serverEntry({
          publicKey: key(server),
          server: { address: `${server}:${PORT}`, availableSessions: 1 },
          timestamp: 0n,
        })
      ),
    });
    const running = await runDmsgDiscovery({
      world,
      log: this.log(name),
      settings: {
        address: { hostname: "0.0.0.0", port: 9090 },
        store: "memory",
        mode: "dual",
        publicKey: key(name),
        build: { version: "1", commit: "unknown", date: "unknown" },
      },
      dmsg: (options) => {
        store = options.store;
        return attach(options);
      },
    });
    return {
      entry: async (of) => {
        const text = await store!.get(key(of));
        return text === undefined ? undefined : parseEntry(text);
      },
      close: () => running.close(),
      [Symbol.asyncDispose]: () => running.close(),
    };
  }

  /** A server on the node of its name, with this configuration. */
  server(name: string, content: Record<string, unknown>): Promise<RunningDmsgServer> {
    const text = JSON.stringify({
      public_address: `${name}:${PORT}`,
      health_endpoint_address: "none",
      ...content,
    });
    const config = parseDmsgServerConfig(text, "server.json");
    return runDmsgServer({
      world: this.world(name),
      log: this.log(name),
      keys: pair(name),
      version: "1",
      config,
    });
  }

  /** How long it takes until the server is registered everywhere; it must happen within `withinMs`. */
  async registered({ server }: RunningDmsgServer, withinMs: number): Promise<number> {
    const startedMs = this.simulation.nowMs;
    while (server.status().entry?.published !== true) {
      const tookMs = this.simulation.nowMs - startedMs;
      if (tookMs > withinMs) throw new Error(`Not registered: ${server.status().entry?.failure}`);
      await this.sleep(100);
    }
    return this.simulation.nowMs - startedMs;
  }
}

/** Runs a scenario in virtual time. Nothing may be alive at its end. */
export function inNet(seed: number, scenario: (net: Net) => Promise<void>): Promise<void> {
  return withSimulation(seed, (simulation) => simulation.run(() => scenario(new Net(simulation))));
}
