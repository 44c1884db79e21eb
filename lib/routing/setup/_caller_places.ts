/**
 * Who is worked for when there is more to do than is done at once: each caller's key has a share, and a turn.
 *
 *     enter    at once while there is a free place, and the caller has fewer than its share
 *     wait     else; free places go round the callers that wait, one request of each (first come, first served)
 *
 * A caller that floods waits for itself: the next request of another key waits for one turn, not for the flood.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";

export interface CallerPlacesOptions {
  readonly placesMax: number;
  /** Places of one key. */
  readonly placesOfKeyMax: number;
  readonly waitingMax: number;
  /** Requests of one key that wait. */
  readonly waitingOfKeyMax: number;
}

interface Caller {
  running: number;
  readonly waiting: Set<() => void>; // in the order in which they came
}

export class CallerPlaces {
  readonly #options: CallerPlacesOptions;
  readonly #callers = new Map<PublicKey, Caller>(); // those that have a place or wait for one
  readonly #next = new Set<PublicKey>(); // those that wait and have a share left, in the order of their turns
  #running = 0;
  #waiting = 0;

  constructor(options: CallerPlacesOptions) {
    this.#options = options;
  }

  /** Keys that have a place or wait for one. */
  get callers(): number {
    return this.#callers.size;
  }

  /** Takes a place if one is free for that key; whoever got one gives it back by `leave`. */
  tryEnter(key: PublicKey): boolean {
    const { placesMax, placesOfKeyMax } = this.#options;
    const running = this.#callers.get(key)?.running ?? 0;
    if (this.#running >= placesMax || running >= placesOfKeyMax) return false;
    this.#caller(key).running++;
    this.#running++;
    return true;
  }

  /** False when too many wait already, of that key or in all. */
  mayWait(key: PublicKey): boolean {
    const { waitingMax, waitingOfKeyMax } = this.#options;
    return this.#waiting < waitingMax && (this.#callers.get(key)?.waiting.size ?? 0) < waitingOfKeyMax;
  }

  /** Waits for a place. Rejects with the signal's reason; there is nothing to give back then. */
  wait(key: PublicKey, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const caller = this.#caller(key);
      const enter = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        caller.waiting.delete(enter);
        this.#waiting--;
        if (caller.waiting.size === 0) this.#next.delete(key);
        this.#forgetIdle(key, caller);
        reject(signal.reason);
      };
      caller.waiting.add(enter);
      this.#waiting++;
      if (caller.running < this.#options.placesOfKeyMax) this.#next.add(key);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  /** Gives a place back: the next of those that wait gets it. */
  leave(key: PublicKey): void {
    const caller = this.#callers.get(key)!;
    caller.running--;
    this.#running--;
    if (caller.waiting.size > 0) this.#next.add(key);
    this.#forgetIdle(key, caller);
    for (const turn of this.#next) {
      if (this.#running >= this.#options.placesMax) return;
      this.#admitOne(turn);
    }
  }

  #admitOne(key: PublicKey): void {
    const caller = this.#callers.get(key)!;
    const [enter] = caller.waiting;
    caller.waiting.delete(enter!);
    this.#waiting--;
    caller.running++;
    this.#running++;
    this.#next.delete(key); // to the end of the turns, or out of them
    if (caller.waiting.size > 0 && caller.running < this.#options.placesOfKeyMax) this.#next.add(key);
    enter!();
  }

  #caller(key: PublicKey): Caller {
    let caller = this.#callers.get(key);
    if (caller === undefined) this.#callers.set(key, caller = { running: 0, waiting: new Set() });
    return caller;
  }

  #forgetIdle(key: PublicKey, { running, waiting }: Caller): void {
    if (running === 0 && waiting.size === 0) this.#callers.delete(key);
  }
}
