/** Whether this machine's clock is that of Redis, by which stores count. @module */
import type { Log } from "../../../base/mod.ts";
import type { Clock } from "../../../runtime/mod.ts";
import { CLOCK_DIFFERENCE_MAX_MS } from "../uptime_store.ts";

export class ClockWatch {
  readonly #clock: Pick<Clock, "wallMs"> | undefined;
  readonly #log: Log | undefined;
  #aheadMs = 0;
  /** As it was told of last; 0: no difference was. */
  #toldMs = 0;

  constructor({ clock, log }: { readonly clock?: Pick<Clock, "wallMs">; readonly log?: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** How far this machine's clock was ahead when Redis told the time last; what the asking took is left out. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  /** Asks something that has Redis' time in it. Gives the answer. */
  async asking<T>(question: () => Promise<T>, redisMs: (answer: T) => number): Promise<T> {
    const sentMs = this.#clock?.wallMs();
    const answer = await question();
    if (sentMs !== undefined) this.#noted(redisMs(answer), { sentMs, receivedMs: this.#clock!.wallMs() });
    return answer;
  }

  /** Redis' time is of some moment between the two. */
  #noted(redisMs: number, { sentMs, receivedMs }: { sentMs: number; receivedMs: number }): void {
    this.#aheadMs = Math.max(0, sentMs - redisMs) + Math.min(0, receivedMs - redisMs);
    const differs = Math.abs(this.#aheadMs) > CLOCK_DIFFERENCE_MAX_MS;
    if (differs && Math.abs(this.#aheadMs - this.#toldMs) > CLOCK_DIFFERENCE_MAX_MS) {
      this.#toldMs = this.#aheadMs;
      this.#log?.warn("This machine's clock is not that of Redis, by which uptimes are counted", {
        aheadMs: Math.round(this.#aheadMs),
      });
    } else if (Math.abs(this.#aheadMs) < CLOCK_DIFFERENCE_MAX_MS / 2 && this.#toldMs !== 0) {
      this.#toldMs = 0;
      this.#log?.info("This machine's clock is that of Redis again");
    }
  }
}
