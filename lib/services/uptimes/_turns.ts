/** Long work in parts, so that whatever else the process has to do comes between them. @module */
import type { Clock, Timer } from "../../runtime/mod.ts";
import { TURN_MS } from "./settings.ts";

/** One part after the other, however many wait: after {@link TURN_MS} of them the event loop goes round. */
export class Turns {
  readonly #clock: Clock;
  /** Of the part that was asked for last. */
  #done: Promise<void> = Promise.resolve();
  /** Parts that were asked for and are not done. */
  #waiting = 0;
  #turn: { readonly endsMs: number; round: Round | undefined } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Works on a part when it is its turn: what `part` does at once is what counts. `isLast`: nothing follows by whoever
   * asks for it. Rejects with what it throws.
   */
  async run<T>(part: () => T, { isLast }: { readonly isLast: boolean }): Promise<Awaited<T>> {
    const before = this.#done;
    const done = Promise.withResolvers<void>();
    this.#done = done.promise;
    this.#waiting++;
    const isEnd = () => isLast && this.#waiting === 1;
    let result: T;
    try {
      await before;
      await this.#begin(isEnd());
      result = part();
    } finally {
      if (isEnd()) this.#end();
      this.#waiting--;
      done.resolve();
    }
    return await result;
  }

  /**
   * Goes on in a turn that is not over, or in a new one. The loop is round when a timer fires that is set when the turn
   * begins and due by its end: so nobody waits for it, and what came on sockets is seen, as it is not at once by a loop
   * that never finds itself idle.
   */
  async #begin(isEnd: boolean): Promise<void> {
    if (this.#turn !== undefined && this.#clock.monotonicMs() >= this.#turn.endsMs) {
      await (this.#turn.round ??= newRound(this.#clock)).isOver;
      this.#turn = undefined;
    }
    this.#turn ??= { endsMs: this.#clock.monotonicMs() + TURN_MS, round: undefined };
    if (!isEnd) this.#turn.round ??= newRound(this.#clock);
  }

  /** Nothing follows: what comes later finds the loop round, and no timer is left. */
  #end(): void {
    this.#turn?.round?.timer.cancel();
    this.#turn = undefined;
  }
}

/** Once round the event loop. */
interface Round {
  readonly timer: Timer;
  readonly isOver: Promise<void>;
}

function newRound(clock: Clock): Round {
  const { promise: isOver, resolve } = Promise.withResolvers<void>();
  return { timer: clock.timer(0, resolve), isOver };
}
