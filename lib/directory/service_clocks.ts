/** What services' answers say of their clocks, for as long as it still means something. @module */
import type { Clock } from "../runtime/mod.ts";

/** Older than this a reading says nothing of a service that may have been set right since. */
export const CLOCK_READING_MS = 60_000;
/** This machine's clock was set, or the machine slept: every reading of before is of another clock. */
export const CLOCK_JUMP_MS = 2_000;

interface Reading {
  readonly aheadMs: number;
  readonly atMs: number;
  /** Wall less monotonic time, which differ by the same until the wall clock is set. */
  readonly baseMs: number;
}

/** By how much services' clocks are ahead of this machine's, in milliseconds, by the services' names. */
export class ServiceClocks {
  readonly #clock: Clock;
  readonly #readings = new Map<string, Reading>(); // as many as there are names of services

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A service has just answered with its time. */
  note(name: string, aheadMs: number): void {
    this.#readings.set(name, { aheadMs, atMs: this.#clock.monotonicMs(), baseMs: this.#baseMs() });
  }

  /** The newest reading of one service, however old, if this machine's clock was not set since. */
  aheadMs(name: string): number | undefined {
    const reading = this.#readings.get(name);
    return reading === undefined || this.#isOfAnotherClock(reading) ? undefined : reading.aheadMs;
  }

  /** Every reading of the last {@link CLOCK_READING_MS}. */
  recent(): Map<string, number> {
    const nowMs = this.#clock.monotonicMs();
    const recent = new Map<string, number>();
    for (const [name, reading] of this.#readings) {
      if (nowMs - reading.atMs > CLOCK_READING_MS || this.#isOfAnotherClock(reading)) continue;
      recent.set(name, reading.aheadMs);
    }
    return recent;
  }

  #isOfAnotherClock({ baseMs }: Reading): boolean {
    return Math.abs(this.#baseMs() - baseMs) >= CLOCK_JUMP_MS;
  }

  #baseMs(): number {
    return this.#clock.wallMs() - this.#clock.monotonicMs();
  }
}
