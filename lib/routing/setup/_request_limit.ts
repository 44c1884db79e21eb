/**
 * How long a request of a setup node may go on, and who else ends it.
 *
 * @module
 */
import { TimedOutError } from "../../base/mod.ts";
import type { World } from "../../runtime/mod.ts";

/** Of one request, from its beginning to its answer (routing.md 8.5). */
export const SETUP_REQUEST_TIMEOUT_MS = 30_000;

/**
 * The limits of one request: its time, its caller, the node. Time and node hold for what outlives it, too; its caller,
 * who has the answer then, may go.
 */
export class RequestLimit {
  readonly #controller = new AbortController();
  readonly #letCallerGo: () => void;
  readonly #stop: () => void;
  #users = 1;
  readonly signal = this.#controller.signal;

  constructor(
    clock: World["clock"],
    { caller, node }: { readonly caller: AbortSignal | undefined; readonly node: AbortSignal },
  ) {
    const timer = clock.timer(
      SETUP_REQUEST_TIMEOUT_MS,
      () => this.#controller.abort(new TimedOutError("Route set-up", SETUP_REQUEST_TIMEOUT_MS)),
    );
    this.#letCallerGo = this.#follow(caller);
    const letNodeGo = this.#follow(node);
    this.#stop = () => {
      timer.cancel();
      letNodeGo();
    };
  }

  /** Keeps the limits until `work` has ended. */
  async outlivedBy(work: Promise<void>): Promise<void> {
    this.#users++;
    await work.finally(() => this.#leave());
  }

  /** The request is answered. */
  end(): void {
    this.#letCallerGo();
    this.#leave();
  }

  #leave(): void {
    if (--this.#users === 0) this.#stop();
  }

  /** Ends with `other`; gives what undoes that. */
  #follow(other: AbortSignal | undefined): () => void {
    const onAbort = () => this.#controller.abort(other!.reason);
    if (other?.aborted) onAbort();
    other?.addEventListener("abort", onAbort, { once: true });
    return () => other?.removeEventListener("abort", onAbort);
  }
}
