/**
 * `VirtualClock`: time that a test moves by hand. No network, no seed: for unit tests of one layer.
 *
 * ```ts
 * import { VirtualClock } from "./virtual_clock.ts";
 * const clock = new VirtualClock();
 * let fired = false;
 * clock.timer(5_000, () => fired = true);
 * await clock.advance(5_000); // fired is true, and whatever waited for it has run
 * ```
 *
 * @module
 */
import type { Ledger } from "../../base/mod.ts";
import type { Clock, Timer } from "../world.ts";
import { EventQueue } from "./event_queue.ts";
import { runDry } from "./run_dry.ts";

/** 2026-01-01T00:00:00Z: where virtual wall clocks start, unless told. */
export const VIRTUAL_START_MS = 1_767_225_600_000;

export interface VirtualClockOptions {
  /** Unix time of the start, in milliseconds. */
  readonly wallMs?: number;
  /** Counts pending timers as kind `timer`. */
  readonly ledger?: Ledger;
}

export class VirtualClock implements Clock {
  readonly #queue = new EventQueue();
  readonly #ledger: Ledger | undefined;
  #startWallMs: number;
  #nowMs = 0;

  constructor({ wallMs = VIRTUAL_START_MS, ledger }: VirtualClockOptions = {}) {
    this.#startWallMs = wallMs;
    this.#ledger = ledger;
  }

  /** The number of timers that were set and neither fired nor were cancelled. */
  get pendingTimers(): number {
    return this.#queue.size;
  }

  wallMs(): number {
    return this.#startWallMs + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** Sets the wall clock, forwards or back, as an operator or NTP would. Timers do not move. */
  setWallMs(wallMs: number): void {
    this.#startWallMs = wallMs - this.#nowMs;
  }

  timer(delayMs: number, fire: () => void): Timer {
    const release = this.#ledger?.open("timer");
    const event = this.#queue.schedule(this.#nowMs + Math.max(0, delayMs), () => {
      release?.();
      fire();
    });
    return {
      cancel: () => {
        this.#queue.cancel(event);
        release?.();
      },
    };
  }

  /**
   * Moves time on by `ms`, firing each timer at its own time, also those set on the way; before the first and
   * after each one everything that can run has run. `advance(0)` only settles what is pending now. One call
   * at a time. Rejects with what a timer threw.
   */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await runDry();
    for (;;) {
      const atMs = this.#queue.nextAtMs();
      if (atMs === undefined || atMs > untilMs) break;
      this.#nowMs = atMs;
      this.#queue.take()!.run();
      await runDry();
    }
    this.#nowMs = untilMs;
  }
}
