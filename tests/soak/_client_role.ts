/**
 * The role of many clients in one process: each has its session, echoes what comes, and opens streams to others at
 * a steady pace.
 *
 * @module
 */
import { type Conn, describeError } from "../../lib/base/mod.ts";
import { generateKeyPair, parsePublicKey, type PublicKey, webCryptoKem } from "../../lib/crypto/mod.ts";
import { DmsgClient, MemoryDiscovery } from "../../lib/dmsg/mod.ts";
import { sleep, systemWorld } from "../../lib/runtime/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import { serveCommands } from "../bench/_child.ts";
import type { ServerAddress } from "../bench/_dmsg_network.ts";

/** A stream that failed, with the key that was dialled: whoever asks knows whether that one had left. */
export interface Failure {
  readonly peer: string;
  /** Unix time. */
  readonly atMs: number;
  readonly reason: string;
}

/** What the streams of one process have come to since the start. */
export interface TrafficCounts {
  /** Opened, echoed, closed. */
  readonly done: number;
  readonly underWay: number;
  /** Not opened in their turn, since {@link UNDER_WAY_MAX} of that client were under way. */
  readonly late: number;
  readonly failures: readonly Failure[];
}

const ECHO_PORT = 7;
/** Of one client: a server that does not keep up is told by `late`, not by memory. */
const UNDER_WAY_MAX = 16;
const FAILURES_KEPT_MAX = 10_000;
const STREAM_TIMEOUT_MS = 20_000;
/** Longest message; the shortest has one byte. */
const MESSAGE_BYTES_MAX = 16 * 1024;

const world = systemWorld();
const kem = webCryptoKem((work) => world.outside(work)); // as the program's own commands have it
const clients = new Map<PublicKey, { client: DmsgClient; ending: AbortController; pacing: Promise<void> }>();
let server: ServerAddress;
let peers: PublicKey[] = [];
let done = 0, underWay = 0, late = 0;
const failures: Failure[] = [];

async function echo(client: DmsgClient): Promise<void> {
  const listener = client.listen(ECHO_PORT);
  for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
    const taken = stream;
    (async () => {
      for (let view = await taken.read(); view !== null; view = await taken.read()) await taken.write(view);
    })().catch(() => {}).finally(() => taken.close()); // the one that dialled tells what went wrong
  }
}

/** One stream: a message there and back, every byte compared. */
async function talk(client: DmsgClient, peer: PublicKey): Promise<void> {
  const message = world.random.bytes(1 + Math.floor(Math.random() ** 3 * MESSAGE_BYTES_MAX));
  let stream: Conn | undefined;
  const signal = AbortSignal.timeout(STREAM_TIMEOUT_MS);
  const end = () => stream?.close(signal.reason);
  signal.addEventListener("abort", end, { once: true });
  try {
    stream = await client.dial({ publicKey: peer, port: ECHO_PORT }, {
      via: parsePublicKey(server.publicKey),
      signal,
    });
    await stream.write(message);
    const came = await new ConnReader(stream).readExactly(message.length);
    if (came.some((byte, index) => byte !== message[index])) throw new Error("The echo differs");
  } finally {
    signal.removeEventListener("abort", end);
    stream?.close();
  }
}

/** Opens a stream each `1 / perSecond`, from a random moment on, until the client is taken off. */
async function pace(client: DmsgClient, perSecond: number, signal: AbortSignal): Promise<void> {
  const everyMs = 1_000 / perSecond;
  let own = 0;
  await sleep(world.clock, Math.random() * everyMs, signal);
  for (let nextMs = world.clock.monotonicMs();;) {
    const peer = peers[Math.floor(Math.random() * peers.length)];
    if (peer === undefined || peer === client.publicKey) { /* nobody to talk to in this turn */ }
    else if (own >= UNDER_WAY_MAX) late++;
    else {
      own++;
      underWay++;
      talk(client, peer).then(() => void done++, (error) => {
        if (signal.aborted) return; // its own end took it
        if (failures.length < FAILURES_KEPT_MAX) {
          failures.push({ peer, atMs: Date.now(), reason: describeError(error) });
        }
      }).finally(() => {
        own--;
        underWay--;
      });
    }
    nextMs += everyMs;
    await sleep(world.clock, Math.max(0, nextMs - world.clock.monotonicMs()), signal);
  }
}

async function add(perSecond: number): Promise<string> {
  const entry = {
    version: "0.0.1",
    sequence: 0n,
    timestamp: 1n,
    static: parsePublicKey(server.publicKey),
    server: { address: server.address, availableSessions: 1_000 },
  };
  const client = new DmsgClient({
    world,
    local: generateKeyPair(world.random),
    discovery: new MemoryDiscovery([entry]),
    sessionsMin: 1,
    publish: false,
    postQuantum: { kem },
  });
  await client.whenReady(AbortSignal.timeout(20_000));
  void echo(client);
  const ending = new AbortController();
  const pacing = pace(client, perSecond, ending.signal).catch(() => {}); // it ends by its signal
  clients.set(client.publicKey, { client, ending, pacing });
  return client.publicKey;
}

async function remove(key: PublicKey): Promise<void> {
  const { client, ending, pacing } = clients.get(key)!;
  clients.delete(key);
  ending.abort();
  await client[Symbol.asyncDispose]();
  await pacing;
}

await serveCommands({
  /** Makes `count` clients; their keys. */
  async join(
    { count, perSecond, ...to }: ServerAddress & { count: number; perSecond: number },
  ): Promise<string[]> {
    server = to;
    return await Promise.all(Array.from({ length: count }, () => add(perSecond)));
  },

  /** Who is there to be dialled, from now on. */
  meet({ keys }: { keys: string[] }): void {
    peers = keys as PublicKey[];
  },

  /** Takes one client off without a word to anybody, and adds a new one. */
  async churn({ perSecond }: { perSecond: number }): Promise<{ gone: string; came: string }> {
    const keys = [...clients.keys()];
    const gone = keys[Math.floor(Math.random() * keys.length)]!;
    await remove(gone);
    return { gone, came: await add(perSecond) };
  },

  counts(): TrafficCounts {
    return { done, underWay, late, failures };
  },

  /** No further streams; those under way may end. */
  async rest(): Promise<void> {
    peers = [];
    for (let waitedMs = 0; underWay > 0 && waitedMs < STREAM_TIMEOUT_MS; waitedMs += 50) {
      await sleep(world.clock, 50);
    }
  },

  /** Everybody leaves; what is alive then. */
  async leave(): Promise<Record<string, number>> {
    await Promise.all([...clients.keys()].map(remove));
    for (let waitedMs = 0; Object.keys(world.ledger.live()).length > 0 && waitedMs < 3_000; waitedMs += 50) {
      await sleep(world.clock, 50);
    }
    return world.ledger.live();
  },
});
