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
  atMs: number;
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

  /** Takes one request of `caller`: 0, or the milliseconds until the next one is admitted. */
  waitMs(caller: string): number {
    const { perMinute, burst } = this.#options;
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(caller) ?? { tokens: burst, atMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + (nowMs - bucket.atMs) * perMinute / MINUTE_MS);
    bucket.atMs = nowMs;
    this.#buckets.delete(caller); // and back at the end: the order is that of the last request
    this.#buckets.set(caller, bucket);
    if (this.#buckets.size > CALLERS_MAX) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (bucket.tokens < 1) return (1 - bucket.tokens) * MINUTE_MS / perMinute;
    bucket.tokens--;
    return 0;
  }
}

const MINUTE_MS = 60_000;
