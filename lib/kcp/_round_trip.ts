/** How long an answer takes, and when it is overdue. @module */
import { INTERVAL_MS, RTO_FIRST_MS, RTO_MAX_MS, RTO_MIN_MS } from "./limits.ts";

export class RoundTrip {
  /** 0 before the first sample. */
  smoothedMs = 0;
  // The shortest one of the epoch that is under way, and of the one before.
  #epochEndMs = 0;
  #epochMinMs = Infinity;
  #lastMinMs = Infinity;
  #hasSample = false;
  #latestMs = 0;
  #samples = 0; // since the last look at the lowest of them
  #lowMs = Infinity;
  #recentLowMs = 0;
  // The same over a longer time.
  #intervalEndMs = 0;
  #intervalSamples = 0;
  #intervalLowMs = Infinity;
  #lastIntervalLowMs = 0;
  #variationMs = 0;
  #patience = PATIENCE_FIRST;

  add(sampleMs: number, nowMs: number): void {
    this.#latestMs = sampleMs;
    if (nowMs >= this.#epochEndMs) {
      this.#lastMinMs = this.#epochMinMs;
      this.#epochMinMs = Infinity;
      this.#epochEndMs = nowMs + EPOCH_MS;
    }
    if (sampleMs < this.#epochMinMs) this.#epochMinMs = sampleMs;
    if (sampleMs < this.#lowMs) this.#lowMs = sampleMs;
    if (++this.#samples === RECENT_SAMPLES) {
      this.#recentLowMs = this.#lowMs;
      this.#lowMs = Infinity;
      this.#samples = 0;
    }
    this.#intervalLowMs = Math.min(this.#intervalLowMs, sampleMs);
    if (++this.#intervalSamples >= RECENT_SAMPLES && nowMs >= this.#intervalEndMs) {
      this.#lastIntervalLowMs = this.#intervalLowMs;
      this.#intervalLowMs = Infinity;
      this.#intervalSamples = 0;
      this.#intervalEndMs = nowMs + Math.max(INTERVAL_QUEUE_MS, this.smoothedMs);
    }
    if (!this.#hasSample) {
      this.#hasSample = true;
      this.smoothedMs = sampleMs;
      this.#variationMs = sampleMs / 2;
      return;
    }
    const error = sampleMs - this.smoothedMs;
    this.smoothedMs += error / 8;
    this.#variationMs += (Math.abs(error) - this.#variationMs) / 4;
  }

  /** The shortest one that was seen lately: packets may have gone another way before. */
  get minMs(): number {
    return Math.min(this.#lastMinMs, this.#epochMinMs);
  }

  /** After this time without an acknowledgement a segment is taken for lost. */
  get timeoutMs(): number {
    if (!this.#hasSample) return RTO_FIRST_MS;
    const timeoutMs = this.smoothedMs + Math.max(INTERVAL_MS, 4 * this.#variationMs);
    return Math.min(Math.max(timeoutMs, RTO_MIN_MS), RTO_MAX_MS);
  }

  /** After this time a segment is lost whose successor has arrived: what is merely late has come by then. */
  get reorderMs(): number {
    const roundTripMs = this.#hasSample ? Math.max(this.smoothedMs, this.#latestMs) : RTO_FIRST_MS;
    return roundTripMs + Math.max(1, Math.min(this.minMs, roundTripMs) * this.#patience);
  }

  /** Even the fastest of the last answers took longer than the shortest lately, by more than chance (RFC 9406). */
  get isSlowing(): boolean {
    return this.#isLonger(this.#recentLowMs);
  }

  /**
   * The same for longer than a busy machine lets answers wait: not one came through at once, so what they wait
   * behind is a queue on the way.
   */
  get isQueueing(): boolean {
    return this.#isLonger(Math.min(this.#lastIntervalLowMs, this.#intervalLowMs));
  }

  #isLonger(lowMs: number): boolean {
    return lowMs - this.minMs > Math.min(Math.max(this.minMs / 8, QUEUE_MS), QUEUE_MAX_MS);
  }

  /** Something that was taken for lost was merely late: from now on more patience. */
  wasHasty(): void {
    this.#patience = Math.min(this.#patience * 2, PATIENCE_MAX);
  }
}

/** How much later than the others a segment may arrive, as a part of the shortest round trip (RFC 8985). */
const PATIENCE_FIRST = 1 / 4;
const PATIENCE_MAX = 2;
/** An eighth of the shortest round trip more is a queue; between these. */
const QUEUE_MS = 4;
const QUEUE_MAX_MS = 16;
/** Samples of which the lowest is taken. */
const RECENT_SAMPLES = 8;
/** A queue that lasts as long is one; what a busy machine lets wait comes sooner. Or a round trip, if that is more. */
const INTERVAL_QUEUE_MS = 200;
/** A way that was shorter is forgotten after one to two of these; a queue that never empties lasts seldom as long. */
const EPOCH_MS = 15_000;
