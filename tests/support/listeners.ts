/** Listeners that a long-lived signal is left with: each one is memory for as long as the signal lives. @module */

/** A signal that counts who listens for its abort. */
export class CountedSignal {
  readonly #controller = new AbortController();
  readonly #listeners = new Set<unknown>();
  readonly signal = this.#controller.signal;

  constructor() {
    const { signal } = this;
    const [add, remove] = [signal.addEventListener, signal.removeEventListener];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      this.#listeners.add(args[1]);
      return add.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      this.#listeners.delete(args[1]);
      return remove.apply(signal, args);
    };
  }

  /** Listeners that were added and not taken back. */
  get count(): number {
    return this.#listeners.size;
  }
}
