/**
 * `deno task bench [filter] [--json] [--peer PATH] [--server KEY@HOST:PORT [--server-pid PID]]`: runs every
 * `tests/bench/*_bench.ts` whose name holds the filter, each in a process of its own, so that none warms or loads another. Prints a table, or
 * with `--json` the rows.
 *
 * With `--server` only benches of a dmsg server run, each twice, with the same clients: on our server, then on the
 * one that is given, whose figures ours are then held against. With the id of its process (on Linux) its CPU time
 * and memory too.
 *
 * A bench file exports {@link Bench} as its default. Whatever way it ends, and this task, nothing that it started stays.
 *
 * @module
 */
import { endWithStdin, INTERRUPTED, interruption, outputOfGroup } from "./_process_group.ts";

/** One measured figure. */
export interface BenchRow {
  /** What was measured, e.g. `one stream, 64 KiB writes`. */
  readonly name: string;
  readonly value: number;
  /** `ms`, `MB/s`, `handshakes/s`, `KB`. */
  readonly unit: string;
  /** What the Go original does on this kind of machine, or the server of `--server` here; in the same unit. */
  readonly reference?: number;
  /** True when less is better: times, memory. Default false. */
  readonly lessIsBetter?: boolean;
}

/** A dmsg server that already runs. */
export interface BenchTarget {
  readonly publicKey: string;
  /** `host:port`. */
  readonly address: string;
  /** Its process on this machine, for CPU time and memory. */
  readonly pid?: number;
}

export interface BenchOptions {
  /** What to measure beside our own. */
  readonly target?: BenchTarget;
  /** A `skywire` program to measure beside our own. */
  readonly peer?: string;
}

/** The default export of a bench file. A file that heeds `target` also exports `takesServer = true`. */
export type Bench = (options: BenchOptions) => Promise<readonly BenchRow[]>;

/** One bench file may take so long, twice that beside another server, and four times beside a peer; then it is killed with all its roles and counts as failed. */
const BENCH_TIMEOUT_MS = 120_000;
/** All of them; what has not begun by then counts as failed, too. */
const SUITE_TIMEOUT_MS = 350_000;

/** How many times better than the reference; undefined without one. */
export function timesBetter({ value, reference, lessIsBetter = false }: BenchRow): number | undefined {
  if (reference === undefined || value === 0 || reference === 0) return undefined;
  return lessIsBetter ? reference / value : value / reference;
}

/** One line a row: name, figure, reference, how many times better. */
export function renderRows(rows: readonly BenchRow[], { referenceName = "Go" } = {}): string {
  const width = Math.max(0, ...rows.map(({ name }) => name.length));
  return rows.map((row) => {
    const times = timesBetter(row);
    const figure = `${row.name.padEnd(width)}  ${figures(row.value).padStart(10)} ${row.unit.padEnd(12)}`;
    const against = times === undefined
      ? ""
      : `  ${referenceName} ${figures(row.reference!).padStart(8)}  x ${times.toFixed(2)}`;
    return (figure + against).trimEnd();
  }).join("\n");
}

/** Reads `KEY@HOST:PORT`. */
export function parseTarget(text: string, pid?: number): BenchTarget {
  const [publicKey, address] = text.split("@");
  if (!publicKey || !address?.includes(":")) {
    throw new SyntaxError(`Cannot read --server: expected KEY@HOST:PORT, got ${text}`);
  }
  return { publicKey, address, pid };
}

function figures(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

interface BenchFile {
  readonly default: Bench;
  readonly takesServer?: boolean;
}

/** Runs one bench file in this process and prints its rows: what the child of {@link run} does. */
async function runOne(file: string, options: BenchOptions): Promise<void> {
  endWithStdin();
  const { default: bench, takesServer = false }: BenchFile = await import(file);
  const isLeftOut = options.target !== undefined && !takesServer;
  console.log(JSON.stringify(isLeftOut ? [] : await bench(options)));
  Deno.exit();
}

async function run(
  filter: string,
  { options, isJson }: { options: BenchOptions; isJson: boolean },
): Promise<number> {
  const folder = new URL("../tests/bench/", import.meta.url);
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name)
    .filter((name) => name.endsWith("_bench.ts") && name.includes(filter)).sort();
  const all: BenchRow[] = [];
  let failed = names.length === 0 ? 1 : 0;
  const stretch = options.peer !== undefined ? 4 : options.target !== undefined ? 2 : 1;
  const interrupted = interruption();
  const endMs = performance.now() + SUITE_TIMEOUT_MS * stretch;
  for (const name of names) {
    if (interrupted.aborted) return INTERRUPTED;
    const leftMs = Math.min(BENCH_TIMEOUT_MS * stretch, endMs - performance.now());
    if (leftMs <= 0) {
      failed++;
      console.error(`${name}: no time left`);
      continue;
    }
    const late = AbortSignal.timeout(leftMs);
    const file = new URL(name, folder).href;
    const { success, stdout } = await outputOfGroup(Deno.execPath(), {
      args: [
        ...["run", "-A", "--v8-flags=--expose-gc", import.meta.filename!],
        ...["--one", file, JSON.stringify(options)],
      ],
      signal: AbortSignal.any([late, interrupted]),
    });
    if (!success) {
      failed++;
      console.error(
        `${name}: ${interrupted.aborted ? "interrupted" : late.aborted ? "takes too long" : "failed"}`,
      );
      continue;
    }
    // A bench may print too: the rows are its last line.
    const rows: BenchRow[] = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
    if (!isJson && rows.length > 0) {
      console.log(renderRows(rows, { referenceName: options.target === undefined ? "Go" : "other" }));
    }
    all.push(...rows);
  }
  if (isJson) console.log(JSON.stringify(all, null, 2));
  if (interrupted.aborted) return INTERRUPTED;
  return failed === 0 ? 0 : 1;
}

async function main(args: readonly string[]): Promise<number> {
  const { parseArgs } = await import("node:util");
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: "boolean" },
      server: { type: "string" },
      "server-pid": { type: "string" },
      peer: { type: "string" },
    },
  });
  const pid = values["server-pid"] === undefined ? undefined : Number(values["server-pid"]);
  const target = values.server === undefined ? undefined : parseTarget(values.server, pid);
  return await run(positionals[0] ?? "", {
    options: { target, peer: values.peer },
    isJson: values.json ?? false,
  });
}

if (import.meta.main) {
  if (Deno.args[0] === "--one") await runOne(Deno.args[1]!, JSON.parse(Deno.args[2]!));
  else Deno.exit(await main(Deno.args));
}
