/** Transports of type sudph do what a transport must. @module */
import { Command, conversationAt, encodeSegment, Ending, unacknowledgedAt } from "../../lib/kcp/mod.ts";
import { type DatagramSocket, sleep, type SocketAddress, type World } from "../../lib/runtime/mod.ts";
import { sudphCarrier, TransportManager } from "../../lib/transport/mod.ts";
import { RESOLVER_PORT, TestResolver } from "./sudph_support.ts";
import { transportCompliance } from "./transport_compliance.ts";

transportCompliance("sudph", async (simulation) => {
  let machines = 0;
  const resolver = await TestResolver.start(simulation.node("resolver", { address: "198.51.100.1" }));
  const path = new Path();
  return {
    type: "sudph",
    async visor(local, at, options = {}) {
      const address = `203.0.113.${++machines}`;
      const world = simulation.node(at, { address });
      const carrier = sudphCarrier({
        world: path.seenFrom(world, address),
        local,
        resolver: resolver.client(local.publicKey),
        resolverAddress: async () => ({ hostname: "198.51.100.1", port: RESOLVER_PORT }),
        listen: { hostname: "0.0.0.0", port: 0 },
        addresses: () => [address],
      });
      const carriers = [carrier];
      const manager = new TransportManager({ world, local, carriers, onPackets: () => {}, ...options });
      const isKnown = () => resolver.bound.get(local.publicKey)?.at.hostname === address;
      for (let turns = 0; !isKnown() && turns < 50; turns++) await sleep(world.clock, 100);
      return manager;
    },
    cut: () => simulation.partition("alice", "bob"),
    reset: () => path.reset(),
    close: () => resolver.close(),
  };
});

interface Seen {
  readonly bytes: Uint8Array;
  readonly from: SocketAddress;
  readonly to: SocketAddress;
}

/** A machine that all datagrams pass, and that can say that sessions are gone. */
class Path {
  readonly #sockets = new Map<string, DatagramSocket>(); // by host
  readonly #last = new Map<string, Seen>(); // between visors, by the sender's host

  /** Tells both ends of every session, each in the other's name. */
  reset(): void {
    for (const { bytes, from, to } of this.#last.values()) {
      const reset = encodeSegment({
        conversation: conversationAt(bytes, 0),
        command: Command.push,
        fragment: Ending.reset,
        window: 0,
        timestamp: 0,
        number: unacknowledgedAt(bytes, 0),
        unacknowledged: 0,
      });
      this.#sockets.get(to.hostname)!.send(reset, from);
    }
  }

  /** The world of a machine with that address. */
  seenFrom(world: World, hostname: string): World {
    const datagrams = async (at: SocketAddress): Promise<DatagramSocket> => {
      const socket = await world.network.datagrams(at);
      this.#sockets.set(hostname, socket);
      const from = { hostname, port: socket.address.port };
      return {
        address: socket.address,
        receive: () => socket.receive(),
        close: () => socket.close(),
        send: (bytes, to) => {
          const isKcp = to.port !== RESOLVER_PORT && bytes.length > 20;
          if (isKcp) this.#last.set(hostname, { bytes: bytes.slice(), from, to });
          return socket.send(bytes, to);
        },
      };
    };
    return {
      ...world,
      network: { ...world.network, datagrams },
      outside: (work) => world.outside(work),
    };
  }
}
