/**
 * What an idle yamux session costs, beside the connection below it: heap of sessions, and of streams in them.
 *
 *     deno run -A --v8-flags=--expose-gc tests/bench/yamux_idle_bench.ts [--json]
 *
 * @module
 */
import type { BenchRow } from "../../scripts/bench.ts";
import { type Conn, Ledger } from "../../lib/base/mod.ts";
import { systemClock } from "../../lib/runtime/system/clock.ts";
import { YamuxSession } from "../../lib/yamux/mod.ts";

const SESSIONS = 1_000;
const STREAMS = 10;

/** A connection that costs nothing: no byte ever comes. */
class SilentConn implements Conn {
  readonly halfClose = true;
  readonly #closed = Promise.withResolvers<void>();
  readonly #reading = Promise.withResolvers<null>();
  readonly closed = this.#closed.promise;
  read(): Promise<null> {
    return this.#reading.promise;
  }
  write(): Promise<void> {
    return Promise.resolve();
  }
  closeWrite(): Promise<void> {
    return Promise.resolve();
  }
  close(): void {
    this.#reading.resolve(null);
    this.#closed.resolve();
  }
}

async function heapBytes(): Promise<number> {
  const collect = (globalThis as { gc?: () => void }).gc;
  if (collect === undefined) throw new Error("Run with --v8-flags=--expose-gc");
  for (let round = 0; round < 4; round++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return Deno.memoryUsage().heapUsed;
}

export interface IdleResult {
  readonly what: string;
  readonly heapBytesEach: number;
}

export async function measureIdle(): Promise<IdleResult[]> {
  const ledger = new Ledger();
  const world = { ledger, clock: systemClock(ledger) };
  const make = (conn: Conn) => new YamuxSession(conn, { role: "client", world, onStream() {} });
  for (const session of Array.from({ length: 20 }, () => make(new SilentConn()))) session.close(); // compiled
  const conns = Array.from({ length: SESSIONS }, () => new SilentConn());
  const empty = await heapBytes();
  const sessions = conns.map(make);
  const idle = await heapBytes();
  for (const session of sessions) for (let count = 0; count < STREAMS; count++) session.open();
  const withStreams = await heapBytes();
  for (const session of sessions) session.close();
  await Promise.all(sessions.map(({ closed }) => closed));
  return [
    { what: "idle session", heapBytesEach: Math.round((idle - empty) / SESSIONS) },
    { what: "idle stream", heapBytesEach: Math.round((withStreams - idle) / SESSIONS / STREAMS) },
  ];
}

/** For `deno task bench`. */
export default async function idleBench(): Promise<BenchRow[]> {
  return (await measureIdle()).map(({ what, heapBytesEach }) => ({
    name: `yamux: heap of an ${what}`,
    value: heapBytesEach,
    unit: "B",
    lessIsBetter: true,
  }));
}

if (import.meta.main) {
  const results = await measureIdle();
  if (Deno.args.includes("--json")) console.log(JSON.stringify(results));
  else console.table(results);
}
