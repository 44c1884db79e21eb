/**
 * `deno task bench [filter]`: runs every `tests/bench/*_bench.ts` whose name holds the filter, each in a process of
 * its own, so that none warms or loads another. The table goes to stderr, the rows as JSON to stdout.
 *
 * A bench file exports {@link Bench} as its default.
 *
 * @module
 */

/** One measured figure. */
export interface BenchRow {
  /** What was measured, e.g. `one stream, 64 KiB writes`. */
  readonly name: string;
  readonly value: number;
  /** `ms`, `MB/s`, `handshakes/s`, `KB`. */
  readonly unit: string;
  /** What the Go original does on this kind of machine, in the same unit. */
  readonly reference?: number;
  /** True when less is better: times, memory. Default false. */
  readonly lessIsBetter?: boolean;
}

/** The default export of a bench file. */
export type Bench = () => Promise<readonly BenchRow[]>;

/** How many times better than the reference; undefined without one. */
export function timesBetter({ value, reference, lessIsBetter = false }: BenchRow): number | undefined {
  if (reference === undefined || value === 0 || reference === 0) return undefined;
  return lessIsBetter ? reference / value : value / reference;
}

/** One line a row: name, figure, reference, how many times better. */
export function renderRows(rows: readonly BenchRow[]): string {
  const width = Math.max(0, ...rows.map(({ name }) => name.length));
  return rows.map((row) => {
    const times = timesBetter(row);
    const figure = `${row.name.padEnd(width)}  ${figures(row.value).padStart(10)} ${row.unit.padEnd(12)}`;
    const against = times === undefined
      ? ""
      : `  Go ${figures(row.reference!).padStart(8)}  x ${times.toFixed(2)}`;
    return (figure + against).trimEnd();
  }).join("\n");
}

function figures(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** Runs one bench file in this process and prints its rows: what the child of {@link run} does. */
async function runOne(file: string): Promise<void> {
  const { default: bench }: { default: Bench } = await import(file);
  console.log(JSON.stringify(await bench()));
}

async function run(filter: string): Promise<number> {
  const folder = new URL("../tests/bench/", import.meta.url);
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name)
    .filter((name) => name.endsWith("_bench.ts") && name.includes(filter)).sort();
  const all: BenchRow[] = [];
  let failed = names.length === 0 ? 1 : 0;
  for (const name of names) {
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", import.meta.filename!, "--one", new URL(name, folder).href],
      stdin: "null",
      stderr: "inherit",
    }).output();
    if (!success) {
      failed++;
      console.error(`${name}: failed`);
      continue;
    }
    // A bench may print too: the rows are its last line.
    const rows: BenchRow[] = JSON.parse(new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1)!);
    console.error(renderRows(rows));
    all.push(...rows);
  }
  console.log(JSON.stringify(all, null, 2));
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) {
  if (Deno.args[0] === "--one") await runOne(Deno.args[1]!);
  else Deno.exit(await run(Deno.args[0] ?? ""));
}
