/** What the setup node counted, since its start. @module */
import type { RoutedFleet } from "../routed/mod.ts";

/** So many set-ups failed, for whatever reason. */
export function mustHaveFailed(fleet: RoutedFleet, times: number): void {
  const { failed, failures_by_reason: reasons } = fleet.setupNode.stats()!;
  if (failed !== times) {
    throw new TypeError(`${failed} set-ups failed, not ${times}: ${JSON.stringify(reasons)}`);
  }
}

/** So many of them were refused by the breaker. */
export function mustBeRefused(fleet: RoutedFleet, times: number): void {
  const refused = fleet.setupNode.stats()!.failures_by_reason.circuit_open ?? 0;
  if (refused !== times) throw new TypeError(`the breaker refused ${refused} callers, not ${times}`);
}
