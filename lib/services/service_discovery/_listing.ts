/** The services of each type: read from the store in batches, kept while nothing changes, for a moment. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { ServiceRecord } from "../../directory/mod.ts";
import type { Clock, Random } from "../../runtime/mod.ts";
import type { ServiceStore } from "../store/mod.ts";
import { BATCH_KEYS_MAX } from "./settings.ts";

/** A type's services are kept so long: they end by themselves, and that changes nothing here. */
export const LISTING_MS = 1_000;
/** Types whose services are kept; the one read longest ago goes first. */
export const LISTED_TYPES_MAX = 64;

/** Which of a type are wanted. */
export interface Wanted {
  readonly version: string | undefined;
  readonly country: string | undefined;
  /** So many, drawn at random; undefined: all. */
  readonly quantity: number | undefined;
}

export interface ListingOptions {
  readonly store: ServiceStore;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly random: Random;
}

interface Kept {
  readonly records: Promise<readonly ServiceRecord[]>;
  readonly untilMs: number;
}

export class Listing {
  readonly #options: ListingOptions;
  readonly #kept = new Map<string, Kept>();

  constructor(options: ListingOptions) {
    this.#options = options;
  }

  /** Something of `type` was put or removed. */
  changed(type: string): void {
    this.#kept.delete(type);
  }

  async find(type: string, { version, country, quantity }: Wanted): Promise<readonly ServiceRecord[]> {
    const records = (await this.#all(type)).filter((record) =>
      (version === undefined || record.version === version) &&
      (country === undefined || record.place?.country === country)
    );
    return quantity === undefined ? records : sample(records, quantity, this.#options.random);
  }

  async #all(type: string): Promise<readonly ServiceRecord[]> {
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#kept.get(type);
    if (known !== undefined && known.untilMs > nowMs) return await known.records;
    const kept = { records: membersOf(this.#options.store, type), untilMs: nowMs + LISTING_MS };
    this.#kept.delete(type); // and back at the end
    this.#kept.set(type, kept);
    if (this.#kept.size > LISTED_TYPES_MAX) this.#kept.delete(this.#kept.keys().next().value!);
    try {
      return await kept.records;
    } catch (error) {
      if (this.#kept.get(type) === kept) this.#kept.delete(type); // the next one asks the store anew
      throw error;
    }
  }
}

/** Every member of a type, {@link BATCH_KEYS_MAX} at a time: none lost, none twice, in their order (SV-4). */
async function membersOf(store: ServiceStore, type: string): Promise<readonly ServiceRecord[]> {
  const keys = await store.keys(type);
  const records: ServiceRecord[] = [];
  for (let at = 0; at < keys.length; at += BATCH_KEYS_MAX) {
    records.push(...await store.batch(type, keys.slice(at, at + BATCH_KEYS_MAX) as PublicKey[]));
  }
  return records;
}

/** `count` of `items`, each as likely as any other, in no order; all of them when they are no more. */
function sample<T>(items: readonly T[], count: number, random: Random): readonly T[] {
  if (count >= items.length) return items;
  const pool = [...items];
  const drawn = new DataView(random.bytes(4 * count).buffer);
  for (let at = 0; at < count; at++) { // of a few thousand the four bytes favour none that anybody could tell
    const from = at + drawn.getUint32(4 * at) % (pool.length - at);
    [pool[at], pool[from]] = [pool[from]!, pool[at]!];
  }
  return pool.slice(0, count);
}
