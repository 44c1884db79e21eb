/**
 * Setting routes up: what a source asks for, what a setup node does, and what visors on the way answer.
 *
 * ```ts
 * import { keyPairFromSeed } from "../../crypto/mod.ts";
 * import { transportId } from "../../transport/mod.ts";
 * import { generateRules } from "./mod.ts";
 * const [from, to] = ["alice", "bob"].map((name) => keyPairFromSeed(new TextEncoder().encode(name)).publicKey);
 * const hop = { transportId: transportId(from!, to!, "stcpr"), from: from!, to: to! };
 * const rules = generateRules({
 *   descriptor: { source: { publicKey: from!, port: 49_153 }, destination: { publicKey: to!, port: 3 } },
 *   keepAliveNs: 600_000_000_000n,
 *   forward: [hop],
 *   reverse: [{ ...hop, from: to!, to: from! }],
 * }, new Map([[from!, [1, 2]], [to!, [8, 9]]]));
 * console.log(rules.initiating.forward.nextRouteId); // 8
 * ```
 *
 * @module
 */
export type { AdmitRoute, DialEnded, DialResult, RouteVisors } from "./admit_route.ts";
export {
  APP_DIRECT_TIMEOUT_MS,
  AppDirectConn,
  dialAppDirect,
  serveAppDirect,
  type TakeAppConn,
} from "./app_direct.ts";
export * from "./automatic_transports.ts";
export * from "./circuit_breaker.ts";
export * from "./counters.ts";
export * from "./direct_setup.ts";
export * from "./errors.ts";
export * from "./generate_rules.ts";
export * from "./hops.ts";
export { type PooledConnection, SETUP_CONNECTION, SETUP_LEASE } from "./_connection_pool.ts";
export type { DialVisor } from "./_reservation.ts";
export * from "./route_dialer.ts";
export * from "./route_dialer_options.ts";
export * from "./setup_connections.ts";
export * from "./setup_calls.ts";
export * from "./setup_client.ts";
export * from "./setup_node.ts";
export * from "./setup_stats.ts";
export * from "./transport_gateway.ts";
export { type BidirectionalRoute, edgeOfWire, wireEdge } from "./wire_types.ts";
