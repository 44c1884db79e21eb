/**
 * The control API: one schema, a typed client, and the file by which commands find the visor of a home.
 *
 * ```ts
 * import { CONTROL_CALLS } from "./mod.ts";
 * console.log(CONTROL_CALLS.status.path); // /v1/status
 * ```
 *
 * @module
 */
export * from "./client.ts";
export * from "./errors.ts";
export * from "./fetch.ts";
export * from "./file/mod.ts";
export type {
  AppSummary,
  HopSummary,
  NodeCounters,
  NodeStatus,
  ProxyStatus,
  RouteGroupSummary,
  RuleSummary,
  TransportSummary,
  UptimeSummary,
} from "./node_schema.ts";
export { HEALTH_TIMEOUT_MS_MAX } from "./node_schema.ts";
export * from "./schema.ts";
export * from "./streams.ts";
