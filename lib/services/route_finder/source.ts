/**
 * Where a route finder's transports come from: a transport discovery in the same process, which tells each change,
 * or any other one, whose list is read again and again and of which only the difference reaches the graph. A list
 * that is older than its transports can be is no good sign, and one of an hour ago is used no more.
 *
 * @module
 */
import { describeError, type Log, Scope } from "../../base/mod.ts";
import type { TransportRecord } from "../../directory/mod.ts";
import { graphTransport, type TransportGraph } from "../../routing/paths/mod.ts";
import { type Clock, sleep, type Timer } from "../../runtime/mod.ts";
import { parseTransportId } from "../../transport/mod.ts";
import { InvalidServiceSettingError } from "../hosting/mod.ts";
import { TRANSPORT_TTL_MS, type TransportSource } from "../transport_discovery/mod.ts";

/**
 * Keeps a graph as the network is, from the call until the result is disposed. Transports live for `entryTimeoutMs`
 * after their last registration, by default {@link TRANSPORT_TTL_MS}; 0: until they are removed.
 */
export type GraphSource = (graph: TransportGraph, lives?: TransportLives) => GraphFeed;

export interface TransportLives {
  readonly entryTimeoutMs?: number | undefined;
}

export interface GraphFeed extends AsyncDisposable {
  /** The list as it is now; absent where none is read, since every change is told. */
  readonly list?: () => ListState | undefined;
}

/** How old a list of transports is, by the monotonic clock. */
export type ListState =
  | { readonly state: "unread"; readonly ageMs?: undefined }
  /** Too old: whatever stands in it may have expired since; after {@link LIST_KEPT_MS} nothing of it is in the graph. */
  | { readonly state: "read" | "too old"; readonly ageMs: number };

/** The transports of a discovery in this process: all once, and then each change as it happens. */
export function toldTransports(source: TransportSource): GraphSource {
  return (graph) => {
    const stop = source.onChange(({ put, removed }) => {
      for (const record of put) graph.add(graphTransport(record));
      for (const id of removed) graph.remove(parseTransportId(id));
    });
    graph.replaceAll(source.entries().map(graphTransport));
    return { [Symbol.asyncDispose]: () => Promise.resolve(stop()) };
  };
}

export interface PolledTransportsOptions {
  /** Reads the whole list. */
  readonly list: (signal: AbortSignal) => Promise<readonly TransportRecord[]>;
  readonly clock: Clock;
  readonly log: Log;
  /** From the end of one reading to the next. Default {@link POLL_MS}. */
  readonly everyMs?: number;
}

/** How old the picture of the network may be: a dead transport is in no path after this. */
export const POLL_MS = 5_000;
/** A whole list more often is a load on the discovery, not a newer picture. */
export const POLL_MIN_MS = 500;
/** Longer, and paths lead over transports that expired long ago. */
export const POLL_MAX_MS = 5 * 60_000;
/** A network outlives its discovery, and most of what was read is there for long; a dead one is not told of for ever. */
export const LIST_KEPT_MS = 60 * 60_000;
/** Between two lines about lists that cannot be read, from a discovery that comes and goes. */
export const LIST_FAILURES_TOLD_MS = 60_000;

/**
 * Reads the list of a transport discovery again and again. While that cannot be read the last one stays, as most
 * transports outlive an outage of it: for {@link LIST_KEPT_MS}, or as long as they live there. Errors: `InvalidServiceSettingError`.
 */
export function polledTransports(options: PolledTransportsOptions): GraphSource {
  const { everyMs = POLL_MS } = options;
  if (!(everyMs >= POLL_MIN_MS && everyMs <= POLL_MAX_MS)) {
    throw new InvalidServiceSettingError(`Transports cannot be read each ${everyMs} ms`, {
      hint: "give the interval between 500 ms and 5 min",
    });
  }
  return (graph, { entryTimeoutMs = TRANSPORT_TTL_MS } = {}) =>
    new PolledList(graph, { ...options, everyMs, entryTimeoutMs });
}

class PolledList implements GraphFeed {
  readonly #graph: TransportGraph;
  readonly #options: Required<PolledTransportsOptions>;
  /** A reading is due before it, also when transports live no longer than from one reading to the next. */
  readonly #ageMaxMs: number;
  readonly #scope = new Scope();
  #readAtMs: number | undefined;
  #ending: Timer | undefined;
  /** This outage was told of. */
  #isTold = false;
  #toldAtMs = -Infinity;

  constructor(
    graph: TransportGraph,
    { entryTimeoutMs, ...options }: Required<PolledTransportsOptions> & { readonly entryTimeoutMs: number },
  ) {
    this.#graph = graph;
    this.#options = options;
    this.#ageMaxMs = entryTimeoutMs === 0 ? Infinity : entryTimeoutMs + options.everyMs;
    this.#scope.spawn("reading transports", (signal) => this.#readAll(signal));
  }

  list(): ListState {
    if (this.#readAtMs === undefined) return { state: "unread" };
    const ageMs = this.#options.clock.monotonicMs() - this.#readAtMs;
    return { state: ageMs < this.#ageMaxMs ? "read" : "too old", ageMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
    this.#ending?.cancel(); // now: a last list may have come meanwhile
  }

  async #readAll(signal: AbortSignal): Promise<void> {
    const { list, clock, everyMs } = this.#options;
    while (!signal.aborted) {
      try {
        this.#taken(await list(signal));
      } catch (error) { // whatever it is, the next list may be better than none
        if (signal.aborted) return;
        this.#failed(error);
      }
      await sleep(clock, everyMs, signal).catch(() => {}); // the loop looks at the signal
    }
  }

  #taken(records: readonly TransportRecord[]): void {
    const { clock, log } = this.#options;
    this.#graph.replaceAll(records.map(graphTransport));
    this.#readAtMs = clock.monotonicMs();
    this.#ending?.cancel();
    if (this.#ageMaxMs < Infinity) this.#ending = clock.timer(this.#keptMs(), () => this.#end());
    if (this.#isTold) log.info("Transports are read again", { transports: this.#graph.size });
    this.#isTold = false;
  }

  #keptMs(): number {
    return Math.max(this.#ageMaxMs, LIST_KEPT_MS);
  }

  /** What a list that does not come holds up, too. */
  #end(): void {
    this.#graph.replaceAll([]);
    this.#options.log.error("Transports are too old: there are no routes until they are read", {
      readMsAgo: Math.round(this.#keptMs()),
    });
    this.#isTold = true;
  }

  #failed(error: unknown): void {
    const { clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#isTold || nowMs - this.#toldAtMs < LIST_FAILURES_TOLD_MS) return;
    log.warn("Transports cannot be read", { cause: describeError(error) });
    this.#isTold = true;
    this.#toldAtMs = nowMs;
  }
}
