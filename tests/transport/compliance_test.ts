/** Every type of transport does what a transport must. @module */
import type { PublicKey } from "../../lib/crypto/mod.ts";
import { generateKeyPair } from "../../lib/crypto/mod.ts";
import { DmsgClient, DmsgServer, MemoryDiscovery } from "../../lib/dmsg/mod.ts";
import type { SocketAddress } from "../../lib/runtime/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import {
  dmsgCarrier,
  stcpCarrier,
  stcprCarrier,
  type StcprResolver,
  TransportManager,
} from "../../lib/transport/mod.ts";
import { alice, bob } from "./support.ts";
import { transportCompliance } from "./transport_compliance.ts";

const PORT = 7777;

transportCompliance("stcp", (simulation) => {
  const table = new Map<PublicKey, SocketAddress>([
    [alice.publicKey, { hostname: "alice", port: PORT }],
    [bob.publicKey, { hostname: "bob", port: PORT }],
  ]);
  return {
    type: "stcp",
    async visor(local, at, options = {}) {
      const world = simulation.node(at);
      const carrier = stcpCarrier({ world, local, table, listen: { hostname: "0.0.0.0", port: PORT } });
      return new TransportManager({ world, local, carriers: [carrier], onPackets: () => {}, ...options });
    },
    cut: () => simulation.partition("alice", "bob"),
    reset: () => simulation.reset("alice", "bob"),
    close: () => Promise.resolve(),
  };
}, { rounds: 1_000 });

/** A resolver in memory, of one asker. */
class MemoryResolver implements StcprResolver {
  static bound = new WeakMap<Simulation, Map<PublicKey, { address: string; port: number }>>();
  readonly #bound: Map<PublicKey, { address: string; port: number }>;

  constructor(simulation: Simulation, readonly key: PublicKey, readonly address: string) {
    let bound = MemoryResolver.bound.get(simulation);
    if (bound === undefined) MemoryResolver.bound.set(simulation, bound = new Map());
    this.#bound = bound;
  }
  async bindStcpr({ port }: { readonly port: number }): Promise<void> {
    this.#bound.set(this.key, { address: this.address, port });
  }
  async unbindStcpr(): Promise<void> {
    this.#bound.delete(this.key);
  }
  async resolve(_type: "stcpr", key: PublicKey) {
    const bound = this.#bound.get(key);
    if (bound === undefined) return undefined;
    const { address, port } = bound;
    return { remoteAddress: address, port, addresses: [address], isLocal: false };
  }
}

transportCompliance("stcpr", (simulation) => {
  let machines = 0;
  return {
    type: "stcpr",
    async visor(local, at, options = {}) {
      const address = `203.0.113.${++machines}`;
      const world = simulation.node(at, { address });
      const carrier = stcprCarrier({
        world,
        local,
        resolver: new MemoryResolver(simulation, local.publicKey, address),
        listen: { hostname: "0.0.0.0", port: 0 },
        addresses: () => [address],
      });
      const manager = new TransportManager({
        world,
        local,
        carriers: [carrier],
        onPackets: () => {},
        ...options,
      });
      for (let turns = 0; carrier.address === undefined && turns < 50; turns++) await Promise.resolve();
      return manager;
    },
    cut: () => simulation.partition("alice", "bob"),
    reset: () => simulation.reset("alice", "bob"),
    close: () => Promise.resolve(),
  };
});

transportCompliance("dmsg", async (simulation) => {
  const world = simulation.node("server");
  const discovery = new MemoryDiscovery();
  const server = new DmsgServer({
    world,
    local: generateKeyPair(world.random),
    discovery,
    publicAddress: "server:8080",
  });
  await server.listen({ hostname: "0.0.0.0", port: 8080 });
  const clients: DmsgClient[] = [];
  return {
    type: "dmsg",
    async visor(local, at, options = {}) {
      const world = simulation.node(at);
      const client = new DmsgClient({ world, local, discovery, sessionsMin: 1 });
      clients.push(client);
      await client.whenPublished();
      const carriers = [dmsgCarrier({ client })];
      return new TransportManager({ world, local, carriers, onPackets: () => {}, ...options });
    },
    cut: () => simulation.partition("alice", "server"),
    reset: () => simulation.reset("alice", "server"),
    endsOldConnections: true, // the server has one session for each key
    async close() {
      await Promise.all(clients.map((client) => client.close()));
      await server[Symbol.asyncDispose]();
    },
  };
});
