/**
 * A list of everybody as text, a part at a time: made when whoever reads it has taken the part before, so that a list
 * of any length takes the memory of one part, and the time of one between two turns of the event loop.
 *
 * @module
 */
import type { BodyReader } from "../../http/mod.ts";
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
export class PartsReader<Key extends string, Item extends { readonly key: Key }> implements BodyReader {
  readonly #list: ListText<Item>;
  readonly #newest: () => readonly Item[];
  readonly #turns: Turns;
  readonly #partItems: number;
  /** Told of so far; undefined: nobody. */
  #last: Key | undefined;
  #isBegun = false;
  #isEnded = false;

  constructor(list: ListText<Item>, { newest, turns, partItems }: {
    /** By key. */
    readonly newest: () => readonly Item[];
    readonly turns: Turns;
    readonly partItems: number;
  }) {
    this.#list = list;
    this.#newest = newest;
    this.#turns = turns;
    this.#partItems = partItems;
  }

  async read(): Promise<Uint8Array | null> {
    const { head, separator, tail, empty = head + tail, render, isWanted = () => true } = this.#list;
    while (!this.#isEnded) {
      await this.#turns.next();
      const items = this.#newest();
      const from = this.#last === undefined ? 0 : placeBehind(items, this.#last);
      const part = items.slice(from, from + this.#partItems);
      this.#last = part.at(-1)?.key ?? this.#last;
      const isEnd = this.#isEnded = from + part.length >= items.length;
      const wanted = part.filter(isWanted);
      const begins = this.#isBegun ? separator : head;
      let text = wanted.length === 0 ? "" : begins + render(wanted);
      this.#isBegun ||= wanted.length > 0;
      if (isEnd) text += this.#isBegun ? tail : empty;
      if (text !== "") return new TextEncoder().encode(text);
    }
    return null;
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
