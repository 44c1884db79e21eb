/** Found paths as scripts and people read them. @module */
import type { FoundHop } from "../../lib/directory/mod.ts";

/** A hop with the network's own names, as other programs take it. */
interface WireHop {
  readonly TpID: string;
  readonly From: string;
  readonly To: string;
}

/** A path there, and one back. */
export interface RoutePair {
  readonly forward: readonly WireHop[];
  readonly reverse: readonly WireHop[];
}

/** The best with the best, and so on. */
export function routePairs(
  forward: readonly (readonly FoundHop[])[],
  reverse: readonly (readonly FoundHop[])[],
): RoutePair[] {
  return forward.slice(0, reverse.length).map((path, index) => ({
    forward: path.map(wireHop),
    reverse: reverse[index]!.map(wireHop),
  }));
}

/** Two lines each. */
export function renderRoutes(routes: readonly RoutePair[]): string {
  return routes.map(({ forward, reverse }) =>
    `forward: ${renderPath(forward)}\n reverse: ${renderPath(reverse)}`
  )
    .join("\n");
}

function wireHop({ transportId, from, to }: FoundHop): WireHop {
  return { TpID: transportId, From: from, To: to };
}

function renderPath(hops: readonly WireHop[]): string {
  return `[${hops.map(({ TpID, From, To }) => `${From} -> ${To} @ ${TpID}`).join(" ")}]`;
}
