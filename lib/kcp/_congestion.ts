/**
 * How many segments may be under way: slow start, then CUBIC as TCP has it (RFC 9438), so that both get their
 * share of a narrow path.
 *
 * What is not TCP's: a loss while the path holds no queue and few segments are lost is noise, and the window stays.
 * On a radio link of some per cent loss that is the difference between working and crawling; where a queue grows,
 * or much is lost, this is CUBIC.
 *
 * @module
 */
import { SEND_WINDOW_MAX } from "./limits.ts";

/** Segments under way at first, as TCP's (RFC 6928). */
export const CONGESTION_WINDOW_FIRST = 10;
const WINDOW_MIN = 2;
/** Below this window a queue is not ours, and slow start goes on. */
const SLOW_START_MIN = 16;
/** Growth for each arrival while that is in doubt (RFC 9406). */
const SLOWER_START = 1 / 4;
/** What congestion leaves of the window. */
const AFTER_CONGESTION = 0.7;
/** Part of the segments that may be lost to noise; above it every loss is congestion. */
const NOISE_MAX = 0.08;
/** Segments over which that part is averaged. */
const NOISE_SEGMENTS = 200;
/** Of CUBIC's curve, in segments per second cubed. */
const CUBIC = 0.4;
/** Growth per round where CUBIC is slower than Reno would be: 3 (1 - b) / (1 + b). */
const RENO = 3 * (1 - AFTER_CONGESTION) / (1 + AFTER_CONGESTION);

/** What is known of the path. */
export interface Path {
  readonly smoothedMs: number;
  /** The last answers took longer than they did: perhaps something waits on the way. */
  readonly isSlowing: boolean;
  /** They have for so long that something does. */
  readonly isQueueing: boolean;
}

interface Acknowledged {
  readonly nowMs: number;
  readonly path: Path;
  readonly isLimited: boolean;
}

export class Congestion {
  #window = CONGESTION_WINDOW_FIRST;
  #threshold = Infinity;
  // Of the time since the last loss.
  #windowBefore = 0;
  #sinceMs: number | undefined;
  #reno = 0;
  #lossRate = 0;
  #before: { readonly window: number; readonly threshold: number } | undefined;

  /** Segments that may be under way. */
  get window(): number {
    return Math.floor(this.#window);
  }

  /** `count` segments arrived; `isLimited`: while as many were under way as may be. */
  acknowledged(count: number, { nowMs, path, isLimited }: Acknowledged): void {
    this.#lossRate *= (1 - 1 / NOISE_SEGMENTS) ** count;
    if (!isLimited) return;
    if (this.#window < this.#threshold) {
      const growth = path.isSlowing && this.#window >= SLOW_START_MIN ? SLOWER_START : 1;
      this.#window = Math.min(this.#window + growth * count, SEND_WINDOW_MAX);
      if (path.isQueueing && this.#window >= SLOW_START_MIN) this.#threshold = this.#window;
      return;
    }
    if (this.#sinceMs === undefined) {
      this.#sinceMs = nowMs;
      if (this.#reno === 0) this.#windowBefore = this.#reno = this.#window;
    }
    this.#reno += RENO * count / this.#window;
    const seconds = (nowMs - this.#sinceMs + path.smoothedMs) / 1_000;
    const turn = Math.cbrt(Math.max(0, this.#windowBefore - this.#threshold) / CUBIC);
    const target = CUBIC * (seconds - turn) ** 3 + this.#windowBefore;
    if (target > this.#window) {
      this.#window += Math.min((target - this.#window) / this.#window, 0.5) * count;
    }
    this.#window = Math.min(Math.max(this.#window, this.#reno), SEND_WINDOW_MAX);
  }

  /** `count` segments were lost; `isNews`: for the first time in this round. */
  lost(count: number, { path, isNews }: { readonly path: Path; readonly isNews: boolean }): void {
    this.#lossRate += (1 - this.#lossRate) * (1 - (1 - 1 / NOISE_SEGMENTS) ** count);
    if (!isNews || (!path.isQueueing && this.#lossRate < NOISE_MAX)) return;
    this.#reduce(this.#window * AFTER_CONGESTION);
    this.#window = this.#threshold;
  }

  /** Nothing came back for a whole time-out. */
  timedOut(): void {
    this.#reduce(this.#window * AFTER_CONGESTION);
    this.#window = WINDOW_MIN;
  }

  /** The last loss was none. */
  undo(): void {
    if (this.#before === undefined) return;
    this.#window = Math.max(this.#window, this.#before.window);
    this.#threshold = this.#before.threshold;
    this.#before = undefined;
  }

  #reduce(to: number): void {
    this.#before = { window: this.#window, threshold: this.#threshold };
    this.#windowBefore = this.#window;
    this.#threshold = this.#reno = Math.max(WINDOW_MIN, to);
    this.#sinceMs = undefined;
  }
}
