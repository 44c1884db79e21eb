/** Ways in which a program ends that a fleet must be a match for. @module */
import type { FleetNode } from "../_fleet_node.ts";
import type { Fleet } from "../fleet.ts";

const ENDINGS = ["stop", "reset", "silent"] as const;

/** In order, with its machine's resets, or in silence: the seed decides, and it is told which. */
export async function endOne(fleet: Fleet, node: FleetNode): Promise<(typeof ENDINGS)[number]> {
  const how = fleet.pick(ENDINGS);
  if (how === "stop") await node.stop();
  else node.kill(how);
  return how;
}
