/**
 * `Ledger`: counts what is alive (sessions, streams, timers, sockets), so that a test, `status` and the
 * metrics can say that nothing is left.
 *
 * @module
 */

/** Counts of live things by kind. Opening gives the function that takes the count back, once. */
export class Ledger {
  readonly #live = new Map<string, number>();

  /** Counts one more `kind`; the returned function uncounts it and may be called again without effect. */
  open(kind: string): () => void {
    this.#live.set(kind, (this.#live.get(kind) ?? 0) + 1);
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      const left = (this.#live.get(kind) ?? 0) - 1;
      if (left > 0) this.#live.set(kind, left);
      else this.#live.delete(kind);
    };
  }

  /** How many of `kind` are alive now. */
  count(kind: string): number {
    return this.#live.get(kind) ?? 0;
  }

  /** Every kind with at least one alive, sorted by name. `{}` when nothing is left. */
  live(): Record<string, number> {
    return Object.fromEntries([...this.#live].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
