/** So many requests per caller, and a burst above it: one token bucket per key. @module */
import type { Clock } from "../../runtime/mod.ts";

export interface RateLimitOptions {
  readonly perMinute: number;
  /** At once. */
  readonly burst: number;
}

/** Callers remembered; the one not seen for longest goes first, and starts anew with a full burst. */
export const CALLERS_MAX = 10_000;

interface Bucket {
  tokens: number;
  readonly atMs: number;
}

export class RateLimit {
  readonly #buckets = new Map<string, Bucket>();
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #options: RateLimitOptions;

  constructor(clock: Pick<Clock, "monotonicMs">, options: RateLimitOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Callers remembered now. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Requests of `caller` that would be admitted now, fractions included. */
  left(caller: string): number {
    const { perMinute, burst } = this.#options;
    const bucket = this.#buckets.get(caller);
    if (bucket === undefined) return burst;
    const grownMs = this.#clock.monotonicMs() - bucket.atMs;
    return Math.min(burst, bucket.tokens + grownMs * perMinute / MINUTE_MS);
  }

  /** Takes one request of `caller`: 0, or the milliseconds until the next one is admitted. */
  waitMs(caller: string): number {
    const { perMinute } = this.#options;
    const bucket = { tokens: this.left(caller), atMs: this.#clock.monotonicMs() };
    this.#buckets.delete(caller); // and back at the end: the order is that of the last request
    this.#buckets.set(caller, bucket);
    if (this.#buckets.size > CALLERS_MAX) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (bucket.tokens < 1) return (1 - bucket.tokens) * MINUTE_MS / perMinute;
    bucket.tokens--;
    return 0;
  }
}

const MINUTE_MS = 60_000;
