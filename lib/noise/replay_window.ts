/** Which counters of an unordered direction were seen (protocol: dmsg, section 2.3). @module */
import { ReplayError } from "./errors.ts";

/** Counters that are remembered below the highest one: messages that overtake each other by more are refused. */
export const REPLAY_WINDOW = 1024;

const WORD_BITS = 32;

/**
 * The last {@link REPLAY_WINDOW} counters, as a ring of bits. Constant memory, and time bounded by the window
 * whatever the counters are. Counters are integers from 0 to 2^53 - 1.
 */
export class ReplayWindow {
  readonly #seen = new Uint32Array(REPLAY_WINDOW / WORD_BITS);
  #highest = 0;

  /** The highest marked counter; 0 before the first. */
  get highest(): number {
    return this.#highest;
  }

  /** Throws {@link ReplayError} for a counter that is 0, too old, or marked. */
  check(counter: number): void {
    if (counter === 0) throw new ReplayError(counter, "counters start at 1");
    if (counter <= this.#highest - REPLAY_WINDOW) {
      throw new ReplayError(counter, `it is ${REPLAY_WINDOW} or more below the highest, ${this.#highest}`);
    }
    if (counter <= this.#highest && this.#isMarked(counter)) {
      throw new ReplayError(counter, "it was used before");
    }
  }

  /** Remembers a counter that passed {@link check} and whose message proved authentic. */
  mark(counter: number): void {
    if (counter > this.#highest) {
      if (counter - this.#highest >= REPLAY_WINDOW) this.#seen.fill(0);
      else for (let skipped = this.#highest + 1; skipped < counter; skipped++) this.#clear(skipped);
      this.#highest = counter;
    }
    const bit = counter % REPLAY_WINDOW;
    this.#seen[Math.floor(bit / WORD_BITS)]! |= 1 << (bit % WORD_BITS);
  }

  #isMarked(counter: number): boolean {
    const bit = counter % REPLAY_WINDOW;
    return (this.#seen[Math.floor(bit / WORD_BITS)]! & 1 << (bit % WORD_BITS)) !== 0;
  }

  #clear(counter: number): void {
    const bit = counter % REPLAY_WINDOW;
    this.#seen[Math.floor(bit / WORD_BITS)]! &= ~(1 << (bit % WORD_BITS));
  }
}
