/**
 * A list of everybody as text, a part at a time: made when whoever reads it has taken the part before, so that a list
 * of any length takes the memory of one part, and the time of a few between two turns of the event loop.
 *
 * @module
 */
import type { BodyReader } from "../../http/mod.ts";
import type { KeptText, TextPart } from "./_kept_text.ts";
import type { Turns } from "./_turns.ts";

export interface ListText<Item> {
  readonly head: string;
  readonly separator: string;
  readonly tail: string;
  /** The whole text where nobody is listed. Default: head and tail. */
  readonly empty?: string | undefined;
  /** Of some that are wanted, each with the separator before the next. */
  readonly render: (items: readonly Item[]) => string;
  readonly isWanted?: (item: Item) => boolean;
}

/** The same as one text. */
export function wholeText<Item>(list: ListText<Item>, items: readonly Item[]): string {
  const { head, tail, empty = head + tail, render, isWanted = () => true } = list;
  const wanted = items.filter(isWanted);
  return wanted.length === 0 ? empty : head + render(wanted) + tail;
}

/**
 * The text in parts of `partItems`. It goes on behind the last key that it told of in the newest list there is, so
 * that slow readers hold no old ones: nobody is told of twice, nor left out who is there all the while.
 */
export class PartsReader<Item extends { readonly key: string }> implements BodyReader {
  readonly #list: ListText<Item>;
  readonly #newest: () => readonly Item[];
  readonly #turns: Turns;
  readonly #partItems: number;
  /** What others made of the same list, as long as it is what this one told. */
  #kept: KeptText | undefined;
  /** Parts that were passed. */
  #place = 0;
  /** The last of them. */
  #part: TextPart = { bytes: undefined, last: undefined, isBegun: false, isEnd: false };

  constructor(list: ListText<Item>, { newest, turns, partItems, kept }: {
    /** By key. */
    readonly newest: () => readonly Item[];
    readonly turns: Turns;
    readonly partItems: number;
    readonly kept?: KeptText | undefined;
  }) {
    this.#list = list;
    this.#newest = newest;
    this.#turns = turns;
    this.#partItems = partItems;
    this.#kept = kept;
  }

  async read(): Promise<Uint8Array | null> {
    while (!this.#part.isEnd) {
      const known = () => this.#kept?.part(this.#place);
      const isLast = (this.#place + 1) * this.#partItems >= this.#newest().length;
      this.#part = known() ?? await this.#turns.run(() => known() ?? this.#make(), { isLast });
      this.#place++;
      if (this.#part.bytes !== undefined) return this.#part.bytes;
    }
    return null;
  }

  #make(): TextPart {
    const { head, separator, tail, empty = head + tail, render, isWanted = () => true } = this.#list;
    const { last, isBegun: wasBegun } = this.#part;
    const items = this.#newest();
    const from = last === undefined ? 0 : placeBehind(items, last);
    const some = items.slice(from, from + this.#partItems);
    const isEnd = from + some.length >= items.length;
    const wanted = some.filter(isWanted);
    const isBegun = wasBegun || wanted.length > 0;
    let text = wanted.length === 0 ? "" : (wasBegun ? separator : head) + render(wanted);
    if (isEnd) text += isBegun ? tail : empty;
    const bytes = text === "" ? undefined : new TextEncoder().encode(text);
    const part = { bytes, last: some.at(-1)?.key, isBegun, isEnd };
    if (this.#kept?.add(this.#place, part) !== true) this.#kept = undefined; // what others tell next is not behind this
    return part;
  }
}

/** Of the first whose key comes after `key`. */
function placeBehind(items: readonly { readonly key: string }[], key: string): number {
  let [from, to] = [0, items.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (items[middle]!.key <= key) from = middle + 1;
    else to = middle;
  }
  return from;
}
