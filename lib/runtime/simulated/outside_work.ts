/** Work that waits outside of the simulation, and comes back in the order in which it left. @module */
import type { SimulatedNode } from "./node.ts";

interface Item {
  readonly node: SimulatedNode;
  readonly done: Promise<void>;
  settle: () => void;
}

export class OutsideWork {
  readonly #items: Item[] = [];

  /** Work whose result was not handed in yet. */
  get pending(): number {
    return this.#items.length;
  }

  /** Starts the work at once; its result is held until {@link first} gives it. */
  start<T>(node: SimulatedNode, work: () => Promise<T>): Promise<T> {
    const release = node.ledger.open("outside");
    return new Promise((resolve, reject) => {
      const settled = Promise.withResolvers<void>();
      const item: Item = { node, done: settled.promise, settle: () => {} };
      this.#items.push(item); // first, so that the work may use what only outside work may
      const finish = (settle: () => void) => {
        item.settle = () => {
          release();
          settle();
        };
        settled.resolve();
      };
      new Promise<T>((start) => start(work())).then(
        (value) => finish(() => resolve(value)),
        (error) => finish(() => reject(error)),
      );
    });
  }

  /** Waits for the work that left first, also when later work is back already. */
  async first(): Promise<{ node: SimulatedNode; settle: () => void }> {
    const item = this.#items[0]!;
    await item.done;
    this.#items.shift();
    return { node: item.node, settle: () => item.settle() };
  }
}
