/**
 * Work that comes round: after an interval, after a pause that doubles while it fails, at once when it is asked for.
 *
 *     first ──▶ work ──▶ done ──▶ interval ──▶ work
 *                 └──▶ failed ──▶ 5, 10, 20 ... s, the interval at most ──▶ work
 *
 * A failure that lasts is told once, as a warning; that it is over is told, too.
 *
 * @module
 */
import { describeError, type Log, Scope } from "../../base/mod.ts";
import { type Clock, Nudge, withTimeout } from "../../runtime/mod.ts";

/** After a first failure (protocol: services, section 6); doubled each time. */
export const ROUND_RETRY_MS = 5_000;

export interface RoundsOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** For the log, a verb and what it is about: "Register services". */
  readonly name: string;
  /** From the start to the first. */
  readonly firstMs: number;
  readonly intervalMs: number;
  /** Of one. */
  readonly timeoutMs: number;
  /** Rejects when it came to nothing. It must end with its signal. */
  readonly work: (signal: AbortSignal) => Promise<void>;
}

export class Rounds {
  readonly #options: RoundsOptions;
  readonly #scope = new Scope();
  readonly #nudge = new Nudge();
  #failures = 0;

  constructor(options: RoundsOptions) {
    this.#options = options;
    this.#scope.spawn(options.name, (signal) => this.#run(signal));
  }

  /** The next begins at once, or as soon as the one that runs has ended. */
  hurry(): void {
    this.#nudge.ring();
  }

  /** Ends the one that runs, and waits for it. Never rejects. */
  async close(): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, firstMs, intervalMs } = this.#options;
    for (let pauseMs = firstMs;;) {
      await this.#nudge.wait(clock, pauseMs, signal);
      await this.#once(signal);
      pauseMs = this.#failures === 0
        ? intervalMs
        : Math.min(intervalMs, ROUND_RETRY_MS * 2 ** (this.#failures - 1));
    }
  }

  async #once(signal: AbortSignal): Promise<void> {
    const { clock, log, name, timeoutMs, work } = this.#options;
    try {
      await withTimeout(clock, { what: name, afterMs: timeoutMs, signal }, work);
    } catch (error) {
      signal.throwIfAborted();
      const fields = { what: name, cause: describeError(error) };
      if (++this.#failures === FAILURES_TOLD) log.warn("It does not work, and is tried again", fields);
      else log.debug("It does not work", fields);
      return;
    }
    if (this.#failures >= FAILURES_TOLD) log.info("It works again", { what: name, failures: this.#failures });
    this.#failures = 0;
  }
}

/** In a row: a single one is over in a moment, and nothing that anybody must know. */
const FAILURES_TOLD = 2;
