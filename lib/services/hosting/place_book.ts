/** Where addresses are, remembered: nobody is asked twice about one within a day. @module */
import type { Place } from "../../directory/mod.ts";
import type { Clock } from "../../runtime/mod.ts";

/** Tells where a public IP address is; undefined when it is not known. Rejects when nobody can be asked. */
export type Locate = (address: string) => Promise<Place | undefined>;

/** Addresses remembered; the one asked about longest ago goes first. Some 3 MB. */
export const PLACES_MAX = 20_000;
/** Networks move, and seldom. */
export const PLACE_MS = 24 * 60 * 60_000;
/** Questions at once; an address beyond them is asked about another time. */
export const PLACE_QUESTIONS_MAX = 16;

interface Known {
  readonly place: Place | undefined;
  readonly untilMs: number;
}

export class PlaceBook {
  readonly #locate: Locate;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #known = new Map<string, Known>();
  readonly #asked = new Map<string, Promise<Place | undefined>>();

  constructor(locate: Locate, clock: Pick<Clock, "monotonicMs">) {
    this.#locate = locate;
    this.#clock = clock;
  }

  /** What is remembered of an address, and nothing else. */
  known(address: string): Place | undefined {
    return this.#fresh(address)?.place;
  }

  /** The same, asked for where it is not remembered. Rejects as {@link Locate}, and when too many are asked about. */
  placeOf(address: string): Promise<Place | undefined> {
    const known = this.#fresh(address);
    if (known !== undefined) return Promise.resolve(known.place);
    const under = this.#asked.get(address);
    if (under !== undefined) return under;
    if (this.#asked.size >= PLACE_QUESTIONS_MAX) {
      return Promise.reject(new Error("too many places are asked for"));
    }
    const asked = this.#ask(address).finally(() => this.#asked.delete(address));
    this.#asked.set(address, asked);
    return asked;
  }

  async #ask(address: string): Promise<Place | undefined> {
    const place = await this.#locate(address);
    this.#known.delete(address);
    this.#known.set(address, { place, untilMs: this.#clock.monotonicMs() + PLACE_MS });
    if (this.#known.size > PLACES_MAX) this.#known.delete(this.#known.keys().next().value!);
    return place;
  }

  #fresh(address: string): Known | undefined {
    const known = this.#known.get(address);
    return known !== undefined && known.untilMs > this.#clock.monotonicMs() ? known : undefined;
  }
}
