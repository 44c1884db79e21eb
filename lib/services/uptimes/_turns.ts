/** Long work in parts, so that whatever else the process has to do comes between them. @module */
import { type Clock, sleep } from "../../runtime/mod.ts";

/** One after the other, however many wait: between two of them the event loop has gone round. */
export class Turns {
  readonly #clock: Clock;
  #last: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return this.#last = this.#last.then(() => sleep(this.#clock, 0));
  }
}
