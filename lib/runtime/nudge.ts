/** A loop's doorbell: rung from anywhere, waited for by one loop. @module */
import type { Clock } from "./world.ts";

/** Remembers one ring; more rings before the wait are the same ring. */
export class Nudge {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Waits for a ring, at most `delayMs`. True when it rang. Rejects with the signal's reason. */
  wait(clock: Clock, delayMs: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#take()) return Promise.resolve(true);
    return new Promise((resolve, reject) => {
      const end = () => {
        timer.cancel();
        signal.removeEventListener("abort", onAbort);
        this.#wake = undefined;
      };
      const onAbort = () => {
        end();
        reject(signal.reason);
      };
      const timer = clock.timer(delayMs, () => {
        end();
        resolve(this.#take());
      });
      this.#wake = () => {
        end();
        resolve(this.#take());
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  #take(): boolean {
    const rung = this.#rung;
    this.#rung = false;
    return rung;
  }
}
