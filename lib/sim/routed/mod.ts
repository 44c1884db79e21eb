/**
 * Fleets of whole visors, and what must hold in them.
 *
 * ```ts
 * import { PING_ATTEMPTS } from "./mod.ts";
 * ```
 *
 * @module
 */
export * from "./checks.ts";
export * from "./fleet.ts";
export * from "./owners.ts";
export * from "./service_nodes.ts";
export * from "./visor_node.ts";
