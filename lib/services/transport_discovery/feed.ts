/**
 * `TransportFeed`: the transports of a discovery for a reader in the same process, kept up by changes.
 *
 * A route finder holds a graph of them. It takes all once, and then only what became other; nothing is polled,
 * and no list is compared. What ends for want of a renewal is told, too.
 *
 * @module
 */
import { describeError, type Log } from "../../base/mod.ts";
import type { TransportRecord } from "../../directory/mod.ts";
import type { Clock, Timer } from "../../runtime/mod.ts";

/** What became other. */
export interface TransportChange {
  /** New, or with another label or latency. */
  readonly put: readonly TransportRecord[];
  /** Ids of what is gone. */
  readonly removed: readonly string[];
}

/** Transports, and word of each change. */
export interface TransportSource {
  /** All, now. */
  entries(): TransportRecord[];
  /** Tells of every change from now on, synchronously. Gives what ends it. */
  onChange(listener: (change: TransportChange) => void): () => void;
}

/** How late the end of a transport may be told: those that end together are told together. */
export const END_BEAT_MS = 250;

/** What a store had when the feed was made, and for how long still; Infinity for no end. */
interface Stored {
  readonly record: TransportRecord;
  readonly leftMs: number;
}

interface Kept {
  readonly record: TransportRecord;
  /** By the monotonic clock; Infinity for no end. */
  readonly endsAtMs: number;
}

export class TransportFeed implements TransportSource {
  readonly #clock: Pick<Clock, "monotonicMs" | "timer">;
  readonly #log: Log;
  /** In the order in which they end: all live equally long, and each renewal moves one to the back. */
  readonly #kept = new Map<string, Kept>();
  readonly #listeners = new Set<(change: TransportChange) => void>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(clock: Pick<Clock, "monotonicMs" | "timer">, log: Log, stored: readonly Stored[] = []) {
    this.#clock = clock;
    this.#log = log;
    const nowMs = clock.monotonicMs();
    for (const { record, leftMs } of [...stored].sort(byLife)) {
      this.#kept.set(record.id, { record, endsAtMs: nowMs + leftMs });
    }
    this.#arm();
  }

  entries(): TransportRecord[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#kept.values()].filter(({ endsAtMs }) => endsAtMs > nowMs).map(({ record }) => record);
  }

  onChange(listener: (change: TransportChange) => void): () => void {
    const mine = (change: TransportChange) => listener(change); // the same listener twice is told twice
    this.#listeners.add(mine);
    return () => this.#listeners.delete(mine);
  }

  /** `records` were registered for `ttlMs` (0: for ever); `changed` are those other than before, as they are now. */
  registered(
    records: readonly TransportRecord[],
    changed: readonly TransportRecord[],
    ttlMs: number,
  ): void {
    const endsAtMs = ttlMs === 0 ? Infinity : this.#clock.monotonicMs() + ttlMs;
    const now = new Map(changed.map((record) => [record.id, record]));
    for (const { latency: _, ...told } of records) { // what one edge says of it alone
      const { id } = told;
      const record = now.get(id) ?? this.#kept.get(id)?.record ?? told;
      this.#kept.delete(id); // and back at the end
      this.#kept.set(id, { record, endsAtMs });
    }
    this.#arm();
    if (changed.length > 0) this.#tell({ put: changed, removed: [] });
  }

  removed(ids: readonly string[]): void {
    for (const id of ids) this.#kept.delete(id);
    if (ids.length > 0) this.#tell({ put: [], removed: ids });
  }

  /** Tells nothing more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#listeners.clear();
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#closed) return;
    const first = this.#kept.values().next().value;
    if (first === undefined || first.endsAtMs === Infinity) return;
    const delayMs = Math.max(END_BEAT_MS, first.endsAtMs - this.#clock.monotonicMs());
    this.#timer = this.#clock.timer(Math.min(delayMs, TIMER_MS_MAX), () => {
      this.#timer = undefined;
      this.#end();
      this.#arm();
    });
  }

  #end(): void {
    const nowMs = this.#clock.monotonicMs();
    const ended: string[] = [];
    for (const [id, { endsAtMs }] of this.#kept) {
      if (endsAtMs > nowMs) break;
      ended.push(id);
    }
    this.removed(ended);
  }

  #tell(change: TransportChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) { // a reader's trouble is not the writer's
        this.#log.error("A reader of transports failed", { cause: describeError(error) });
      }
    }
  }
}

/** Infinity minus itself is no number. */
function byLife(one: Stored, other: Stored): number {
  return one.leftMs === other.leftMs ? 0 : one.leftMs - other.leftMs;
}

/** Timers of a day and more are no timers everywhere. */
const TIMER_MS_MAX = 60 * 60_000;
