/** What somebody may have meant. @module */

/** The candidate that differs from `text` by the fewest letters, a third of them or two; undefined: none is near. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  const most = Math.max(Math.floor(text.length / 3), Math.min(2, Math.floor(text.length / 2)));
  let [best, bestCost] = [undefined as string | undefined, most + 1];
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - text.length) >= bestCost) continue;
    const cost = distance(text, candidate);
    if (cost < bestCost) [best, bestCost] = [candidate, cost];
  }
  return best;
}

/** Letters to put in, take out or change, by the usual table, one row at a time. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const change = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
