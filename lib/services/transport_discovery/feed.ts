/**
 * `TransportFeed`: the transports of a discovery for a reader in the same process, kept up by changes.
 *
 * A route finder holds a graph of them. It takes all once, and then only what became other; nothing is polled,
 * and no list is compared. What ends for want of a renewal is told, too. Where several instances share a store it
 * follows that, and not what its own instance does: changes come in the one order in which the store took them.
 *
 * @module
 */
import { describeError, type Log } from "../../base/mod.ts";
import type { TransportRecord } from "../../directory/mod.ts";
import type { Clock, Timer } from "../../runtime/mod.ts";
import type { LivingTransport, TransportFollower, TransportWord } from "../store/mod.ts";

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

interface Kept {
  readonly record: TransportRecord;
  /** By the monotonic clock; Infinity for no end. */
  readonly endsAtMs: number;
}

export class TransportFeed implements TransportSource, TransportFollower {
  readonly #clock: Pick<Clock, "monotonicMs" | "timer">;
  readonly #log: Log;
  /** In the order in which they end: all live equally long, and each renewal moves one to the back. */
  readonly #kept = new Map<string, Kept>();
  readonly #listeners = new Set<(change: TransportChange) => void>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(
    clock: Pick<Clock, "monotonicMs" | "timer">,
    log: Log,
    stored: readonly LivingTransport[] = [],
  ) {
    this.#clock = clock;
    this.#log = log;
    this.#keep(stored, clock.monotonicMs());
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

  /** What any instance on the same store changed. False where that was renewed which is not known here. */
  told(word: TransportWord): boolean {
    if ("removed" in word) {
      this.removed(word.removed.filter((id) => this.#kept.has(id)));
      return true;
    }
    const { renewed, put, ttlMs } = word;
    const known = renewed.flatMap((id) => this.#kept.get(id)?.record ?? []);
    const added = put.filter(({ id }) => !this.#kept.has(id));
    this.registered([...known, ...added], put, ttlMs);
    return known.length + added.length >= renewed.length;
  }

  /** All that the store has; of ids in `told` a word came while it was read, which is newer. */
  read(all: readonly LivingTransport[], told: ReadonlySet<string>): void {
    const isOlder = (id: string) => !told.has(id);
    const now = new Map(all.filter(({ record }) => isOlder(record.id)).map((each) => [each.record.id, each]));
    const before = new Map(this.#kept);
    const nowMs = this.#clock.monotonicMs();
    const newer = [...before].filter(([id]) => !isOlder(id));
    this.#kept.clear();
    this.#keep([
      ...now.values(),
      ...newer.map(([, { record, endsAtMs }]) => ({ record, leftMs: endsAtMs - nowMs })),
    ], nowMs);
    this.#timer?.cancel(); // another may end first now
    this.#timer = undefined;
    this.#arm();
    const put = [...now.values()].map(({ record }) => record)
      .filter((record) => !isSame(before.get(record.id)?.record, record));
    const removed = [...before.keys()].filter((id) => isOlder(id) && !now.has(id));
    if (put.length + removed.length > 0) this.#tell({ put, removed });
  }

  /** Tells nothing more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#listeners.clear();
  }

  #keep(living: readonly LivingTransport[], nowMs: number): void {
    for (const { record, leftMs } of [...living].sort(byLife)) {
      this.#kept.set(record.id, { record, endsAtMs: nowMs + leftMs });
    }
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
function byLife(one: LivingTransport, other: LivingTransport): number {
  return one.leftMs === other.leftMs ? 0 : one.leftMs - other.leftMs;
}

function isSame(one: TransportRecord | undefined, other: TransportRecord): boolean {
  const [before, after] = [one?.latency, other.latency];
  return one?.label === other.label &&
    before?.min === after?.min && before?.max === after?.max && before?.avg === after?.avg;
}

/** Timers of a day and more are no timers everywhere. */
const TIMER_MS_MAX = 60 * 60_000;
