/** Fleets of four whole visors: enough for two ways between two of them. @module */
import type { RoutedFleet, WholeVisor } from "../routed/mod.ts";

export const FOUR_VISORS = { routed: true, servers: 2, visors: 4 } as const;
/** A route of two hops or more, as it is found. */
export const AROUND = { minHops: 2 } as const;
/** A session that ends younger is not dialled anew at once. */
export const STEADY_MS = 35_000;
/** How often is looked for a moment that must be met. */
export const POLL_MS = 5;

type Four = [WholeVisor, WholeVisor, WholeVisor, WholeVisor];

/** The four in an order that the seed decides: each has each part in some run. */
export function fourOf(fleet: RoutedFleet): Four {
  return fleet.shuffled(fleet.whole) as Four;
}
