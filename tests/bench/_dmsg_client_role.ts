/**
 * The roles A and B of the dmsg benches: a client with one session, that dials and sends, or takes streams.
 *
 * A stream of the sink begins with the number of bytes that follow (u64, big endian) and is answered with one byte
 * when they have come.
 *
 * @module
 */
import type { Conn } from "../../lib/base/mod.ts";
import {
  generateKeyPair,
  type KeyPair,
  parsePublicKey,
  type PublicKey,
  webCryptoKem,
} from "../../lib/crypto/mod.ts";
import {
  connectSession,
  DmsgClient,
  MemoryDiscovery,
  parseServerAddress,
  type Session,
} from "../../lib/dmsg/mod.ts";
import { silentLog } from "../../lib/base/mod.ts";
import { PostQuantum, type PostQuantumMode, xkConnect } from "../../lib/noise/mod.ts";
import { type SocketConn, systemWorld } from "../../lib/runtime/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import { putHeader, TYPE_DATA } from "../../lib/yamux/frame.ts";
import { serveCommands } from "./_child.ts";
import type { ServerAddress } from "./_dmsg_network.ts";

const ECHO_PORT = 7;
const SINK_PORT = 9;
/** Takes a stream and never reads it. */
const STALL_PORT = 11;
const WRITE_BYTES = 64 * 1024;

const system = systemWorld();
let socket: SocketConn | undefined; // of the session, for what no client would send
const world = {
  ...system,
  network: {
    ...system.network,
    dial: async (...args: Parameters<typeof system.network.dial>) =>
      socket = await system.network.dial(...args),
  },
};
const kem = webCryptoKem((work) => system.outside(work)); // as the program's own commands have it
let client: DmsgClient;
let server: PublicKey;

// --- taking streams -------------------------------------------------------------------------------

async function take(port: number, serve: (stream: Conn) => Promise<void>): Promise<void> {
  const listener = client.listen(port);
  for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
    const taken = stream;
    serve(taken).catch(() => {}).finally(() => taken.close());
  }
}

async function echo(stream: Conn): Promise<void> {
  for (let view = await stream.read(); view !== null; view = await stream.read()) await stream.write(view);
}

async function sink(stream: Conn): Promise<void> {
  const reader = new ConnReader(stream);
  const head = await reader.readExactly(8);
  let left = Number(new DataView(head.buffer).getBigUint64(0)) - reader.rest().length;
  while (left > 0) {
    const view = await stream.read();
    if (view === null) throw new Error("The sender ended early");
    left -= view.length;
  }
  await stream.write(Uint8Array.of(1));
  await stream.read(); // the sender closes
}

// --- sending --------------------------------------------------------------------------------------

function dial(to: string, port: number): Promise<Conn> {
  return client.dial({ publicKey: to as PublicKey, port }, { via: server });
}

/** Sends `bytes` over one stream; settles when they have arrived. */
async function send(stream: Conn, bytes: number): Promise<void> {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, BigInt(bytes));
  await stream.write(head);
  const chunk = new Uint8Array(WRITE_BYTES).fill(7);
  for (let left = bytes; left > 0; left -= chunk.length) await stream.write(chunk.subarray(0, left));
  if ((await stream.read())?.[0] !== 1) throw new Error("The sink did not say that all has come");
}

const stalled: Conn[] = [];

/** Runs `work` `times` times, `parallel` at once; milliseconds of each. */
async function repeat(times: number, parallel: number, work: () => Promise<void>): Promise<number[]> {
  const tookMs: number[] = [];
  let started = 0;
  await Promise.all(Array.from({ length: parallel }, async () => {
    while (started++ < times) {
      const startMs = performance.now();
      await work();
      tookMs.push(performance.now() - startMs);
    }
  }));
  return tookMs;
}

// --- bare sessions --------------------------------------------------------------------------------

const held: Session[] = [];
let pool: KeyPair[] = [];
const postQuantum = (mode: PostQuantumMode = "offer") =>
  new PostQuantum({ kem, mode, random: system.random });

async function session(to: ServerAddress, postQuantum: PostQuantum): Promise<Session> {
  const address = parseServerAddress(to.address);
  const local = pool.pop() ?? generateKeyPair(system.random);
  const conn = await system.network.dial(address);
  const options = { world: system, local, log: silentLog, onStream: () => {}, postQuantum };
  return await connectSession(conn, address, parsePublicKey(to.publicKey), options);
}

await serveCommands({
  /** Makes the client and its session; its key. */
  async connect(to: ServerAddress): Promise<string> {
    server = parsePublicKey(to.publicKey);
    const entry = {
      version: "0.0.1",
      sequence: 0n,
      timestamp: 1n,
      static: server,
      server: { address: to.address, availableSessions: 1_000 },
    };
    const discovery = new MemoryDiscovery([entry]);
    client = new DmsgClient({
      world,
      local: generateKeyPair(world.random),
      discovery,
      sessionsMin: 1,
      publish: false,
      postQuantum: { kem },
    });
    await client.whenReady(AbortSignal.timeout(10_000));
    void take(ECHO_PORT, echo);
    void take(SINK_PORT, sink);
    void take(STALL_PORT, () => new Promise(() => {}));
    return client.publicKey;
  },

  /** Opens and closes streams to an echo port; milliseconds of each opening. */
  async dials({ to, times, parallel }: { to: string; times: number; parallel: number }) {
    const startMs = performance.now();
    const tookMs = await repeat(times, parallel, async () => (await dial(to, ECHO_PORT)).close());
    return { tookMs, seconds: (performance.now() - startMs) / 1000 };
  },

  /** Round trips of `bytes` on one stream; milliseconds of each. */
  async echoes({ to, times, bytes }: { to: string; times: number; bytes: number }): Promise<number[]> {
    const stream = await dial(to, ECHO_PORT);
    const message = new Uint8Array(bytes).fill(7);
    const tookMs = await repeat(times, 1, async () => {
      await stream.write(message);
      for (let left = bytes; left > 0;) left -= (await stream.read())!.length;
    });
    stream.close();
    return tookMs;
  },

  /** Sends `bytes` over so many streams; seconds from the first byte to the last arrival. */
  async bulk({ to, streams, bytes }: { to: string; streams: number; bytes: number }): Promise<number> {
    const all = await Promise.all(Array.from({ length: streams }, () => dial(to, SINK_PORT)));
    const startMs = performance.now();
    await Promise.all(all.map((stream) => send(stream, bytes / streams)));
    const seconds = (performance.now() - startMs) / 1000;
    for (const stream of all) stream.close();
    return seconds;
  },

  /** A stream whose reader never reads: filled until nothing more goes. */
  async stall({ to }: { to: string }): Promise<void> {
    const stream = await dial(to, STALL_PORT);
    stalled.push(stream);
    let isStuck = false;
    const chunk = new Uint8Array(WRITE_BYTES);
    const fill = async () => {
      while (true) {
        const timer = setTimeout(() => isStuck = true, 200);
        await stream.write(chunk);
        clearTimeout(timer);
      }
    };
    fill().catch(() => {});
    while (!isStuck) await new Promise((resolve) => setTimeout(resolve, 20));
  },

  /** Half of a yamux Data frame on the first stream of the session, and nothing more. The session is then spoilt. */
  async stopInMidFrame({ to }: { to: string }): Promise<void> {
    stalled.push(await dial(to, SINK_PORT));
    const half = new Uint8Array(12 + 2_048);
    putHeader(half, 0, TYPE_DATA, 0, 1, 4_096);
    await socket!.write(half);
  },

  /** Ends what `stall` and `stopInMidFrame` began. */
  unstall(): void {
    for (const stream of stalled.splice(0)) stream.close(new Error("Bench is over"));
  },

  /** Keys for `handshakes` and `hold`, so that making them is not measured. */
  makeKeys({ count }: { count: number }): void {
    pool = Array.from({ length: count }, () => generateKeyPair(system.random));
  },

  /** Whole sessions one after the other on each of `parallel` lanes; seconds in all. */
  async handshakes(
    { times, parallel, mode, ...to }: ServerAddress & {
      times: number;
      parallel: number;
      mode: PostQuantumMode;
    },
  ): Promise<number> {
    const policy = postQuantum(mode);
    const startMs = performance.now();
    await repeat(times, parallel, async () => (await session(to, policy)).close());
    return (performance.now() - startMs) / 1000;
  },

  /** TCP and noise until our last message is out, one at a time; milliseconds of each. */
  handshakeTimes({ times, ...to }: ServerAddress & { times: number }): Promise<number[]> {
    const remote = parsePublicKey(to.publicKey);
    const policy = postQuantum();
    return repeat(times, 1, async () => {
      const conn = await system.network.dial(parseServerAddress(to.address));
      const local = pool.pop()!;
      using extension = policy.begin("initiator");
      const options = { local, remote, extension, clock: system.clock, random: system.random };
      (await xkConnect(conn, options)).conn.close();
    });
  },

  /** Makes sessions and keeps them. */
  async hold({ times, parallel, ...to }: ServerAddress & { times: number; parallel: number }): Promise<void> {
    const policy = postQuantum();
    await repeat(times, parallel, async () => void held.push(await session(to, policy)));
  },

  /** Ends the kept sessions. */
  async release(): Promise<void> {
    for (const session of held) session.close();
    await Promise.all(held.splice(0).map((session) => session.closed));
  },
});
