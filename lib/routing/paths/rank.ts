/**
 * How found paths are ranked: by their measured latency, where an unmeasured hop costs a fixed penalty, so that
 * without any measurement the order is that of hop counts (protocol: mux, section 10).
 *
 * @module
 */

/** What a hop without a usable measurement counts. */
export const UNMEASURED_HOP_MS = 500;
/** Candidates that are ranked for each path that is asked for: a fast detour is seldom among the very shortest. */
const CANDIDATES_PER_PATH = 32;
/** Candidates when few paths are asked for. */
const CANDIDATES_MIN = 128;
/** Candidates whatever is asked for: they are all held in memory until they are ranked. */
export const CANDIDATES_MAX = 2048;

/** How many candidates are collected, and then ranked, when `count` paths are asked for. */
export function candidatePool(count: number): number {
  return Math.min(CANDIDATES_MAX, Math.max(CANDIDATES_MIN, count * CANDIDATES_PER_PATH));
}

/** What one hop adds to the score of a path, in ms. */
export function hopCostMs(latencyMs: number | undefined): number {
  return isMeasured(latencyMs) ? latencyMs : UNMEASURED_HOP_MS;
}

/** False for undefined, zero, negative and not finite. */
export function isMeasured(latencyMs: number | undefined): latencyMs is number {
  return latencyMs !== undefined && latencyMs > 0 && latencyMs < Infinity;
}

/** The cheapest `count` of `candidates`, which are in the order of their discovery; equals keep that order. */
export function cheapest<T extends { readonly costMs: number }>(
  candidates: readonly T[],
  count: number,
): T[] {
  return candidates.toSorted((a, b) => a.costMs - b.costMs).slice(0, count);
}
