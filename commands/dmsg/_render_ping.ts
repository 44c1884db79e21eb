/** The result of a ping for people. @module */
import { renderDuration } from "../../lib/cli/mod.ts";

export function renderPing(
  { key, server, dialMs, roundTripsMs }: {
    readonly key: string;
    readonly server: string;
    readonly dialMs: number;
    readonly roundTripsMs: readonly number[];
  },
): string {
  const sorted = [...roundTripsMs].sort((a, b) => a - b);
  const mean = sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length;
  return [
    `${key} reached in ${renderDuration(dialMs)} through server ${server}`,
    ...roundTripsMs.map((ms, index) => `round trip ${index + 1}: ${renderDuration(ms)}`),
    `min ${renderDuration(sorted[0]!)}, mean ${renderDuration(mean)}, max ${renderDuration(sorted.at(-1)!)}`,
  ].join("\n");
}
