/**
 * What a SOCKS connection costs through skysocks: program, client, server and target in one process, the Conn
 * between client and server a memory pair, bare or inside noise twice (as a route over an encrypted transport).
 * The floor is the same transfer over one loopback socket; what is above it is the proxy's.
 *
 *     deno run -A tests/bench/skysocks_bench.ts [--json] [--mb 400]
 *
 * @module
 */
import process from "node:process";
import type { BenchRow } from "../../scripts/bench.ts";
import { type Conn, memoryPair, silentLog } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { noiseConn } from "../../lib/noise/mod.ts";
import { connectSocks, SkysocksClient, skysocksServer } from "../../lib/proxy/mod.ts";
import { type SocketAddress, systemWorld } from "../../lib/runtime/mod.ts";

const LOOPBACK = "127.0.0.1";
const BENCH_RUNS = 3;
const BENCH_BYTES = 400e6;
const WRITE_BYTES = 256 * 1024;
/** Between client and server: as much as a route group holds for a reader. */
const PAIR_BYTES = 1024 * 1024;
const world = systemWorld();

/** How bytes get from the target to the program. */
export type Way = "socket" | "skysocks" | "skysocks, noise twice";

export interface SkysocksResult {
  readonly way: Way;
  readonly connections: number;
  readonly mbPerSecond: number;
  readonly cpuSecondsPerGb: number;
}

function inNoise(pair: [Conn, Conn], fill: number): [Conn, Conn] {
  const [one, other] = [new Uint8Array(32).fill(fill), new Uint8Array(32).fill(fill + 1)];
  return [
    noiseConn(pair[0], { send: one, receive: other }),
    noiseConn(pair[1], { send: other, receive: one }),
  ];
}

/** A listener that sends `bytes` to whoever comes. */
async function source(bytes: number): Promise<{ address: SocketAddress; close: () => Promise<void> }> {
  const listener = await world.network.listen({ hostname: LOOPBACK, port: 0 });
  const chunk = new Uint8Array(WRITE_BYTES).fill(7);
  const loop = (async () => {
    for (let conn = await listener.accept(); conn !== null; conn = await listener.accept()) {
      const to = conn;
      void (async () => {
        for (let sent = 0; sent < bytes; sent += chunk.length) await to.write(chunk);
        await to.closeWrite();
        await to.read();
        to.close();
      })().catch((error) => to.close(error));
    }
  })();
  return {
    address: { hostname: LOOPBACK, port: listener.address.port },
    close: () => (listener.close(), loop),
  };
}

async function drain(conn: Conn): Promise<number> {
  let got = 0;
  for (let view = await conn.read(); view !== null; view = await conn.read()) got += view.length;
  conn.close();
  return got;
}

/** Starts the proxy; the function connects a program through it. */
async function proxy(
  layers: number,
): Promise<{ connect: (to: SocketAddress) => Promise<Conn>; close: () => Promise<void> }> {
  const remote = { publicKey: keyPairFromSeed(new TextEncoder().encode("bench")).publicKey };
  const offered = Promise.withResolvers<Conn>();
  const ended = Promise.withResolvers<null>();
  let isTaken = false;
  const server = skysocksServer({
    world,
    listener: {
      accept: async () => {
        if (isTaken) return await ended.promise;
        isTaken = true;
        return Object.assign(await offered.promise, { remote });
      },
      close: () => ended.resolve(null),
    },
    dialTcp: (to, options) => world.network.dial(to, options),
    log: silentLog,
  });
  const client = await SkysocksClient.start({
    world,
    listen: { hostname: LOOPBACK, port: 0 },
    log: silentLog,
    dial: () => {
      let pair = memoryPair({ bytesMax: PAIR_BYTES });
      for (let layer = 0; layer < layers; layer++) pair = inNoise(pair, 2 * layer);
      offered.resolve(pair[1]);
      return Promise.resolve(pair[0]);
    },
  });
  await client.ready(5_000);
  return {
    connect: async (to) =>
      (await connectSocks(await world.network.dial(client.listen), to, { clock: world.clock })).conn,
    close: async () => {
      await client.close();
      await server.close();
    },
  };
}

/** One transfer of `bytes` in all, over so many connections at once. */
export async function measureSkysocks(way: Way, connections: number, bytes: number): Promise<SkysocksResult> {
  const target = await source(bytes / connections);
  const through = way === "socket" ? undefined : await proxy(way === "skysocks" ? 0 : 2);
  const connect = through?.connect ?? ((to: SocketAddress) => world.network.dial(to));
  const conns = await Promise.all(Array.from({ length: connections }, () => connect(target.address)));
  const before = process.cpuUsage();
  const startedMs = world.clock.monotonicMs();
  const got = (await Promise.all(conns.map(drain))).reduce((sum, each) => sum + each, 0);
  const seconds = (world.clock.monotonicMs() - startedMs) / 1000;
  const used = process.cpuUsage(before);
  await through?.close();
  await target.close();
  return {
    way,
    connections,
    mbPerSecond: Math.round(got / seconds / 1e6),
    cpuSecondsPerGb: Number(((used.user + used.system) / 1e6 / got * 1e9).toFixed(2)),
  };
}

const CASES: readonly (readonly [Way, number])[] = [
  ["socket", 1],
  ["skysocks", 1],
  ["skysocks", 16],
  ["skysocks, noise twice", 1],
];

/** For `deno task bench`. */
export default async function skysocksBench(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [way, connections] of CASES) {
    const runs: SkysocksResult[] = [];
    for (let run = 0; run < BENCH_RUNS; run++) {
      runs.push(await measureSkysocks(way, connections, BENCH_BYTES));
    }
    runs.sort((a, b) => a.mbPerSecond - b.mbPerSecond);
    const { mbPerSecond, cpuSecondsPerGb } = runs[BENCH_RUNS >> 1]!;
    const name = `proxy: ${way}, connections: ${connections}`;
    rows.push({ name, value: mbPerSecond, unit: "MB/s" });
    rows.push({ name: `${name}, CPU`, value: cpuSecondsPerGb, unit: "s/GB", lessIsBetter: true });
  }
  return rows;
}

if (import.meta.main) {
  const index = Deno.args.indexOf("--mb");
  const bytes = (index < 0 ? 400 : Number(Deno.args[index + 1])) * 1e6;
  const results: SkysocksResult[] = [];
  for (const [way, connections] of CASES) results.push(await measureSkysocks(way, connections, bytes));
  if (Deno.args.includes("--json")) console.log(JSON.stringify(results));
  else console.table(results);
}
