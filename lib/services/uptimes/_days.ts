/** What was counted by day: read from the store now and then, some visors at a time. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import { DAY_MS, dayOf, type UptimeStore } from "../store/mod.ts";
import { PackedDays } from "./_packed_days.ts";
import { DAYS_CACHE_MS, HISTORY_DAYS, PART_VISORS } from "./settings.ts";
import { Turns } from "./_turns.ts";

export class DayCache<Key extends string = PublicKey> {
  readonly #store: UptimeStore<Key>;
  readonly #clock: Clock;
  readonly #beatsOfDay: number;
  /** Of its own: readers of lists, however many, hold up no reading of the store. */
  readonly #turns: Turns;
  #kept:
    | { readonly days: Promise<PackedDays<Key>>; readonly untilMs: number; readonly today: string }
    | undefined;

  constructor(store: UptimeStore<Key>, clock: Clock, beatsOfDay: number) {
    this.#store = store;
    this.#clock = clock;
    this.#beatsOfDay = beatsOfDay;
    this.#turns = new Turns(clock);
  }

  /** At most {@link DAYS_CACHE_MS} old, and of today: a day that is over is told whole, or rewards would lack its end. */
  async days(): Promise<PackedDays<Key>> {
    const storeNowMs = await this.#store.presentMs();
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

  async #read(nowMs: number): Promise<PackedDays<Key>> {
    const names = Array.from(
      { length: HISTORY_DAYS + 1 },
      (_, at) => dayOf(nowMs - (HISTORY_DAYS - at) * DAY_MS),
    );
    const keys = (await this.#store.visors()).map(({ key }) => key);
    const days = new PackedDays(keys, names, this.#beatsOfDay);
    for (let at = 0; at < keys.length; at += PART_VISORS) {
      const some = keys.slice(at, at + PART_VISORS);
      const isLast = at + PART_VISORS >= keys.length;
      const read = () => this.#store.days(names[0]!, names.at(-1)!, some);
      const rows = await this.#turns.run(read, { isLast });
      for (const row of rows) days.add(row);
    }
    return days;
  }
}
