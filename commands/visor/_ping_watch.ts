/** What `skyctl visor ping --watch` does and shows. @module */
import { homeOf, type Io, renderDuration } from "../../lib/cli/mod.ts";
import { renderTableWithin } from "../../lib/cli/table.ts";
import type { ScreenSize } from "../../lib/cli/screen.ts";
import { Timeline, timeOfDay, watch, type Watched } from "../../lib/cli/watch.ts";
import type { HopSummary, PingEvent, StreamInput } from "../../lib/control/mod.ts";
import { type VisorEvent, watchedVisor } from "../_watched_visor.ts";
import { hopRows } from "./_render_ping.ts";
import { type PingFigures, PingStatistics } from "./_ping_statistics.ts";

export type PingWatchEvent = PingEvent | VisorEvent;

/** The last line of a watch. */
export interface PingWatchSummary extends PingFigures {
  readonly event: "summary";
  readonly key: string;
  readonly routes: number;
  readonly withoutRouteMs: number;
}

export interface PingWatchOptions {
  readonly home?: string | undefined;
  /** So many pings; undefined: until Ctrl-C. */
  readonly count: number | undefined;
  readonly input: StreamInput<"visorPingWatch">;
}

/** Until Ctrl-C, or until so many pings were answered or lost. */
export async function pingWatch(io: Io, { home, count, input }: PingWatchOptions): Promise<void> {
  const events = watchedVisor(
    io,
    homeOf(io, { home }),
    (client, signal) => client.stream("visorPingWatch", input, signal),
  );
  const { clock } = await io.world();
  await watch(io, new PingWatch(counted(events, count), { key: input.key, startedAtMs: clock.wallMs() }));
}

async function* counted(
  events: AsyncIterable<PingWatchEvent>,
  count = Infinity,
): AsyncGenerator<PingWatchEvent, void> {
  let left = count;
  for await (const event of events) {
    yield event;
    if ((event.event === "reply" || event.event === "lost") && --left <= 0) return;
  }
}

type Hops = Readonly<Record<"forward" | "reverse", readonly HopSummary[]>>;

type RouteState = "no route" | "dialling" | "route" | "visor gone";

/** The state of a watch, told event by event. */
export class PingWatch implements Watched<PingWatchEvent, PingWatchSummary> {
  readonly events: AsyncIterable<PingWatchEvent>;
  readonly #key: string;
  readonly #statistics = new PingStatistics();
  readonly #timeline = new Timeline();
  #hops: Hops = { forward: [], reverse: [] };
  #routes = 0;
  #now: RouteState = "dialling";
  #sinceMs: number; // of #now
  #withoutMs = 0; // before #sinceMs
  #lastAtMs: number;
  #newest = "";

  constructor(
    events: AsyncIterable<PingWatchEvent>,
    { key, startedAtMs }: { readonly key: string; readonly startedAtMs: number },
  ) {
    this.events = events;
    this.#key = key;
    this.#sinceMs = this.#lastAtMs = startedAtMs;
  }

  take(event: PingWatchEvent): void {
    this.#newest = this.#taken(event);
    this.#lastAtMs = event.atMs;
  }

  /** The event as the line that it adds to the timeline, or to a pipe. */
  #taken(event: PingWatchEvent): string {
    const { atMs } = event;
    switch (event.event) {
      case "reply":
        this.#statistics.reply(event.roundTripMs);
        return `${timeOfDay(atMs)} reply ${event.sequence}: ${renderDuration(event.roundTripMs)}`;
      case "lost":
        this.#statistics.lost();
        return this.#timeline.add(atMs, `lost ${event.sequence}: ${event.failure}`);
      case "hops":
        this.#hops = event;
        return "";
      case "dialling":
        if (this.#now !== "no route") this.#turn("dialling", atMs);
        return "";
      case "route": {
        const isSame = this.#routes > 0 && waysOf(this.#hops) === waysOf(event);
        this.#hops = event;
        this.#routes++;
        this.#turn("route", atMs);
        const what = this.#routes === 1 ? "route" : isSame ? "route again, the same" : "another route";
        return this.#timeline.add(
          atMs,
          `${what}: ${hopsText(event.forward)}, dialled in ${renderDuration(event.dialMs)}: ${waysOf(event)}`,
        );
      }
      case "routeEnded":
        this.#turn("no route", atMs);
        return this.#timeline.add(atMs, `route ended: ${event.failure}`);
      case "unreachable":
        this.#turn("no route", atMs);
        return this.#timeline.add(
          atMs,
          `not reached: ${event.failure} (${event.code}); again in ${renderDuration(event.retryMs)}`,
        );
      case "visorGone":
        this.#turn("visor gone", atMs);
        return this.#timeline.add(atMs, `this visor is gone: ${event.failure}; waiting for it`);
      case "visorBack":
        this.#turn("no route", atMs);
        return this.#timeline.add(atMs, `this visor is back: ${event.publicKey}`);
    }
  }

  /** From one state to another: time without a route is counted. */
  #turn(to: RouteState, atMs: number): void {
    if (this.#now !== "route") this.#withoutMs += atMs - this.#sinceMs;
    this.#now = to;
    this.#sinceMs = atMs;
  }

  line(): string {
    return this.#newest;
  }

  draw({ columns, rows }: ScreenSize, nowMs: number): readonly string[] {
    const forMs = renderDuration(Math.max(0, Math.round((nowMs - this.#sinceMs) / 1_000) * 1_000));
    const state = {
      "route": `over ${hopsText(this.#hops.forward)} for ${forMs}`,
      "dialling": `dialling for ${forMs}`,
      "no route": `NO ROUTE for ${forMs}`,
      "visor gone": `THIS VISOR IS GONE for ${forMs}`,
    }[this.#now];
    const { sent, lost, ...times } = this.#statistics.figures();
    const head = [
      `${timeOfDay(nowMs)}  ${this.#key}`,
      `${state}; routes: ${this.#routes}, without one: ${renderDuration(this.#without(nowMs))}`,
      "",
      ...renderTableWithin(columns, ["round trip", "loss", "jitter", "min", "avg", "p95", "max"], [[
        cell(times.last),
        lossText({ sent, lost }),
        ...[times.jitter, times.min, times.avg, times.p95, times.max].map(cell),
      ]]).split("\n"),
      "",
    ];
    const hops = this.#routes === 0 ? [] : [
      ...renderTableWithin(columns, ["way", "transport", "from", "to", "latency"], hopRows(this.#hops))
        .split("\n"),
      "",
    ];
    return [...head, ...hops, ...this.#timeline.last(rows - head.length - hops.length, columns)];
  }

  #without(nowMs: number): number {
    return Math.round(this.#withoutMs + (this.#now === "route" ? 0 : Math.max(0, nowMs - this.#sinceMs)));
  }

  summary(): PingWatchSummary {
    return {
      event: "summary",
      key: this.#key,
      ...this.#statistics.figures(),
      routes: this.#routes,
      withoutRouteMs: this.#without(this.#lastAtMs),
    };
  }

  renderSummary(
    { key, sent, lost, min, avg, p95, max, jitter, routes, withoutRouteMs }: PingWatchSummary,
  ): string {
    return [
      `${key}: ${sent} pings, lost ${lossText({ sent, lost })}; ` +
      `routes: ${routes}, without one: ${renderDuration(withoutRouteMs)}`,
      `min ${cell(min)}, avg ${cell(avg)}, p95 ${cell(p95)}, max ${cell(max)}, jitter ${cell(jitter)}`,
    ].join("\n");
  }
}

function cell(ms: number | null): string {
  return ms === null ? "-" : renderDuration(ms);
}

function lossText({ sent, lost }: { readonly sent: number; readonly lost: number }): string {
  return `${lost} of ${sent}${sent === 0 ? "" : ` (${(lost * 100 / sent).toFixed(1)} %)`}`;
}

function hopsText(hops: readonly unknown[]): string {
  return `${hops.length} ${hops.length === 1 ? "hop" : "hops"}`;
}

function waysOf({ forward, reverse }: Hops): string {
  const [there, back] = [forward, reverse].map((hops) => hops.map(({ transport }) => transport));
  const isMirrored = there!.join() === back!.toReversed().join();
  return there!.join(" ") + (isMirrored ? "" : `, back ${back!.join(" ")}`);
}
