/** A deadline that moves often and seldom passes. @module */
import type { Clock, Timer } from "../runtime/mod.ts";

/** Calls `expire` once the time last set has come. Moving it later costs no timer. */
export class Deadline {
  readonly #clock: Clock;
  readonly #expire: () => void;
  #dueMs = Infinity;
  #timer: Timer | undefined;
  #timerMs = Infinity;

  constructor(clock: Clock, expire: () => void) {
    this.#clock = clock;
    this.#expire = expire;
  }

  /** `dueMs` is monotonic time. Replaces what was set before. */
  set(dueMs: number): void {
    this.#dueMs = dueMs;
    if (dueMs >= this.#timerMs || dueMs === Infinity) return; // the armed timer looks again when it fires
    this.#timer?.cancel();
    this.#arm();
  }

  /** Nothing is due; an armed timer stays, to be used by the next `set`. */
  clear(): void {
    this.#dueMs = Infinity;
  }

  /** Nothing is due and nothing is armed. */
  stop(): void {
    this.#dueMs = this.#timerMs = Infinity;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timerMs = this.#dueMs;
    this.#timer = this.#clock.timer(Math.max(0, this.#dueMs - this.#clock.monotonicMs()), () => {
      this.#timer = undefined;
      this.#timerMs = Infinity;
      if (this.#dueMs === Infinity) return;
      if (this.#clock.monotonicMs() < this.#dueMs) return this.#arm();
      this.#dueMs = Infinity;
      this.#expire();
    });
  }
}
