/** Ways in which a program ends that a fleet must be a match for. @module */
import type { FleetNode } from "../_fleet_node.ts";
import type { Fleet } from "../fleet.ts";

/** In order, with its machine's resets, or in silence: the seed decides. */
export async function endOne(fleet: Fleet, node: FleetNode): Promise<void> {
  const how = fleet.pick(["stop", "reset", "silent"] as const);
  if (how === "stop") await node.stop();
  else node.kill(how);
}
