/** What round trips come to: loss, jitter, quantiles. @module */

/** Round trips that the figures are of; older ones only count. */
export const ROUND_TRIPS_KEPT = 1_000;

/** Milliseconds; null: nothing was answered yet. */
export interface PingFigures {
  readonly sent: number;
  readonly lost: number;
  readonly last: number | null;
  readonly min: number | null;
  readonly avg: number | null;
  readonly p95: number | null;
  readonly max: number | null;
  /** Mean difference between a round trip and the next one. */
  readonly jitter: number | null;
}

export class PingStatistics {
  readonly #kept: number[] = []; // a ring once it is full
  #answered = 0;
  #lost = 0;

  reply(roundTripMs: number): void {
    this.#kept[this.#answered++ % ROUND_TRIPS_KEPT] = roundTripMs;
  }

  lost(): void {
    this.#lost++;
  }

  figures(): PingFigures {
    const sent = this.#answered + this.#lost;
    const count = this.#kept.length;
    if (count === 0) {
      const none = { last: null, min: null, avg: null, p95: null, max: null, jitter: null };
      return { sent, lost: this.#lost, ...none };
    }
    const first = this.#answered % count; // of a full ring; 0 before
    const inOrder = [...this.#kept.slice(first), ...this.#kept.slice(0, first)];
    const sorted = [...inOrder].sort((a, b) => a - b);
    let differences = 0;
    for (let index = 1; index < count; index++) {
      differences += Math.abs(inOrder[index]! - inOrder[index - 1]!);
    }
    return {
      sent,
      lost: this.#lost,
      last: inOrder.at(-1)!,
      min: sorted[0]!,
      avg: sorted.reduce((sum, ms) => sum + ms, 0) / count,
      p95: sorted[Math.ceil(count * 0.95) - 1]!,
      max: sorted.at(-1)!,
      jitter: count < 2 ? null : differences / (count - 1),
    };
  }
}
