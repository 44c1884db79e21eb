/**
 * How fast a queue empties while much waits in it: the measure by which a slow next transport is told from a busy one.
 *
 *     begin --> | window of FORWARD_STALL_MS | window | ... --> end
 *                 still: nothing left it for a window's time
 *                 slow:  something did, but less than FORWARD_PACE_BYTES_MIN in a window
 *
 * Windows do not begin anew with what moves: else one chunk now and then would pass for a pace.
 *
 * @module
 */
import type { Clock } from "../runtime/mod.ts";

/** How long a full queue may stand still, and over how long its pace is measured. Longer than a group of ours that nobody reads: that one ends first, alone. */
export const FORWARD_STALL_MS = 10_000;
/** What has to leave in that time while others are held up. */
export const FORWARD_PACE_BYTES_MIN = 1024 * 1024;

export type Pace = "still" | "slow";

export class QueuePace {
  #watchedMs: number | undefined; // since when; undefined: little waits
  #movedMs = -Infinity;
  #windowMs = 0;
  #windowBytes = 0;
  #wasSlow = false; // in the window before this one

  /** Much waits from now on. Idempotent. */
  begin(clock: Clock): void {
    if (this.#watchedMs !== undefined) return; // under load: the clock is not asked
    const nowMs = this.#watchedMs = clock.monotonicMs();
    this.restart(nowMs);
  }

  /** Little waits: what leaves now says nothing. */
  end(): void {
    this.#watchedMs = undefined;
  }

  /** A new window, and what went before is forgiven. */
  restart(nowMs: number): void {
    this.#windowMs = nowMs;
    this.#windowBytes = 0;
    this.#wasSlow = false;
  }

  /** So much left the queue. */
  moved(bytes: number, nowMs: number): void {
    if (this.#watchedMs === undefined) return;
    this.#movedMs = nowMs;
    this.#roll(nowMs);
    this.#windowBytes += bytes;
  }

  /** How the queue was doing up to now; undefined: well, or it is too early to say. */
  judge(nowMs: number): Pace | undefined {
    if (this.#watchedMs === undefined) return undefined;
    if (nowMs - this.#stillSinceMs() >= FORWARD_STALL_MS) return "still";
    this.#roll(nowMs);
    return this.#wasSlow ? "slow" : undefined;
  }

  /** From now until there is something to judge, in ms. */
  waitMs(nowMs: number): number {
    if (this.#wasSlow) return 0;
    return Math.max(0, Math.min(this.#stillSinceMs(), this.#windowMs) + FORWARD_STALL_MS - nowMs);
  }

  #stillSinceMs(): number {
    return Math.max(this.#movedMs, this.#watchedMs ?? -Infinity);
  }

  #roll(nowMs: number): void {
    if (nowMs - this.#windowMs < FORWARD_STALL_MS) return;
    const wasSlow = this.#windowBytes < FORWARD_PACE_BYTES_MIN;
    this.restart(nowMs);
    this.#wasSlow = wasSlow;
  }
}
