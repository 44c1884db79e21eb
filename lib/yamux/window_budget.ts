/**
 * How much the streams of a session, or of many, may hold above the windows that the protocol gives them.
 *
 *     of a server  <--  of each client  <--  of each session
 *
 * @module
 */

/** Bytes to give out; what is taken here is taken from the budget above, too. */
export class WindowBudget {
  readonly #bytesMax: number;
  readonly #above: WindowBudget | undefined;
  #taken = 0;
  #isEnded = false;

  constructor(bytesMax: number, above?: WindowBudget) {
    this.#bytesMax = bytesMax;
    this.#above = above;
  }

  /** Bytes that can still be taken. */
  get left(): number {
    return Math.min(this.#bytesMax - this.#taken, this.#above?.left ?? Infinity);
  }

  take(bytes: number): void {
    this.#taken += bytes;
    this.#above?.take(bytes);
  }

  give(bytes: number): void {
    if (this.#isEnded) return;
    this.#taken -= bytes;
    this.#above?.give(bytes);
  }

  /** Gives everything back; what somebody gives later counts no more. */
  end(): void {
    this.give(this.#taken);
    this.#isEnded = true;
  }
}
