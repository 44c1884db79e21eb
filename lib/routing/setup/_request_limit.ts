/**
 * How long a request of a setup node may go on, and who else ends it.
 *
 * @module
 */
import { TimedOutError } from "../../base/mod.ts";
import type { World } from "../../runtime/mod.ts";

/** Of one request, from its beginning to its answer (routing.md 8.5). */
export const SETUP_REQUEST_TIMEOUT_MS = 30_000;

/** The limits of one request: its time, its caller, the node. They hold for what outlives it, too. */
export class RequestLimit {
  readonly #controller = new AbortController();
  readonly #stop: () => void;
  #users = 1;
  readonly signal = this.#controller.signal;

  constructor(clock: World["clock"], ...others: (AbortSignal | undefined)[]) {
    const timer = clock.timer(
      SETUP_REQUEST_TIMEOUT_MS,
      () => this.#controller.abort(new TimedOutError("Route set-up", SETUP_REQUEST_TIMEOUT_MS)),
    );
    const undo = others.map((other) => {
      const onAbort = () => this.#controller.abort(other!.reason);
      if (other?.aborted) onAbort();
      other?.addEventListener("abort", onAbort, { once: true });
      return () => other?.removeEventListener("abort", onAbort);
    });
    this.#stop = () => {
      timer.cancel();
      for (const each of undo) each();
    };
  }

  /** Keeps the limits until `work` has ended. */
  async outlivedBy(work: Promise<void>): Promise<void> {
    this.#users++;
    await work.finally(() => this.end());
  }

  end(): void {
    if (--this.#users === 0) this.#stop();
  }
}
