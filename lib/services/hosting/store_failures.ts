/** A store that fails, in the log of its service. @module */
import { describeError, type Log } from "../../base/mod.ts";
import type { Clock } from "../../runtime/mod.ts";

/** Failures of the store in the log: while it is away every request has one, and what else was said would be lost. */
export class StoreFailures {
  readonly #log: Log;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #message: string;
  #toldAtMs = -Infinity;
  #untold = 0;

  /** `message` is what fails for it. */
  constructor(log: Log, clock: Pick<Clock, "monotonicMs">, message = "Store failed") {
    this.#log = log;
    this.#clock = clock;
    this.#message = message;
  }

  /** Says so, at most each {@link STORE_FAILURES_TOLD_MS}, with what it was about and how many there were since then. */
  tell(error: unknown, about: Readonly<Record<string, string>> = {}): void {
    this.#untold++;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldAtMs < STORE_FAILURES_TOLD_MS) return;
    const fields = Object.entries(about).map(([name, text]) => [name, text.slice(0, LOGGED_PATH_CHARS)]);
    this.#log.error(this.#message, {
      error: describeError(error),
      ...Object.fromEntries(fields),
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
