/**
 * What a setup node has done: the body of its `/stats` (SV-8; services, section 10.1).
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import type { World } from "../../runtime/mod.ts";
import type { SetupFailure } from "./errors.ts";

/** Latencies of the last successes. */
export const STATS_LATENCIES_MAX = 1_024;
/** Failures that are shown. */
export const STATS_FAILURES_MAX = 128;
/** Destinations that are counted; the one asked for longest ago goes first. */
export const STATS_DESTINATIONS_MAX = 512;
/** Destinations in each of the two lists. */
export const STATS_TOP_MAX = 10;
/** Characters of an error's text. */
export const STATS_ERROR_CHARS_MAX = 512;

/** One request, as it ended. */
export interface SetupOutcome {
  readonly source: PublicKey;
  readonly destination: PublicKey;
  /** Of the forward path. */
  readonly hopCount: number;
  readonly tookMs: number;
  /** Undefined: a success. */
  readonly failure?: { readonly reason: SetupFailure; readonly error: string };
}

interface DestinationCounts {
  total: number;
  failed: number;
}

interface FailureRecord {
  readonly timestamp: string;
  readonly src_pk: PublicKey;
  readonly dst_pk: PublicKey;
  readonly hop_count: number;
  readonly reason: SetupFailure;
  readonly error: string;
  readonly duration_ms: number;
}

/** A line of the two lists of destinations. */
export interface DestinationStats {
  readonly pk: PublicKey;
  readonly total: number;
  readonly failed: number;
  readonly circuit?: string;
}

/** The body of `/stats`; names are Skywire's. */
export interface SetupStatsReport {
  readonly started_at: string;
  readonly uptime_sec: number;
  readonly total_requests: number;
  readonly successful: number;
  readonly failed: number;
  readonly concurrency_drops: number;
  /** Connections that found no room: of everybody, or of their key. */
  readonly callers_refused: number;
  readonly active_requests: number;
  readonly success_rate_pct: number;
  readonly failures_by_reason: Readonly<Partial<Record<SetupFailure, number>>>;
  readonly latency_ms: {
    readonly count: number;
    readonly min_ms: number;
    readonly max_ms: number;
    readonly mean_ms: number;
    readonly p50_ms: number;
    readonly p95_ms: number;
    readonly p99_ms: number;
  };
  readonly route_length_hist: Readonly<Record<string, number>>;
  readonly top_destinations: readonly DestinationStats[] | null;
  readonly top_failed_destinations: readonly DestinationStats[] | null;
  readonly recent_failures: readonly FailureRecord[];
  readonly last_success_at?: string;
  readonly last_failure_at?: string;
}

export interface SetupStatsOptions {
  readonly world: Pick<World, "clock">;
  /** The state of a destination's circuit breaker, where one is in use. */
  readonly circuitOf?: (destination: PublicKey) => string | undefined;
}

export class SetupStats {
  readonly #clock: World["clock"];
  readonly #circuitOf: (destination: PublicKey) => string | undefined;
  readonly #startedMs: number;
  readonly #startedAt: string;
  readonly #latencies: number[] = []; // a ring
  #latencyNext = 0;
  readonly #failures: FailureRecord[] = []; // newest last
  readonly #byReason = new Map<SetupFailure, number>();
  readonly #lengths = new Map<number, number>();
  readonly #destinations = new Map<PublicKey, DestinationCounts>(); // asked for longest ago first
  #total = 0;
  #successful = 0;
  #failed = 0;
  #drops = 0;
  #callersRefused = 0;
  #active = 0;
  #lastSuccessAt: string | undefined;
  #lastFailureAt: string | undefined;

  constructor({ world: { clock }, circuitOf = () => undefined }: SetupStatsOptions) {
    this.#clock = clock;
    this.#circuitOf = circuitOf;
    this.#startedMs = clock.monotonicMs();
    this.#startedAt = this.#now();
  }

  /** A request is worked on. */
  begin(): void {
    this.#total++;
    this.#active++;
  }

  /** A request that was begun has ended. */
  end(outcome: SetupOutcome): void {
    this.#active--;
    const { destination, failure } = outcome;
    const counts = this.#destinations.get(destination) ?? { total: 0, failed: 0 };
    this.#destinations.delete(destination);
    this.#destinations.set(destination, counts);
    if (this.#destinations.size > STATS_DESTINATIONS_MAX) {
      this.#destinations.delete(this.#destinations.keys().next().value!);
    }
    counts.total++;
    if (failure === undefined) return this.#succeeded(outcome);
    counts.failed++;
    this.#failedWith(outcome, failure);
  }

  /** A request found no room, and was never begun. */
  drop(): void {
    this.#drops++;
    this.#count("concurrency_limit");
  }

  /** A caller's connection found no room. */
  refuseCaller(): void {
    this.#callersRefused++;
  }

  report(): SetupStatsReport {
    const ended = this.#successful + this.#failed;
    return {
      started_at: this.#startedAt,
      uptime_sec: Math.floor((this.#clock.monotonicMs() - this.#startedMs) / 1_000),
      total_requests: this.#total,
      successful: this.#successful,
      failed: this.#failed,
      concurrency_drops: this.#drops,
      callers_refused: this.#callersRefused,
      active_requests: this.#active,
      success_rate_pct: ended === 0 ? 0 : 100 * this.#successful / ended,
      failures_by_reason: Object.fromEntries(this.#byReason),
      latency_ms: latencies(this.#latencies),
      route_length_hist: Object.fromEntries([...this.#lengths].sort(([a], [b]) => a - b)),
      top_destinations: this.#top((counts) => counts.total),
      top_failed_destinations: this.#top((counts) => counts.failed),
      recent_failures: this.#failures.toReversed(),
      ...(this.#lastSuccessAt === undefined ? {} : { last_success_at: this.#lastSuccessAt }),
      ...(this.#lastFailureAt === undefined ? {} : { last_failure_at: this.#lastFailureAt }),
    };
  }

  #succeeded({ tookMs, hopCount }: SetupOutcome): void {
    this.#successful++;
    this.#lastSuccessAt = this.#now();
    this.#lengths.set(hopCount, (this.#lengths.get(hopCount) ?? 0) + 1);
    this.#latencies[this.#latencyNext] = tookMs;
    this.#latencyNext = (this.#latencyNext + 1) % STATS_LATENCIES_MAX;
  }

  #failedWith(
    { source, destination, hopCount, tookMs }: SetupOutcome,
    { reason, error }: { readonly reason: SetupFailure; readonly error: string },
  ): void {
    this.#failed++;
    this.#lastFailureAt = this.#now();
    this.#count(reason);
    this.#failures.push({
      timestamp: this.#lastFailureAt,
      src_pk: source,
      dst_pk: destination,
      hop_count: hopCount,
      reason,
      error: error.slice(0, STATS_ERROR_CHARS_MAX),
      duration_ms: tookMs,
    });
    if (this.#failures.length > STATS_FAILURES_MAX) this.#failures.shift();
  }

  #count(reason: SetupFailure): void {
    this.#byReason.set(reason, (this.#byReason.get(reason) ?? 0) + 1);
  }

  #top(countOf: (counts: DestinationCounts) => number): DestinationStats[] | null {
    const lines = [...this.#destinations]
      .filter(([, counts]) => countOf(counts) > 0)
      .sort(([a, first], [b, second]) => countOf(second) - countOf(first) || (a < b ? -1 : 1))
      .slice(0, STATS_TOP_MAX)
      .map(([pk, { total, failed }]) => {
        const circuit = this.#circuitOf(pk);
        return { pk, total, failed, ...(circuit === undefined ? {} : { circuit }) };
      });
    return lines.length === 0 ? null : lines;
  }

  #now(): string {
    return new Date(this.#clock.wallMs()).toISOString();
  }
}

/** All 0 when there are none. */
function latencies(samples: readonly number[]): SetupStatsReport["latency_ms"] {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  const sum = sorted.reduce((total, each) => total + each, 0);
  return {
    count: sorted.length,
    min_ms: at(0),
    max_ms: at(1),
    mean_ms: sorted.length === 0 ? 0 : sum / sorted.length,
    p50_ms: at(0.5),
    p95_ms: at(0.95),
    p99_ms: at(0.99),
  };
}
