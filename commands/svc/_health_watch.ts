/** What `skyctl svc health --watch` does and shows. @module */
import type { Io } from "../../lib/cli/mod.ts";
import type { ScreenSize } from "../../lib/cli/screen.ts";
import { renderTable, renderTableWithin } from "../../lib/cli/table.ts";
import { Timeline, timeOfDay, watch, type Watched } from "../../lib/cli/watch.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import { type AskHealthOptions, HealthLooks, type HealthRow } from "./_ask_health.ts";
import { HEALTH_COLUMNS, healthCells, latencyText, nameOf, refuseDown } from "./_health.ts";

export type HealthEvent =
  | { readonly event: "health"; readonly atMs: number; readonly rows: readonly HealthRow[] }
  | { readonly event: "up" | "down"; readonly atMs: number; readonly row: HealthRow };

/** One way to a service over a whole watch. */
export interface WaySummary extends Pick<HealthRow, "service" | "way" | "address"> {
  readonly looks: number;
  readonly up: number;
  /** Of the looks at which it was up. */
  readonly latencyMs?: { readonly min: number; readonly avg: number; readonly max: number };
}

/** The last line of a watch. */
export interface HealthWatchSummary {
  readonly event: "summary";
  readonly looks: number;
  readonly ways: readonly WaySummary[];
}

export interface HealthWatchOptions extends AskHealthOptions {
  readonly intervalMs: number;
  /** So many looks; undefined: until Ctrl-C. */
  readonly count?: number | undefined;
}

/** Until Ctrl-C, or so many looks. Errors: `ServicesDownError` where something is down at the last look. */
export async function watchHealth(io: Io, options: HealthWatchOptions): Promise<void> {
  await using looks = new HealthLooks(io, options);
  const watched = new HealthWatch(eventsOf(io, looks, options));
  await watch(io, watched);
  refuseDown(watched.rows, options);
}

async function* eventsOf(
  io: Io,
  looks: HealthLooks,
  { intervalMs, count = Infinity }: HealthWatchOptions,
): AsyncGenerator<HealthEvent, void> {
  const { signal } = io;
  const { clock } = await io.world();
  let before: readonly HealthRow[] = [];
  for (let look = 1;; look++) {
    const rows = await looks.look(signal);
    yield* changesBetween(before, rows, clock.wallMs());
    before = rows;
    if (look >= count) return;
    await sleep(clock, intervalMs, signal);
  }
}

/** What turned, or was down at the first look, then the rows. */
export function* changesBetween(
  before: readonly HealthRow[],
  rows: readonly HealthRow[],
  atMs: number,
): Generator<HealthEvent> {
  const was = new Map(before.map((row) => [wayOf(row), row.isUp]));
  for (const row of rows) {
    if ((was.get(wayOf(row)) ?? true) !== row.isUp) yield { event: row.isUp ? "up" : "down", atMs, row };
  }
  yield { event: "health", atMs, rows };
}

/** What tells one way from every other: a deployment may have several nodes of a kind. */
function wayOf({ service, way, address }: HealthRow): string {
  return `${service} ${way} ${address}`;
}

/** The state of a watch, told event by event. */
export class HealthWatch implements Watched<HealthEvent, HealthWatchSummary> {
  readonly events: AsyncIterable<HealthEvent>;
  /** Of the last look. */
  rows: readonly HealthRow[] = [];
  readonly #timeline = new Timeline();
  readonly #ways = new Map<string, { row: HealthRow; looks: number; up: number; latenciesMs: Spread }>();
  #looks = 0;
  #newest = "";

  constructor(events: AsyncIterable<HealthEvent>) {
    this.events = events;
  }

  take(event: HealthEvent): void {
    const { atMs } = event;
    if (event.event !== "health") {
      const { row } = event;
      const text = row.isUp ? `is up again, ${latencyText(row)}` : `is down: ${row.failure}`;
      this.#newest = this.#timeline.add(atMs, `${nameOf(row)} (${row.address}) ${text}`);
      return;
    }
    this.#looks++;
    this.rows = event.rows;
    for (const row of event.rows) this.#count(row);
    this.#newest = `${timeOfDay(atMs)} ${this.#sum()}`;
  }

  #count(row: HealthRow): void {
    const counted = this.#ways.get(wayOf(row)) ?? { row, looks: 0, up: 0, latenciesMs: new Spread() };
    this.#ways.set(wayOf(row), counted);
    counted.looks++;
    if (!row.isUp) return;
    counted.up++;
    if (row.latencyMs !== undefined) counted.latenciesMs.add(row.latencyMs);
  }

  #sum(): string {
    const up = this.rows.filter(({ isUp }) => isUp);
    const slowest = up.toSorted((a, b) => (b.latencyMs ?? 0) - (a.latencyMs ?? 0))[0];
    return `${up.length} of ${this.rows.length} up` +
      (slowest === undefined ? "" : `; slowest: ${nameOf(slowest)}, ${latencyText(slowest)}`);
  }

  line(): string {
    return this.#newest;
  }

  draw({ columns, rows }: ScreenSize, nowMs: number): readonly string[] {
    const head = [
      `${timeOfDay(nowMs)}  ${this.#looks === 0 ? "looking..." : `look ${this.#looks}: ${this.#sum()}`}`,
      "",
    ];
    const table = this.#looks === 0
      ? []
      : [...renderTableWithin(columns, HEALTH_COLUMNS, this.rows.map(healthCells)).split("\n"), ""];
    return [
      ...head,
      ...table,
      ...this.#timeline.last(Math.min(20, rows - head.length - table.length), columns),
    ];
  }

  summary(): HealthWatchSummary {
    const ways = [...this.#ways.values()].map((
      { row: { service, way, address }, looks, up, latenciesMs },
    ) => ({
      service,
      way,
      address,
      looks,
      up,
      ...(latenciesMs.count === 0 ? {} : { latencyMs: latenciesMs.figures() }),
    }));
    return { event: "summary", looks: this.#looks, ways };
  }

  renderSummary({ looks, ways }: HealthWatchSummary): string {
    const right = (head: string) => ({ head, align: "right" as const });
    return `${looks} ${looks === 1 ? "look" : "looks"}\n` + renderTable(
      ["service", "way", right("up"), right("min"), right("avg"), right("max"), "address"],
      ways.map(({ service, way, address, looks, up, latencyMs }) => {
        const text = (ms: number | undefined) => latencyText({ latencyMs: ms });
        const percent = `${Math.floor(100 * up / looks)} %`;
        return [
          service,
          way,
          percent,
          ...[latencyMs?.min, latencyMs?.avg, latencyMs?.max].map(text),
          address,
        ];
      }),
    );
  }
}

/** Least, mean and most of what was added. */
class Spread {
  count = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;

  add(value: number): void {
    this.count++;
    this.#sum += value;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
  }

  figures(): { min: number; avg: number; max: number } {
    return { min: this.#min, avg: this.#sum / this.count, max: this.#max };
  }
}
