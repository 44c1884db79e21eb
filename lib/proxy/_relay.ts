/**
 * Bytes both ways between a socket and a stream, each direction with an end of its own.
 *
 * Like `bridge` of lib/base, with three things more: it can be ended from outside, it counts nothing per chunk
 * but a number, and a connection of which one half has ended does not stay for ever because the other says
 * nothing.
 *
 * @module
 */
import { type Conn, TimedOutError } from "../base/mod.ts";
import type { Clock, Timer } from "../runtime/mod.ts";

/** A connection that is half ended is closed when the other half moved nothing for so long. */
export const HALF_CLOSED_IDLE_MS = 5 * 60_000;
/** What arrived before a session died may still be read by a slow program for so long. */
export const DRAIN_MS = 2_000;

/** Two Conns joined. Owns both. */
export class Relay {
  /** Settles when both are closed and no loop is left; rejects with the first failure. */
  readonly done: Promise<void>;
  readonly #a: Conn;
  readonly #b: Conn;
  readonly #clock: Clock;
  #chunks = 0;
  #chunksSeen = 0; // when the timer was set
  #endedHalves = 0;
  #timer: Timer | undefined;
  #isOver = false;

  constructor(a: Conn, b: Conn, clock: Clock) {
    this.#a = a;
    this.#b = b;
    this.#clock = clock;
    this.done = this.#run();
  }

  /** Ends both at once with `reason`. */
  abort(reason: unknown): void {
    this.#a.close(reason);
    this.#b.close(reason);
  }

  async #run(): Promise<void> {
    const halves = [this.#pump(this.#a, this.#b), this.#pump(this.#b, this.#a)];
    try {
      await Promise.all(halves);
      this.#a.close();
      this.#b.close();
    } catch (reason) {
      this.abort(reason);
      throw reason;
    } finally {
      this.#isOver = true;
      this.#timer?.cancel();
      await Promise.allSettled(halves);
    }
  }

  async #pump(from: Conn, to: Conn): Promise<void> {
    for (let chunk = await from.read(); chunk !== null; chunk = await from.read()) {
      this.#chunks++;
      await to.write(chunk);
    }
    await to.closeWrite();
    if (++this.#endedHalves === 1 && !this.#isOver) this.#arm();
  }

  #arm(): void {
    this.#chunksSeen = this.#chunks;
    this.#timer = this.#clock.timer(HALF_CLOSED_IDLE_MS, () => {
      if (this.#chunks !== this.#chunksSeen) return this.#arm();
      this.abort(new TimedOutError("The other half of a connection", HALF_CLOSED_IDLE_MS));
    });
  }
}

/** The relays of one session: when it dies, theirs is the end of each that has not ended by itself soon. */
export class Relays {
  readonly #live = new Set<Relay>();
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #end: { readonly reason: unknown } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Relays running now. */
  get size(): number {
    return this.#live.size;
  }

  /** Joins two Conns until both directions have ended. Rejects with the first failure. */
  async run(a: Conn, b: Conn): Promise<void> {
    const relay = new Relay(a, b, this.#clock);
    this.#live.add(relay);
    if (this.#end !== undefined) this.#arm();
    try {
      await relay.done;
    } finally {
      this.#live.delete(relay);
      if (this.#live.size === 0) this.#timer?.cancel();
    }
  }

  /**
   * The session is over: its streams have failed, which ends every relay that waits for them. One that waits for
   * a slow program to take what had arrived has {@link DRAIN_MS}.
   */
  sessionEnded(reason: unknown): void {
    this.#end ??= { reason };
    if (this.#live.size > 0) this.#arm();
  }

  /** Ends all at once. */
  abort(reason: unknown): void {
    for (const relay of [...this.#live]) relay.abort(reason);
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.timer(DRAIN_MS, () => this.abort(this.#end!.reason));
  }
}
