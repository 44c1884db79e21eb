/**
 * CPU seconds per GB of a relay that splices the streams of two sessions; source, relay and sink are processes
 * of their own on loopback TCP. The floor is a relay that copies one socket to another.
 *
 *     deno run -A tests/bench/yamux_relay_bench.ts [--json] [--mb 1024] [--frames 4096]
 *
 * The source writes 64 KiB at a time per stream; `--frames` cuts them into Data frames of that size, as a Go
 * client does with its noise frames (our own sessions would send one of 64 KiB).
 *
 * @module
 */
import process from "node:process";
import type { BenchRow } from "../../scripts/bench.ts";
import { bridge, type Conn } from "../../lib/base/mod.ts";
import { systemWorld } from "../../lib/runtime/mod.ts";
import { putHeader } from "../../lib/yamux/frame.ts";
import { spliceStreams, YamuxSession, type YamuxStream } from "../../lib/yamux/mod.ts";

const WRITE_BYTES = 64 * 1024;
const BENCH_RUNS = 3;
const BENCH_BYTES = 400e6;
const LOOPBACK = "127.0.0.1";
const world = systemWorld();

export interface RelayResult {
  readonly relay: "raw" | "yamux";
  readonly streams: number;
  readonly frameBytes: number;
  readonly cpuSecondsPerGb: number;
  readonly mbPerSecond: number;
  readonly rssMib: number;
}

interface Flags {
  readonly mb: number;
  readonly frames: number;
}

// --- roles: each prints one line of JSON when it is ready, one when it is done -----------------------

function say(value: unknown): void {
  console.log(JSON.stringify(value));
}

/** Listens for the source, dials the sink, relays until the source ends. */
async function relay(kind: "raw" | "yamux", sinkPort: number): Promise<void> {
  const listener = await world.network.listen({ hostname: LOOPBACK, port: 0 });
  say({ port: listener.address.port });
  const [source, sink] = [
    (await listener.accept())!,
    await world.network.dial({ hostname: LOOPBACK, port: sinkPort }),
  ];
  listener.close();
  const before = process.cpuUsage();
  let rssMib = 0;
  if (kind === "raw") {
    await bridge(source, sink).catch(() => {});
  } else {
    const out = new YamuxSession(sink, { role: "client", world, onStream() {} });
    const into = new YamuxSession(source, {
      role: "server",
      world,
      onStream: (stream) => void spliceStreams(stream, out.open(), { idleMs: 300_000 }).catch(() => {}),
    });
    await into.closed;
    out.close();
    await out.closed;
  }
  rssMib = Math.round(Deno.memoryUsage().rss / 1024 / 1024);
  const used = process.cpuUsage(before);
  say({ cpuSeconds: (used.user + used.system) / 1e6, rssMib });
}

/** Takes everything and says how much it was. */
async function sink(kind: "raw" | "yamux", total: number): Promise<void> {
  const listener = await world.network.listen({ hostname: LOOPBACK, port: 0 });
  say({ port: listener.address.port });
  const conn = (await listener.accept())!;
  listener.close();
  let got = 0, startedMs = 0;
  const done = Promise.withResolvers<void>();
  const take = async (from: Conn) => {
    for (let view = await from.read(); view !== null; view = await from.read()) {
      startedMs ||= world.clock.monotonicMs();
      got += view.length;
      if (got >= total) done.resolve();
    }
  };
  const ignore = () => {};
  if (kind === "raw") take(conn).catch(ignore);
  else {new YamuxSession(conn, {
      role: "server",
      world,
      onStream: (stream) => void take(stream).catch(ignore),
    });}
  await done.promise;
  say({ got, seconds: (world.clock.monotonicMs() - startedMs) / 1000 });
  conn.close();
  Deno.exit(0);
}

/** Sends `total` bytes over `streams` streams. */
async function source(
  kind: "raw" | "yamux",
  port: number,
  total: number,
  streams: number,
  frameBytes: number,
) {
  const conn = await world.network.dial({ hostname: LOOPBACK, port });
  const each = total / streams;
  const chunk = new Uint8Array(WRITE_BYTES).fill(7);
  const send = async (to: Conn) => {
    for (let sent = 0; sent < each; sent += chunk.length) await to.write(chunk);
  };
  if (kind === "raw") await Promise.all(Array.from({ length: streams }, () => send(conn)));
  else if (frameBytes >= WRITE_BYTES) {
    const session = new YamuxSession(conn, { role: "client", world, onStream() {} });
    const all: YamuxStream[] = Array.from({ length: streams }, () => session.open());
    await Promise.all(all.map(send));
  } else await sendFrames(conn, streams, each, frameBytes);
  await Deno.stdin.read(new Uint8Array(1)); // the sink has everything
  conn.close();
  Deno.exit(0);
}

/** A sender with frames of a given size: the least that keeps to the windows. */
async function sendFrames(conn: Conn, streams: number, each: number, frameBytes: number): Promise<void> {
  const ids = Array.from({ length: streams }, (_, index) => 2 * index + 1);
  const windows = new Map(ids.map((id) => [id, 256 * 1024]));
  const left = new Map(ids.map((id) => [id, each]));
  let wake = () => {};
  const { FrameReader } = await import("../../lib/yamux/_frame_reader.ts");
  const reader = new FrameReader({
    onHeader: (type, _flags, id, length) => {
      if (type === 1) windows.set(id, windows.get(id)! + length);
      wake();
    },
    onPayload() {},
  });
  void (async () => {
    for (let view = await conn.read(); view !== null; view = await conn.read()) reader.push(view);
  })().catch(() => {});
  for (const id of ids) {
    const syn = new Uint8Array(12);
    putHeader(syn, 0, 1, 1, id, 0);
    await conn.write(syn);
  }
  const perWrite = Math.floor(WRITE_BYTES / frameBytes);
  const batch = new Uint8Array(perWrite * (frameBytes + 12)).fill(7);
  while (left.size > 0) {
    let isIdle = true;
    for (const [id, bytes] of left) {
      if (windows.get(id)! < WRITE_BYTES) continue;
      isIdle = false;
      for (let frame = 0; frame < perWrite; frame++) {
        putHeader(batch, frame * (frameBytes + 12), 0, 0, id, frameBytes);
      }
      windows.set(id, windows.get(id)! - perWrite * frameBytes);
      await conn.write(batch);
      if (bytes <= perWrite * frameBytes) left.delete(id);
      else left.set(id, bytes - perWrite * frameBytes);
    }
    if (isIdle) await new Promise<void>((resolve) => wake = resolve);
  }
}

// --- the bench -------------------------------------------------------------------------------------

class Role {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  constructor(...args: (string | number)[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", import.meta.filename!, ...args.map(String)],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = lines(this.#child.stdout);
  }
  async next<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("A role of the bench has ended early");
    return JSON.parse(value);
  }
  async end(): Promise<void> {
    await this.#child.stdin.close().catch(() => {});
    await this.#child.status;
  }
}

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

export async function measureRelay(
  kind: "raw" | "yamux",
  { streams, frameBytes, bytes }: { streams: number; frameBytes: number; bytes: number },
): Promise<RelayResult> {
  const total = Math.ceil(bytes / streams / WRITE_BYTES) * WRITE_BYTES * streams;
  const sinkRole = new Role("sink", kind, total);
  const { port: sinkPort } = await sinkRole.next<{ port: number }>();
  const relayRole = new Role("relay", kind, sinkPort);
  const { port } = await relayRole.next<{ port: number }>();
  const sourceRole = new Role("source", kind, port, total, streams, frameBytes);
  const { got, seconds } = await sinkRole.next<{ got: number; seconds: number }>();
  await sourceRole.end();
  const { cpuSeconds, rssMib } = await relayRole.next<{ cpuSeconds: number; rssMib: number }>();
  await Promise.all([relayRole.end(), sinkRole.end()]);
  return {
    relay: kind,
    streams,
    frameBytes,
    cpuSecondsPerGb: Number((cpuSeconds / got * 1e9).toFixed(3)),
    mbPerSecond: Math.round(got / seconds / 1e6),
    rssMib,
  };
}

/** For `deno task bench`: what the server's ceiling is, without handshakes and ciphers around it. */
export default async function relayBench(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [kind, streams] of [["raw", 1], ["yamux", 1], ["yamux", 16]] as const) {
    const runs: RelayResult[] = [];
    for (let run = 0; run < BENCH_RUNS; run++) {
      runs.push(await measureRelay(kind, { streams, frameBytes: 4_096, bytes: BENCH_BYTES }));
    }
    const value = runs.map(({ cpuSecondsPerGb }) => cpuSecondsPerGb).sort((a, b) => a - b)[BENCH_RUNS >> 1]!;
    const name = kind === "raw"
      ? "relay: sockets only"
      : `relay: yamux, frames of 4 KiB, streams: ${streams}`;
    rows.push({ name: `${name}, CPU`, value, unit: "s/GB", lessIsBetter: true });
  }
  return rows;
}

async function main({ mb, frames }: Flags, isJson: boolean): Promise<void> {
  const bytes = mb * 1e6;
  const results = [await measureRelay("raw", { streams: 1, frameBytes: WRITE_BYTES, bytes })];
  for (const frameBytes of [...new Set([frames, WRITE_BYTES])]) {
    for (const streams of [1, 16]) results.push(await measureRelay("yamux", { streams, frameBytes, bytes }));
  }
  if (isJson) console.log(JSON.stringify(results));
  else console.table(results);
}

function flag(name: string, fallback: number): number {
  const index = Deno.args.indexOf(`--${name}`);
  return index < 0 ? fallback : Number(Deno.args[index + 1]);
}

if (import.meta.main) {
  const [role, kind, ...numbers] = Deno.args;
  const [first, second, third, fourth] = numbers.map(Number) as [number, number, number, number];
  const isRaw = kind === "raw" ? "raw" : "yamux";
  // A role ends with its parent; the source reads stdin by itself.
  if (role === "relay" || role === "sink") void Deno.stdin.read(new Uint8Array(1)).then(() => Deno.exit(0));
  if (role === "relay") await relay(isRaw, first);
  else if (role === "sink") await sink(isRaw, first);
  else if (role === "source") await source(isRaw, first, second, third, fourth);
  else await main({ mb: flag("mb", 1000), frames: flag("frames", 4096) }, Deno.args.includes("--json"));
}
