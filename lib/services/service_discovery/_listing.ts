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
  /** A list as it is answered. */
  readonly render: (records: readonly ServiceRecord[]) => string;
}

interface Kept {
  readonly records: Promise<readonly ServiceRecord[]>;
  /** All of them as text, made when it is asked for. */
  text?: Promise<string>;
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

  /** The list of those that are wanted. */
  async find(type: string, { version, country, quantity }: Wanted): Promise<string> {
    const { render, random } = this.#options;
    const kept = this.#all(type);
    const isFiltered = version !== undefined || country !== undefined;
    if (!isFiltered && quantity === undefined) return await (kept.text ??= kept.records.then(render));
    const all = await kept.records;
    const records = !isFiltered
      ? all
      : all.filter((record) =>
        (version === undefined || record.version === version) &&
        (country === undefined || record.place?.country === country)
      );
    return render(quantity === undefined ? records : sample(records, quantity, random));
  }

  #all(type: string): Kept {
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#kept.get(type);
    if (known !== undefined && known.untilMs > nowMs) return known;
    const kept: Kept = { records: membersOf(this.#options.store, type), untilMs: nowMs + LISTING_MS };
    this.#kept.delete(type); // and back at the end
    this.#kept.set(type, kept);
    if (this.#kept.size > LISTED_TYPES_MAX) this.#kept.delete(this.#kept.keys().next().value!);
    kept.records.catch(() => {
      if (this.#kept.get(type) === kept) this.#kept.delete(type); // the next one asks the store anew
    });
    return kept;
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
  const moved = new Map<number, T>(); // by the place of another one that was drawn: the others are not copied
  const found: T[] = [];
  const drawn = new DataView(random.bytes(4 * count).buffer);
  for (let at = 0; at < count; at++) { // of a few thousand the four bytes favour none that anybody could tell
    const from = at + drawn.getUint32(4 * at) % (items.length - at);
    found.push(moved.get(from) ?? items[from]!);
    moved.set(from, moved.get(at) ?? items[at]!);
  }
  return found;
}
