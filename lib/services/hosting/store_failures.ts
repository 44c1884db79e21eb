/** A store that fails, in the log of its service. @module */
import { describeError, type Log } from "../../base/mod.ts";
import type { Clock } from "../../runtime/mod.ts";

/** Failures of the store in the log: while it is away every request has one, and what else was said would be lost. */
export class StoreFailures {
  readonly #log: Log;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #toldAtMs = -Infinity;
  #untold = 0;

  constructor(log: Log, clock: Pick<Clock, "monotonicMs">) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Says so, at most each {@link STORE_FAILURES_TOLD_MS}, and how many there were since it last did. */
  tell(error: unknown, path: string): void {
    this.#untold++;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldAtMs < STORE_FAILURES_TOLD_MS) return;
    this.#log.error("Store failed", {
      error: describeError(error),
      path: path.slice(0, LOGGED_PATH_CHARS),
      times: this.#untold,
    });
    this.#toldAtMs = nowMs;
    this.#untold = 0;
  }
}

/** Between two lines about a store that fails: an outage of an hour is 360 lines. */
export const STORE_FAILURES_TOLD_MS = 10_000;

/** Of a path in the log: longer than any of ours. */
const LOGGED_PATH_CHARS = 128;
