/** What `skyctl tp ls --watch` does and shows. @module */
import { homeOf, type Io, renderBytes, renderDuration, renderRate } from "../../lib/cli/mod.ts";
import type { ScreenSize } from "../../lib/cli/screen.ts";
import { renderTableWithin } from "../../lib/cli/table.ts";
import { Timeline, timeOfDay, watch, type Watched } from "../../lib/cli/watch.ts";
import type { ControlClient, TransportSummary } from "../../lib/control/mod.ts";
import { type Clock, sleep } from "../../lib/runtime/mod.ts";
import { type VisorEvent, watchedVisor } from "../_watched_visor.ts";

/** A transport that went stays in the table so long. */
export const GONE_SHOWN_MS = 30_000;
/** Of a table: what came and went a thousand times is in the timeline. */
export const GONE_SHOWN_MAX = 20;

/** A transport with what it carried since the last look, in bytes a second; null: this is the first one. */
export interface TransportRates extends TransportSummary {
  readonly sentPerSecond: number | null;
  readonly receivedPerSecond: number | null;
}

type Change =
  | { readonly event: "came" | "went"; readonly atMs: number; readonly transport: TransportSummary }
  | { readonly event: "remade"; readonly atMs: number; readonly transport: TransportSummary };
export type TransportEvent =
  | Change
  | { readonly event: "transports"; readonly atMs: number; readonly transports: readonly TransportRates[] };
export type TransportWatchEvent = TransportEvent | VisorEvent;

/** The last line of a watch. */
export interface TransportWatchSummary {
  readonly event: "summary";
  readonly transports: number;
  readonly came: number;
  readonly went: number;
  readonly remade: number;
}

export interface TransportWatchOptions {
  readonly home?: string | undefined;
  readonly intervalMs: number;
  /** Which of the visor's transports are looked at. */
  readonly isWanted: (transport: TransportSummary) => boolean;
}

/** Until Ctrl-C. */
export async function watchTransports(
  io: Io,
  { home, intervalMs, isWanted }: TransportWatchOptions,
): Promise<void> {
  const { clock } = await io.world();
  const looks = new TransportLooks();
  const events = watchedVisor(io, homeOf(io, { home }), async function* (client, signal) {
    for await (const transports of looked(client, { clock, intervalMs, signal })) {
      yield* looks.next(transports.filter(isWanted), {
        atMs: clock.wallMs(),
        monotonicMs: clock.monotonicMs(),
      });
    }
  });
  await watch(io, new TransportWatch(events));
}

async function* looked(
  client: ControlClient,
  { clock, intervalMs, signal }: {
    readonly clock: Clock;
    readonly intervalMs: number;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<TransportSummary[], never> {
  for (;;) {
    yield await client.call("transports", {}, signal);
    await sleep(clock, intervalMs, signal);
  }
}

/** From one list after the other to what changed between them. */
export class TransportLooks {
  #before = new Map<string, TransportSummary>();
  #beforeMs: number | undefined;

  /** What came, went or was made anew since the last look, then the list with its rates. */
  next(
    transports: readonly TransportSummary[],
    { atMs, monotonicMs }: { readonly atMs: number; readonly monotonicMs: number },
  ): TransportEvent[] {
    const before = this.#before;
    const passedMs = this.#beforeMs === undefined ? 0 : monotonicMs - this.#beforeMs;
    this.#before = new Map(transports.map((transport) => [transport.id, transport]));
    this.#beforeMs = monotonicMs;
    const events: TransportEvent[] = [];
    for (const transport of before.values()) {
      if (!this.#before.has(transport.id)) events.push({ event: "went", atMs, transport });
    }
    const rated = transports.map((transport): TransportRates => {
      const was = before.get(transport.id);
      const isSame = was !== undefined && transport.uptimeMs >= was.uptimeMs;
      if (!isSame) events.push({ event: was === undefined ? "came" : "remade", atMs, transport });
      const rate = (now: number, earlier: number) =>
        passedMs > 0 ? Math.max(0, (now - earlier) * 1_000 / passedMs) : null;
      return {
        ...transport,
        sentPerSecond: isSame ? rate(transport.bytesSent, was.bytesSent) : null,
        receivedPerSecond: isSame ? rate(transport.bytesReceived, was.bytesReceived) : null,
      };
    });
    return [...events, { event: "transports", atMs, transports: rated }];
  }
}

/** The state of a watch, told event by event. */
export class TransportWatch implements Watched<TransportWatchEvent, TransportWatchSummary> {
  readonly events: AsyncIterable<TransportWatchEvent>;
  readonly #timeline = new Timeline();
  #transports: readonly TransportRates[] = [];
  #gone: { readonly atMs: number; readonly transport: TransportSummary }[] = [];
  #isFirst = true;
  #visorGoneMs: number | undefined;
  readonly #counts = { came: 0, went: 0, remade: 0 };
  #newest = "";

  constructor(events: AsyncIterable<TransportWatchEvent>) {
    this.events = events;
  }

  take(event: TransportWatchEvent): void {
    const { atMs } = event;
    switch (event.event) {
      case "came":
      case "went":
      case "remade":
        this.#change(event);
        break;
      case "transports":
        this.#transports = event.transports;
        this.#isFirst = false;
        this.#newest = event.transports.filter((each) => carries(each))
          .map((each) => `${timeOfDay(atMs)} ${named(each)}: ${traffic(each)}`).join("\n");
        break;
      case "visorGone":
        this.#visorGoneMs = atMs;
        this.#newest = this.#timeline.add(atMs, `this visor is gone: ${event.failure}; waiting for it`);
        break;
      case "visorBack":
        this.#visorGoneMs = undefined;
        this.#newest = this.#timeline.add(atMs, `this visor is back: ${event.publicKey}`);
    }
  }

  #change({ event, atMs, transport }: Change): void {
    this.#gone = this.#gone.filter((each) => each.transport.id !== transport.id);
    if (event === "went") this.#gone = [{ atMs, transport }, ...this.#gone].slice(0, GONE_SHOWN_MAX);
    if (event === "came" && this.#isFirst) {
      this.#newest = `${timeOfDay(atMs)} ${named(transport)}: there for ${
        renderDuration(transport.uptimeMs)
      }`;
      return; // it was there before anybody looked
    }
    this.#counts[event]++;
    const text = {
      came: "came",
      went: `went after ${renderDuration(transport.uptimeMs)}`,
      remade: "went and came again",
    }[event];
    this.#newest = this.#timeline.add(atMs, `${named(transport)}: ${text}`);
  }

  line(): string {
    return this.#newest;
  }

  draw({ columns, rows }: ScreenSize, nowMs: number): readonly string[] {
    this.#gone = this.#gone.filter(({ atMs }) => nowMs - atMs < GONE_SHOWN_MS);
    const { came, went, remade } = this.#counts;
    const gone = this.#visorGoneMs;
    const all = this.#transports.length;
    const head = [
      `${timeOfDay(nowMs)}  ${all} ${all === 1 ? "transport" : "transports"}; ` +
      `came ${came}, went ${went}, made anew ${remade}` +
      (gone === undefined ? "" : `; THIS VISOR IS GONE for ${seconds(nowMs - gone)}`),
      "",
    ];
    const table = all + this.#gone.length === 0
      ? [this.#isFirst ? "looking..." : "no transport", ""]
      : [...this.#table(columns, nowMs).split("\n"), ""];
    return [
      ...head,
      ...table,
      ...this.#timeline.last(Math.min(20, rows - head.length - table.length), columns),
    ];
  }

  #table(columns: number, nowMs: number): string {
    const state = this.#visorGoneMs === undefined ? "live" : "unknown";
    const right = (head: string) => ({ head, align: "right" as const });
    return renderTableWithin(columns, [
      "state",
      "type",
      "remote key",
      right("latency"),
      right("out"),
      right("in"),
      right("sent"),
      right("received"),
      right("uptime"),
      "label",
      "id",
    ], [
      ...this.#transports.map((each) => [
        state,
        each.type,
        each.remote,
        latencyOf(each),
        rateText(each.sentPerSecond),
        rateText(each.receivedPerSecond),
        renderBytes(each.bytesSent),
        renderBytes(each.bytesReceived),
        renderDuration(each.uptimeMs),
        each.label,
        each.id,
      ]),
      ...this.#gone.map(({ atMs, transport }) => [
        `gone ${seconds(nowMs - atMs)}`,
        transport.type,
        transport.remote,
        latencyOf(transport),
        "-",
        "-",
        renderBytes(transport.bytesSent),
        renderBytes(transport.bytesReceived),
        renderDuration(transport.uptimeMs),
        transport.label,
        transport.id,
      ]),
    ]);
  }

  summary(): TransportWatchSummary {
    return { event: "summary", transports: this.#transports.length, ...this.#counts };
  }

  renderSummary({ transports, came, went, remade }: TransportWatchSummary): string {
    return `${transports} ${transports === 1 ? "transport" : "transports"} at the end; ` +
      `came ${came}, went ${went}, made anew ${remade}`;
  }
}

function named({ type, id, remote }: TransportSummary): string {
  return `${type} ${id} ${remote}`;
}

function carries({ sentPerSecond, receivedPerSecond }: TransportRates): boolean {
  return (sentPerSecond ?? 0) > 0 || (receivedPerSecond ?? 0) > 0;
}

function traffic(each: TransportRates): string {
  return `latency ${latencyOf(each)}, out ${rateText(each.sentPerSecond)}, in ${
    rateText(each.receivedPerSecond)
  }, ` +
    `sent ${renderBytes(each.bytesSent)}, received ${renderBytes(each.bytesReceived)}`;
}

function latencyOf({ latency }: TransportSummary): string {
  return latency === null ? "-" : renderDuration(latency.avg);
}

function rateText(perSecond: number | null): string {
  return perSecond === null ? "-" : renderRate(perSecond);
}

function seconds(ms: number): string {
  return renderDuration(Math.max(0, Math.round(ms / 1_000) * 1_000));
}
