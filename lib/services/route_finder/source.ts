/**
 * Where a route finder's transports come from: a transport discovery in the same process, which tells each change,
 * or any other one, whose list is read again and again and of which only the difference reaches the graph.
 *
 * @module
 */
import { describeError, type Log, Scope } from "../../base/mod.ts";
import type { TransportRecord } from "../../directory/mod.ts";
import { graphTransport, type TransportGraph } from "../../routing/paths/mod.ts";
import { type Clock, sleep } from "../../runtime/mod.ts";
import { parseTransportId } from "../../transport/mod.ts";
import { InvalidServiceSettingError } from "../hosting/mod.ts";
import type { TransportSource } from "../transport_discovery/mod.ts";

/** Keeps a graph as the network is, from the call until the result is disposed. */
export type GraphSource = (graph: TransportGraph) => AsyncDisposable;

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

/**
 * Reads the list of a transport discovery again and again. While that cannot be read the last picture stays: most
 * transports outlive an outage of it. Errors: `InvalidServiceSettingError`.
 */
export function polledTransports(
  { list, clock, log, everyMs = POLL_MS }: PolledTransportsOptions,
): GraphSource {
  if (!(everyMs >= POLL_MIN_MS && everyMs <= POLL_MAX_MS)) {
    throw new InvalidServiceSettingError(`Transports cannot be read each ${everyMs} ms`, {
      hint: "give the interval between 500 ms and 5 min",
    });
  }
  return (graph) => {
    const scope = new Scope();
    scope.spawn("reading transports", async (signal) => {
      let isFailing = false;
      while (!signal.aborted) {
        try {
          graph.replaceAll((await list(signal)).map(graphTransport));
          if (isFailing) log.info("Transports are read again", { transports: graph.size });
          isFailing = false;
        } catch (error) { // whatever it is, the next list may be better than none
          if (signal.aborted) return;
          if (!isFailing) log.warn("Transports cannot be read", { cause: describeError(error) });
          isFailing = true;
        }
        await sleep(clock, everyMs, signal).catch(() => {}); // the loop looks at the signal
      }
    });
    return scope;
  };
}
