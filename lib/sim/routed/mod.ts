/**
 * Fleets of whole visors, and what must hold in them.
 *
 * ```ts
 * import { Simulation } from "../../runtime/simulated/mod.ts";
 * import { Timeline } from "../timeline.ts";
 * import { RoutedFleet } from "./mod.ts";
 * const simulation = new Simulation({ seed: 1 });
 * const timeline = new Timeline(() => simulation.nowMs);
 * const fleet = new RoutedFleet({ simulation, timeline, servers: 1, visors: 2 });
 * console.log(fleet.whole.map(({ name }) => name)); // ["visor-1", "visor-2"]
 * ```
 *
 * @module
 */
export * from "./checks.ts";
export * from "./fleet.ts";
export * from "./owners.ts";
export * from "./service_nodes.ts";
export * from "./stun_node.ts";
export * from "./visor_node.ts";
