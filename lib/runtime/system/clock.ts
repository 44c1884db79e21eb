/** The machine's clock. @module */
import type { Ledger } from "../../base/mod.ts";
import type { Clock, Timer } from "../world.ts";

/** setTimeout fires at once beyond this; longer timers are set again (24.8 days). */
const DELAY_MAX_MS = 2 ** 31 - 1;

export function systemClock(ledger: Ledger): Clock {
  return {
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    timer: (delayMs, fire) => new SystemTimer(delayMs, fire, ledger),
  };
}

class SystemTimer implements Timer {
  readonly #release: () => void;
  readonly #fire: () => void;
  #handle: ReturnType<typeof setTimeout>;

  constructor(delayMs: number, fire: () => void, ledger: Ledger) {
    this.#release = ledger.open("timer");
    this.#fire = fire;
    this.#handle = this.#set(Math.max(0, delayMs));
  }

  cancel(): void {
    clearTimeout(this.#handle);
    this.#release();
  }

  #set(leftMs: number): ReturnType<typeof setTimeout> {
    if (leftMs > DELAY_MAX_MS) {
      return setTimeout(() => this.#handle = this.#set(leftMs - DELAY_MAX_MS), DELAY_MAX_MS);
    }
    return setTimeout(() => {
      this.#release();
      this.#fire();
    }, leftMs);
  }
}
