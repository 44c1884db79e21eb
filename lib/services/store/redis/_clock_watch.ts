/** Redis' clock, by which stores count: what it says now, and whether this machine's is that. @module */
import type { Log } from "../../../base/mod.ts";
import type { Clock } from "../../../runtime/mod.ts";
import { StoreError } from "../store.ts";
import { CLOCK_DIFFERENCE_MAX_MS } from "../uptime_store.ts";

/** What Redis said so long ago, and the time since, is its time; after it Redis is asked, while that is still told. */
const TIME_FRESH_MS = 5_000;
/** After it whoever wants to know waits for the answer: longer than an answer is kept that Redis was asked for. */
const TIME_KEPT_MS = 60_000;

export class ClockWatch {
  readonly #clock: Pick<Clock, "monotonicMs" | "wallMs"> | undefined;
  readonly #log: Log | undefined;
  #aheadMs = 0;
  /** As it was told of last; 0: no difference was. */
  #toldMs = 0;
  /** What Redis said last, and when that came, by the monotonic clock. */
  #last: { readonly redisMs: number; readonly atMs: number } | undefined;
  /** Under way. */
  #asking: Promise<number> | undefined;

  constructor(
    { clock, log }: { readonly clock?: Pick<Clock, "monotonicMs" | "wallMs">; readonly log?: Log },
  ) {
    this.#clock = clock;
    this.#log = log;
  }

  /** How far this machine's clock was ahead when Redis told the time last; what the asking took is left out. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  /**
   * Redis' time, never ahead of it: by what it said last and this machine's monotonic clock. `ask` asks it by
   * {@link asking}: without a clock always, else when that is old; that it cannot be asked is then no failure.
   */
  async presentMs(ask: () => Promise<number>): Promise<number> {
    const known = this.#known();
    if (known === undefined) return await ask();
    if (known.ageMs < TIME_FRESH_MS) return known.nowMs;
    this.#asking ??= this.#askOnce(ask);
    return known.ageMs < TIME_KEPT_MS ? known.nowMs : await this.#asking;
  }

  /** Resolves when nothing is asked any more that nobody waits for. */
  async settled(): Promise<void> {
    await this.#asking?.catch(() => {});
  }

  /** Asks something that has Redis' time in it. Gives the answer. */
  async asking<T>(question: () => Promise<T>, redisMs: (answer: T) => number): Promise<T> {
    const sentMs = this.#clock?.wallMs();
    const answer = await question();
    if (sentMs !== undefined) {
      this.#last = { redisMs: redisMs(answer), atMs: this.#clock!.monotonicMs() };
      this.#noted(redisMs(answer), { sentMs, receivedMs: this.#clock!.wallMs() });
    }
    return answer;
  }

  #known(): { readonly nowMs: number; readonly ageMs: number } | undefined {
    if (this.#clock === undefined || this.#last === undefined) return undefined;
    const ageMs = this.#clock.monotonicMs() - this.#last.atMs;
    return { nowMs: this.#last.redisMs + ageMs, ageMs };
  }

  async #askOnce(ask: () => Promise<number>): Promise<number> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      return this.#known()!.nowMs;
    } finally {
      this.#asking = undefined;
    }
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
