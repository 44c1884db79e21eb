/**
 * One timer for all deadlines of a session: a thousand idle sessions are a thousand timers that fire twice in
 * 30 s, and traffic re-arms none of them.
 *
 * @module
 */
import type { Clock, Timer } from "../runtime/mod.ts";

export class Deadlines {
  readonly #clock: Clock;
  readonly #check: (nowMs: number) => number;
  #timer: Timer | undefined;
  #armedMs = Infinity;
  #isStopped = false;

  /** `check` acts on what is due and returns when the next deadline is; Infinity for none. */
  constructor(clock: Clock, check: (nowMs: number) => number) {
    this.#clock = clock;
    this.#check = check;
  }

  /** Makes sure that `check` runs at `dueMs`, or somewhat earlier. */
  by(dueMs: number): void {
    if (this.#isStopped || dueMs >= this.#armedMs) return;
    this.#timer?.cancel();
    this.#armedMs = dueMs;
    this.#timer = this.#clock.timer(dueMs - this.#clock.monotonicMs(), this.#fire);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #fire = () => {
    this.#timer = undefined;
    this.#armedMs = Infinity;
    this.by(this.#check(this.#clock.monotonicMs()));
  };
}
