/**
 * So many requests per caller and second, and a burst above it: one token bucket per key.
 *
 * @module
 */
import type { Clock } from "../../runtime/mod.ts";

/** Per dmsg key (dmsg.md 9.1). */
export const REQUESTS_PER_SECOND = 100;
export const REQUESTS_BURST = 200;
/** Callers remembered; the one not seen for longest goes first, and starts anew with a full burst. */
export const CALLERS_MAX = 10_000;

interface Bucket {
  tokens: number;
  atMs: number;
}

export class RateLimit {
  readonly #buckets = new Map<string, Bucket>();
  readonly #clock: Pick<Clock, "monotonicMs">;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** Callers remembered now. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one request of `caller`; false when it is one too many. */
  admits(caller: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(caller) ?? { tokens: REQUESTS_BURST, atMs: nowMs };
    const refill = (nowMs - bucket.atMs) * REQUESTS_PER_SECOND / 1_000;
    bucket.tokens = Math.min(REQUESTS_BURST, bucket.tokens + refill);
    bucket.atMs = nowMs;
    this.#buckets.delete(caller); // and back at the end: the order is that of the last request
    this.#buckets.set(caller, bucket);
    if (this.#buckets.size > CALLERS_MAX) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
