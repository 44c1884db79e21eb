/** What was counted by day, as text, read from the store now and then. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import { DAY_MS, dayOf, type DayOfVisor, SLOTS_OF_DAY, type UptimeStore } from "../store/mod.ts";
import { DAYS_CACHE_MS, HISTORY_DAYS } from "./settings.ts";

/** Of one visor, the oldest day first. */
export interface CountedDay {
  readonly day: string;
  /** `97.22`. */
  readonly percent: string;
  /** {@link SLOTS_OF_DAY} characters. */
  readonly timeline: string;
}

export type CountedDays<Key extends string = PublicKey> = ReadonlyMap<Key, readonly CountedDay[]>;

export class DayCache<Key extends string = PublicKey> {
  readonly #store: UptimeStore<Key>;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #beatsOfDay: number;
  #kept:
    | { readonly days: Promise<CountedDays<Key>>; readonly untilMs: number; readonly today: string }
    | undefined;

  constructor(store: UptimeStore<Key>, clock: Pick<Clock, "monotonicMs">, beatsOfDay: number) {
    this.#store = store;
    this.#clock = clock;
    this.#beatsOfDay = beatsOfDay;
  }

  /** At most {@link DAYS_CACHE_MS} old, and of today: a day that is over is told whole, or rewards would lack its end. */
  async days(): Promise<CountedDays<Key>> {
    const storeNowMs = await this.#store.nowMs();
    const nowMs = this.#clock.monotonicMs();
    const today = dayOf(storeNowMs);
    if (this.#kept !== undefined && this.#kept.untilMs > nowMs && this.#kept.today === today) {
      return await this.#kept.days;
    }
    const kept = this.#kept = { days: this.#read(storeNowMs), untilMs: nowMs + DAYS_CACHE_MS, today };
    try {
      return await kept.days;
    } catch (error) {
      if (this.#kept === kept) this.#kept = undefined; // the next one asks the store anew
      throw error;
    }
  }

  async #read(nowMs: number): Promise<CountedDays<Key>> {
    const rows = await this.#store.days(dayOf(nowMs - HISTORY_DAYS * DAY_MS), dayOf(nowMs));
    const days = new Map<Key, CountedDay[]>();
    for (const row of rows) {
      const known = days.get(row.key);
      const counted = this.#counted(row);
      if (known === undefined) days.set(row.key, [counted]);
      else known.push(counted);
    }
    return days;
  }

  #counted({ day, beats, slots }: DayOfVisor<Key>): CountedDay {
    const percent = Math.min(100, 100 * beats / this.#beatsOfDay).toFixed(2);
    return { day, percent, timeline: timelineOf(slots) };
  }
}

/** A dot for each slot that is set, a blank for the others. */
function timelineOf(slots: Uint8Array): string {
  let text = "";
  for (let slot = 0; slot < SLOTS_OF_DAY; slot++) {
    text += (slots[slot >> 3] ?? 0) & (0x80 >> (slot & 7)) ? "." : " ";
  }
  return text;
}
