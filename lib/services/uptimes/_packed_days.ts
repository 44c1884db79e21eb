/** Days of many, packed: {@link DAY_BYTES} for each day of each, and nothing as text before somebody asks. @module */
import { type DayOfVisor, SLOT_BYTES, SLOTS_OF_DAY } from "../store/mod.ts";

/** What was counted of one visor on one day. */
export interface CountedDay {
  readonly day: string;
  /** `97.22`. */
  readonly percent: string;
  /** {@link SLOTS_OF_DAY} bits, the first slot in the highest bit of the first byte. */
  readonly slots: Uint8Array;
}

/** One more than the beats, in two bytes, 0 where there is no such day; and the slots. */
const DAY_BYTES = 2 + SLOT_BYTES;
const BEATS_MAX = 0xfffe;

export class PackedDays<Key extends string> {
  readonly #names: readonly string[];
  readonly #beatsOfDay: number;
  readonly #places = new Map<string, number>();
  readonly #records: Uint8Array;

  /** Of `keys`, on the days named, the oldest first. `beatsOfDay`: 100 percent. */
  constructor(keys: readonly Key[], names: readonly string[], beatsOfDay: number) {
    this.#names = names;
    this.#beatsOfDay = beatsOfDay;
    for (const key of keys) this.#places.set(key, this.#places.size);
    this.#records = new Uint8Array(this.#places.size * names.length * DAY_BYTES);
  }

  /** What is kept of all, besides the keys. */
  get bytes(): number {
    return this.#records.length;
  }

  /** Takes a day in; one that was not named, or of a stranger, is passed over. */
  add({ key, day, beats, slots }: DayOfVisor<Key>): void {
    const [place, name] = [this.#places.get(key), this.#names.indexOf(day)];
    if (place === undefined || name < 0) return;
    const record = this.#record(place, name);
    const told = 1 + Math.min(beats, BEATS_MAX);
    record[0] = told >> 8;
    record[1] = told & 0xff;
    record.set(slots.subarray(0, SLOT_BYTES), 2);
  }

  /** The days of one, the oldest first. */
  of(key: Key): CountedDay[] {
    const place = this.#places.get(key);
    if (place === undefined) return [];
    const days: CountedDay[] = [];
    for (const [name, day] of this.#names.entries()) {
      const record = this.#record(place, name);
      const told = record[0]! << 8 | record[1]!;
      if (told === 0) continue;
      const percent = Math.min(100, 100 * (told - 1) / this.#beatsOfDay).toFixed(2);
      days.push({ day, percent, slots: record.subarray(2) });
    }
    return days;
  }

  #record(place: number, name: number): Uint8Array {
    const at = (place * this.#names.length + name) * DAY_BYTES;
    return this.#records.subarray(at, at + DAY_BYTES);
  }
}

/** A dot for each slot that is set, a blank for the others. */
export function timelineOf(slots: Uint8Array): string {
  for (let slot = 0; slot < SLOTS_OF_DAY; slot++) {
    line[slot] = (slots[slot >> 3] ?? 0) & (0x80 >> (slot & 7)) ? DOT : BLANK;
  }
  return ascii.decode(line);
}

const [BLANK, DOT] = [0x20, 0x2e];
const line = new Uint8Array(SLOTS_OF_DAY);
const ascii = new TextDecoder();
