/** One dial that several callers wait for. @module */

/** Ends when its last caller gave up. */
export class SharedDial<T> {
  readonly #controller = new AbortController();
  readonly #made: Promise<T>;
  #waiting = 0;

  constructor(make: (signal: AbortSignal) => Promise<T>) {
    this.#made = make(this.#controller.signal);
    this.#made.catch(() => {}); // each caller has its own rejection
  }

  /** Settles with the dial, or rejects with the reason of `signal`, which ends the dial if nobody else waits. */
  join(signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) {
      if (this.#waiting === 0) this.abort(signal.reason);
      return Promise.reject(signal.reason);
    }
    this.#waiting++;
    if (signal === undefined) return this.#made;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        if (--this.#waiting === 0) this.abort(signal.reason);
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#made.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    });
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Settles when nothing of it is under way any more. Never rejects. */
  get done(): Promise<unknown> {
    return this.#made.catch(() => {});
  }
}
