/** What `skyctl route calc` does with the list of the transport discovery. @module */
import type { PublicKey } from "../../lib/crypto/mod.ts";
import { RouteNotFoundError, type TransportRecord } from "../../lib/directory/mod.ts";
import { graphTransport, type RouteLimits, TransportGraph } from "../../lib/routing/paths/mod.ts";
import { type RoutePair, routePairs } from "./_render_routes.ts";

export interface CalcOptions extends RouteLimits {
  /** Types separated by commas: only these; undefined: all. */
  readonly enable?: string | undefined;
  /** The same: not these. */
  readonly disable?: string | undefined;
}

/** The best paths there and back over `records`. Errors: `RouteNotFoundError`. */
export function calculatedRoutes(
  records: readonly TransportRecord[],
  { from, to }: { readonly from: PublicKey; readonly to: PublicKey },
  { enable, disable, ...limits }: CalcOptions,
): RoutePair[] {
  const [enabled, disabled] = [enable, disable].map(listOf);
  const graph = new TransportGraph();
  for (const record of records) {
    const isAllowed = (enabled?.includes(record.type) ?? true) && !(disabled?.includes(record.type) ?? false);
    if (isAllowed) graph.add(graphTransport(record));
  }
  const forward = graph.routes(from, to, limits);
  if (forward.length > 0) return routePairs(forward, graph.routes(to, from, limits));
  const unknown = [from, to].find((key) => !graph.has(key));
  const reason = unknown === undefined ? "route not found" : `no transport from or to ${unknown}`;
  throw new RouteNotFoundError([[from, to]], reason);
}

function listOf(text: string | undefined): string[] | undefined {
  return text?.split(",").map((type) => type.trim());
}
