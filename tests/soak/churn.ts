/**
 * A server under a fleet that comes and goes, over real sockets: what it uses each minute, and whether that grows.
 *
 * One process for the server, a few for the clients. What fails because the one that was dialled had left is
 * counted apart: everything else is an error.
 *
 * @module
 */
import { Child } from "../bench/_child.ts";
import type { ServerAddress } from "../bench/_dmsg_network.ts";
import type { TrafficCounts } from "./_client_role.ts";

export interface ChurnOptions {
  readonly minutes: number;
  readonly clients: number;
  readonly processes: number;
  readonly perSecond: number;
  /** Share of the fleet that is replaced each minute, in percent. */
  readonly churnPct: number;
  readonly onMinute: (row: MinuteRow) => void;
}

/** What was true at the end of a minute. Memory is the server's, after a collection of garbage. */
export interface MinuteRow {
  readonly minute: number;
  readonly rssMb: number;
  readonly heapMb: number;
  readonly handles: number;
  readonly sessions: number;
  /** Mux streams of the server, both sides of each bridge. */
  readonly muxStreams: number;
  readonly cpuPct: number;
  /** Since the start. */
  readonly streams: number;
  readonly errors: number;
  readonly churnFailures: number;
  readonly late: number;
}

export interface ChurnReport {
  readonly rows: readonly MinuteRow[];
  /** Least squares over the second half of the rows: caches and the JIT have warmed up by then. */
  readonly rssMbPerHour: number;
  /** See {@link heapSlopePerHour}. */
  readonly heapMbPerHour: number;
  readonly streams: number;
  readonly errors: number;
  readonly reasons: Readonly<Record<string, number>>;
  /** When all clients had left. */
  readonly atRest: {
    readonly heapMb: number;
    readonly handles: number;
    readonly live: Readonly<Record<string, number>>;
  };
  readonly before: { readonly heapMb: number; readonly handles: number };
  readonly complaints: readonly string[];
}

/** Above this the server would double within a working day. */
const HEAP_MB_PER_HOUR_MAX = 20;
const ERROR_SHARE_MAX = 1e-4;
/** What a server that served a fleet holds more than a fresh one: code, caches, pooled buffers. */
const HEAP_AT_REST_MB_MAX = 12;

/** After the last client has left: the server hears of it, and its sockets linger. */
const LINGER_MS = 3_000;

export async function soakChurn(options: ChurnOptions): Promise<ChurnReport> {
  const { minutes, clients, processes, perSecond, churnPct, onMinute } = options;
  await using server = new Child("../soak/_server_role.ts");
  const address = await server.ask<ServerAddress>("listen");
  await using stack = new AsyncDisposableStack();
  const fleet = Array.from({ length: processes }, () => stack.use(new Child("../soak/_client_role.ts")));
  // One client comes and goes first: the runtime opens files of its own with the first session, and keeps them.
  await fleet[0]!.ask("join", { ...address, count: 1, perSecond });
  await fleet[0]!.ask("leave");
  await until(performance.now() + LINGER_MS);
  const before = await used(server);
  let keys: string[] = [];
  for (const [index, child] of fleet.entries()) {
    const count = Math.floor((clients + index) / processes);
    keys.push(...await child.ask<string[]>("join", { ...address, count, perSecond }));
  }
  const meet = () => Promise.all(fleet.map((child) => child.ask("meet", { keys })));
  await meet();
  /** When each that left did, as Unix time. */
  const gone = new Map<string, number>();
  const rows: MinuteRow[] = [];
  const startMs = performance.now();
  let cpuSeconds = (await server.usage()).cpuSeconds;
  const changesPerMinute = Math.max(1, Math.round(keys.length * churnPct / 100));
  for (let minute = 1; minute <= minutes; minute++) {
    for (let change = 1; change <= changesPerMinute; change++) {
      await until(startMs + (minute - 1 + change / (changesPerMinute + 1)) * 60_000);
      const leavesMs = Date.now();
      const swapped = await fleet[(minute + change) % fleet.length]!
        .ask<{ gone: string; came: string }>("churn", { perSecond });
      gone.set(swapped.gone, leavesMs);
      keys = [...keys.filter((key) => key !== swapped.gone), swapped.came];
      await meet();
    }
    await until(startMs + minute * 60_000);
    const use = await used(server);
    const { sessions, ledger } = await server.ask<{ sessions: number; ledger: Record<string, number> }>(
      "live",
    );
    const counts = await tally(fleet, gone);
    const row: MinuteRow = {
      minute,
      ...use,
      sessions,
      muxStreams: ledger["yamux-stream"] ?? 0,
      cpuPct: Math.round((use.cpuSeconds - cpuSeconds) / 0.6),
      streams: counts.streams,
      errors: counts.errors,
      churnFailures: counts.churnFailures,
      late: counts.late,
    };
    cpuSeconds = use.cpuSeconds;
    rows.push(row);
    onMinute(row);
  }
  await Promise.all(fleet.map((child) => child.ask("rest")));
  const counts = await tally(fleet, gone);
  for (const child of fleet) {
    const left = await child.ask<Record<string, number>>("leave");
    if (Object.keys(left).length > 0) {
      counts.complaints.push(`a client process keeps ${JSON.stringify(left)}`);
    }
  }
  await until(performance.now() + LINGER_MS);
  const atRest = await used(server);
  const { ledger: live } = await server.ask<{ ledger: Record<string, number> }>("live");
  const half = rows.slice(Math.floor(rows.length / 2));
  const report = {
    rows,
    rssMbPerHour: slopePerHour(half.map(({ rssMb }) => rssMb)),
    heapMbPerHour: heapSlopePerHour(rows),
    streams: counts.streams,
    errors: counts.errors,
    reasons: counts.reasons,
    before,
    atRest: { ...atRest, live },
  };
  return { ...report, complaints: [...counts.complaints, ...complaintsOf(report)] };
}

/** Why a run is bad, as far as figures say. */
export function complaintsOf(report: Omit<ChurnReport, "complaints">): string[] {
  const { rows, heapMbPerHour, streams, errors, before, atRest } = report;
  const complaints: string[] = [];
  if (rows.length >= 5 && heapMbPerHour > HEAP_MB_PER_HOUR_MAX) {
    complaints.push(`the heap grows by ${heapMbPerHour.toFixed(1)} MB/h`);
  }
  if (errors > Math.max(1, streams * ERROR_SHARE_MAX)) {
    complaints.push(`${errors} errors in ${streams} streams`);
  }
  if (streams === 0) complaints.push("no stream was carried");
  if (atRest.handles > before.handles) {
    complaints.push(`${atRest.handles - before.handles} handles too many at rest`);
  }
  if (atRest.heapMb - before.heapMb > HEAP_AT_REST_MB_MAX) {
    complaints.push(`${(atRest.heapMb - before.heapMb).toFixed(1)} MB of heap more at rest than before`);
  }
  for (const [kind, count] of Object.entries(atRest.live)) {
    if (/session|stream|yamux|noise/.test(kind)) complaints.push(`${count} ${kind} alive at rest`);
  }
  return complaints;
}

/**
 * The growth of the heap in MB per hour, without what the streams under way in that moment hold: the least squares
 * of `heap = a + b * minute + c * streams` over all rows but the first, in which the JIT warms up. A row that falls
 * into a burst has many streams, and is no growth.
 */
export function heapSlopePerHour(rows: readonly Pick<MinuteRow, "heapMb" | "muxStreams">[]): number {
  const heap = rows.slice(1).map(({ heapMb }) => heapMb);
  const streams = rows.slice(1).map(({ muxStreams }) => muxStreams);
  const perStream = slopeOver(residues(streams), residues(heap));
  return slopePerHour(heap.map((mb, minute) => mb - perStream * streams[minute]!));
}

/** What the line through one figure a minute does not explain. */
function residues(figures: readonly number[]): number[] {
  const slope = slopePerHour(figures) / 60;
  const mean = figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
  return figures.map((figure, minute) => figure - mean - slope * (minute - (figures.length - 1) / 2));
}

/** Both with a mean of 0. */
function slopeOver(xs: readonly number[], ys: readonly number[]): number {
  const variance = xs.reduce((sum, x) => sum + x * x, 0);
  return variance === 0 ? 0 : xs.reduce((sum, x, index) => sum + x * ys[index]!, 0) / variance;
}

/** Least squares of one figure a minute. */
export function slopePerHour(figures: readonly number[]): number {
  if (figures.length < 2) return 0;
  const middle = (figures.length - 1) / 2;
  const mean = figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
  let covariance = 0, variance = 0;
  for (const [minute, figure] of figures.entries()) {
    covariance += (minute - middle) * (figure - mean);
    variance += (minute - middle) ** 2;
  }
  return covariance / variance * 60;
}

async function tally(fleet: readonly Child[], gone: ReadonlyMap<string, number>) {
  let streams = 0, errors = 0, churnFailures = 0, late = 0;
  const reasons: Record<string, number> = {};
  for (const child of fleet) {
    const counts = await child.ask<TrafficCounts>("counts");
    streams += counts.done;
    late += counts.late;
    for (const { peer, atMs, reason } of counts.failures) {
      if (atMs >= (gone.get(peer) ?? Infinity)) churnFailures++;
      else {
        errors++;
        const text = reason.replaceAll(/\b0[23][0-9a-f]{64}\b/g, "<key>");
        reasons[text] = (reasons[text] ?? 0) + 1;
      }
    }
  }
  return { streams, errors, churnFailures, late, reasons, complaints: [] as string[] };
}

async function used(server: Child) {
  const { rssBytes, heapBytes, handles, cpuSeconds } = await server.usage();
  const mb = (bytes: number) => Math.round(bytes / 1e5) / 10;
  return { rssMb: mb(rssBytes), heapMb: mb(heapBytes!), handles, cpuSeconds };
}

function until(atMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - performance.now())));
}
