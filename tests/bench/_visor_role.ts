/**
 * A visor of the route benches: what `skyctl visor run --deployment` starts, asked from outside to do what its
 * commands do, and timed inside.
 *
 * @module
 */
import { silentLog } from "../../lib/base/mod.ts";
import { generateKeyPair, parsePublicKey, type PublicKey, webCryptoKem } from "../../lib/crypto/mod.ts";
import { PostQuantum } from "../../lib/noise/mod.ts";
import { type BidirectionalRoute, mirrored, SetupClient } from "../../lib/routing/setup/mod.ts";
import { sleep, systemWorld } from "../../lib/runtime/mod.ts";
import {
  PacketType,
  parseTransportId,
  stcprCarrier,
  transportId,
  TransportManager,
  writePacketHeader,
} from "../../lib/transport/mod.ts";
import { type RunningVisor, runVisor, type Visor } from "../../lib/visor/mod.ts";
import { serveCommands } from "./_child.ts";

/** Answers pings over routes, and takes whatever comes. */
const PING_PORT = 58;
const SETUP_NODE_PORT = 36;
const KEEP_ALIVE_NS = 600_000_000_000n;
/** A route id that no visor gives away soon: its packets end at the router. */
const NO_ROUTE = 0xffff_fff0;
/** Frames of route groups are so long at most; 16 of them are one write. */
const PACKET_PAYLOAD_BYTES = 4_096;
const WRITE_PACKETS = 16;
const WRITES_AT_ONCE = 4;
const WAIT_MS = 20_000;

const world = systemWorld();
const postQuantum = { kem: webCryptoKem((work) => world.outside(work)) };
let running: RunningVisor | undefined;
let held: TransportManager[] = [];

function visor(): Visor {
  return running!.visor;
}

/** Asks again until it holds: others learn of things a moment later. */
async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const startedMs = performance.now();
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() - startedMs > WAIT_MS) throw new Error(`${what} did not come to be`);
    await sleep(world.clock, 20);
  }
}

async function timesOf(times: number, work: () => Promise<{ close(): void }>): Promise<number[]> {
  const tookMs: number[] = [];
  for (let time = 0; time < times; time++) {
    const startedMs = performance.now();
    const made = await work();
    tookMs.push(performance.now() - startedMs);
    made.close();
    await sleep(world.clock, 5); // its end is not the next one's trouble
  }
  return tookMs;
}

/** One hop by the setup node, although the visor itself would serve it. */
function openBySetupNode(remote: PublicKey): Promise<{ close(): void }> {
  const { node, dmsg, publicKey: local } = visor();
  const setup = new SetupClient({
    world,
    log: silentLog,
    setupNodes: () => running!.network.setupNodes ?? [],
    dial: (publicKey, { signal }) => dmsg.dial({ publicKey, port: SETUP_NODE_PORT }, { signal }),
  });
  const forward = [{ transportId: transportId(local, remote, "stcpr"), from: local, to: remote }];
  const route: BidirectionalRoute = {
    descriptor: {
      source: { publicKey: local, port: node.router.ephemeralPort() },
      destination: { publicKey: remote, port: PING_PORT },
    },
    keepAliveNs: KEEP_ALIVE_NS,
    forward,
    reverse: mirrored(forward),
  };
  return setup.dialRouteGroup(route).then((edge) => node.router.open(edge));
}

await serveCommands({
  /** Starts the visor in a folder that is there, and waits until it is ready and can be dialled; its key. */
  async start({ home, deploymentFile }: { home: string; deploymentFile: string }): Promise<string> {
    running = await runVisor({
      world,
      version: "0.0.0-bench",
      home,
      local: false,
      deploymentFile,
      controlAddress: "127.0.0.1:0",
      logLevel: "error",
      postQuantum,
      onStep: () => {},
    });
    await running.whenReady(AbortSignal.timeout(WAIT_MS));
    const { node: { services }, publicKey } = visor();
    await until("The binding of stcpr", () => services.addressResolver!.resolve("stcpr", publicKey));
    return publicKey;
  },

  /** Makes transports to a visor and takes them off again, the last one excepted; milliseconds of each. */
  async connect({ to, times = 1 }: { to: string; times?: number }): Promise<number[]> {
    const { node: { transports } } = visor();
    const tookMs: number[] = [];
    for (let time = 0; time < times; time++) {
      const startedMs = performance.now();
      const transport = await transports.dial(parsePublicKey(to), "stcpr");
      tookMs.push(performance.now() - startedMs);
      if (time === times - 1) break;
      await transports.remove(transport.id);
      await sleep(world.clock, 20); // the far end has to learn of it
    }
    return tookMs;
  },

  /** Waits until a transport of two visors is in the transport discovery. */
  async awaitRegistered({ edges: [one, other] }: { edges: [string, string] }): Promise<void> {
    const id = transportId(parsePublicKey(one), parsePublicKey(other), "stcpr");
    const { node: { services } } = visor();
    await until("The registration", () => services.transportDiscovery!.byId(id).catch(() => undefined));
  },

  /** Packets of a route that nobody has, in writes of 16; seconds until the far end has read the last one. */
  async packets({ to, bytes }: { to: string; bytes: number }): Promise<number> {
    const [transport] = visor().node.transports.to(parsePublicKey(to));
    const buffers = Array.from({ length: WRITES_AT_ONCE }, () => {
      const packets = new Uint8Array(WRITE_PACKETS * (7 + PACKET_PAYLOAD_BYTES));
      for (let at = 0; at < packets.length; at += PACKET_PAYLOAD_BYTES) {
        at = writePacketHeader(packets, at, PacketType.data, NO_ROUTE, PACKET_PAYLOAD_BYTES);
      }
      return packets;
    });
    const startedMs = performance.now();
    let left = Math.ceil(bytes / (WRITE_PACKETS * PACKET_PAYLOAD_BYTES));
    await Promise.all(buffers.map(async (packets) => {
      while (left-- > 0) await transport!.write(packets);
    }));
    await transport!.ping(); // behind the packets
    return (performance.now() - startedMs) / 1000;
  },

  /**
   * Opens routes to a visor and closes them: `direct` with that visor, `setup node` for one hop, `hops` as given,
   * `found` by the route finder. Milliseconds from the dial to the group being ready.
   */
  async routes({ to, how, through = [], times }: {
    to: string;
    how: "direct" | "setup node" | "hops" | "found";
    through?: string[];
    times: number;
  }): Promise<number[]> {
    const { node: { dialer } } = visor();
    const publicKey = parsePublicKey(to);
    const address = { publicKey, port: PING_PORT };
    if (how === "setup node") return await timesOf(times, () => openBySetupNode(publicKey));
    if (how === "direct") return await timesOf(times, () => dialer.dial(address, { minHops: 1 }));
    if (how === "found") {
      return await timesOf(times, () => dialer.dial(address, { minHops: through.length + 1 }));
    }
    const keys = [visor().publicKey, ...through.map((key) => parsePublicKey(key)), publicKey];
    const forward = keys.slice(1).map((key, index) => ({
      transportId: parseTransportId(transportId(keys[index]!, key, "stcpr")),
    }));
    return await timesOf(times, () => dialer.dial(address, { forward }));
  },

  /** Serves as a proxy. */
  async serveProxy(): Promise<void> {
    await visor().node.launcher.start("skysocks");
  },

  /** Starts a SOCKS proxy that ends at a visor so many hops away; where it listens. */
  async proxy({ to, minHops }: { to: string; minHops: number }): Promise<string> {
    const { launcher } = visor().node;
    const name = `proxy over ${minHops}`;
    const args = ["--srv", to, "--addr", "127.0.0.1:0", "--min-hops", String(minHops)];
    await launcher.start(name, { app: "skysocks-client", args });
    return await until(
      name,
      () => launcher.app(name)?.proxy?.connected ? launcher.app(name)!.proxy!.address : undefined,
    );
  },

  /** Visors that are no more than a key each make one transport to `to`, and keep it. */
  async holdTransports({ to, count, parallel }: { to: string; count: number; parallel: number }) {
    const { node: { services } } = visor();
    const { addressResolver } = services;
    const remote = parsePublicKey(to);
    const known = await addressResolver!.resolve("stcpr", remote);
    const resolver = {
      resolve: () => Promise.resolve(known),
      bindStcpr: () => Promise.resolve(),
      unbindStcpr: () => Promise.resolve(),
    };
    let left = count;
    await Promise.all(Array.from({ length: parallel }, async () => {
      while (left-- > 0) {
        const local = generateKeyPair(world.random);
        const hybrid = new PostQuantum({ ...postQuantum, random: world.random });
        const carrier = stcprCarrier({
          world,
          local,
          resolver,
          addresses: () => [],
          allowLoopback: true,
          postQuantum: hybrid,
        });
        const manager = new TransportManager({ world, local, carriers: [carrier], onPackets: () => {} });
        held.push(manager);
        await manager.dial(remote, "stcpr");
      }
    }));
  },

  async releaseTransports(): Promise<void> {
    await Promise.all(held.map((manager) => manager.close()));
    held = [];
  },

  /** Waits until the visor has exactly so many transports. */
  async awaitTransports({ count }: { count: number }): Promise<void> {
    const { node: { transports } } = visor();
    await until(
      `${count} transports`,
      () => transports.transports().length === count ? count : undefined,
    );
  },

  async stop(): Promise<void> {
    await running?.close();
  },
});
