/** The result of `visor ping` for people. @module */
import { renderDuration } from "../../lib/cli/mod.ts";
import { renderTable } from "../../lib/cli/table.ts";
import type { ControlOutput, HopSummary } from "../../lib/control/mod.ts";

export function renderVisorPing(
  { key, dialMs, roundTripsMs, forward, reverse }: ControlOutput<"visorPing">,
): string {
  const sorted = [...roundTripsMs].sort((a, b) => a - b);
  const mean = sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length;
  return [
    `${key} reached in ${renderDuration(dialMs)} over ${forward.length} ${
      forward.length === 1 ? "hop" : "hops"
    }`,
    ...roundTripsMs.map((ms, index) => `round trip ${index + 1}: ${renderDuration(ms)}`),
    `min ${renderDuration(sorted[0]!)}, mean ${renderDuration(mean)}, max ${renderDuration(sorted.at(-1)!)}`,
    renderTable(["way", "transport", "from", "to", "latency"], hopRows({ forward, reverse })),
  ].join("\n");
}

/** The hops of both ways, as rows of a table. */
export function hopRows(
  { forward, reverse }: Readonly<Record<"forward" | "reverse", readonly HopSummary[]>>,
): string[][] {
  return [...rowsOf("there", forward), ...rowsOf("back", reverse)];
}

function rowsOf(way: string, hops: readonly HopSummary[]): string[][] {
  return hops.map(({ transport, from, to, latencyMs }) => [
    way,
    transport,
    from,
    to,
    latencyMs === null ? "-" : renderDuration(latencyMs),
  ]);
}
