/** Every transport as text, in numbers and by name: made when it is asked for, kept while nothing changes. @module */
import { type TransportRecord, wireTransport } from "../../directory/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import type { TransportStore } from "../store/mod.ts";
import { isPeerToPeer } from "./_beats.ts";
import { ONLINE_TRANSPORTS_MIN } from "./settings.ts";

/** Answers about everything are kept so long: entries end by themselves, and that changes nothing here. */
export const LISTING_MS = 1_000;

/** How many of each type. */
export type TypeCounts = Record<string, number>;

/** The live transports, in the ways in which they are asked for. */
export interface LiveTransports {
  readonly byId: ReadonlyMap<string, TransportRecord>;
  /** Visors with {@link ONLINE_TRANSPORTS_MIN} that need no dmsg server. */
  readonly online: ReadonlySet<string>;
}

export class Listing {
  readonly #store: TransportStore;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #records: { readonly list: Promise<TransportRecord[]>; readonly untilMs: number } | undefined;
  /** What was made of the records, by its name. */
  readonly #made = new Map<string, Promise<unknown>>();

  constructor(store: TransportStore, clock: Pick<Clock, "monotonicMs">) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Something was put that was not there before, or other than before, or removed. */
  changed(): void {
    this.#records = undefined;
  }

  /** `/all-transports`: `null` when there is none, as the original of 2025 says it. */
  all({ hideSelf }: { readonly hideSelf: boolean }): Promise<string> {
    return this.#of(hideSelf ? "all but self" : "all", (records) => {
      const shown = hideSelf ? records.filter(({ edges }) => edges[0] !== edges[1]) : records;
      return renderTransports(shown);
    });
  }

  /** `/all-transports/stats`. */
  stats(): Promise<string> {
    return this.#of("stats", (records) =>
      JSON.stringify({
        total_transports: records.length,
        by_type: countTypes(records),
        unique_visors: new Set(records.flatMap(({ edges }) => edges)).size,
      }));
  }

  /** `/all-transports/per-key-stats`. */
  perKeyStats(): Promise<string> {
    return this.#of("per key", (records) => {
      const byKey = new Map<string, { total: number } & TypeCounts>();
      for (const { edges, type } of records) {
        for (const key of new Set(edges)) {
          const counts = byKey.get(key) ?? { total: 0 };
          counts.total++;
          counts[type] = (counts[type] ?? 0) + 1;
          byKey.set(key, counts);
        }
      }
      return JSON.stringify(Object.fromEntries(byKey));
    });
  }

  live(): Promise<LiveTransports> {
    return this.#of("live", (records) => {
      const counts = new Map<string, number>();
      for (const record of records) {
        if (!isPeerToPeer(record)) continue;
        for (const key of record.edges) counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      const online = [...counts].filter(([, count]) => count >= ONLINE_TRANSPORTS_MIN).map(([key]) => key);
      return { byId: new Map(records.map((record) => [record.id, record])), online: new Set(online) };
    });
  }

  async #of<T>(name: string, make: (records: TransportRecord[]) => T): Promise<T> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#records === undefined || this.#records.untilMs <= nowMs) {
      this.#made.clear();
      this.#records = { list: this.#store.all(), untilMs: nowMs + LISTING_MS };
    }
    const { list } = this.#records;
    const known = this.#made.get(name) as Promise<T> | undefined;
    if (known !== undefined) return await known;
    const made = list.then(make);
    this.#made.set(name, made);
    try {
      return await made;
    } catch (error) {
      this.#records = undefined; // the next one asks the store anew
      throw error;
    }
  }
}

/** An empty list, as the original writes it. */
export const NO_TRANSPORTS = "null";

/** A list as the original writes it. */
export function renderTransports(records: readonly TransportRecord[]): string {
  return records.length === 0 ? NO_TRANSPORTS : JSON.stringify(records.map(wireTransport));
}

export function countTypes(records: readonly TransportRecord[]): TypeCounts {
  const counts: TypeCounts = {};
  for (const { type } of records) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}
