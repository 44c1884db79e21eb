/**
 * What every service of a deployment does: modes, HTTP and dmsg with one handler, health, who asks.
 *
 * ```ts
 * import { silentLog } from "../../base/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { health, NOT_FOUND, runService } from "./mod.ts";
 *
 * const world = systemWorld();
 * const startedAtMs = world.clock.wallMs();
 * await using service = await runService({
 *   world,
 *   log: silentLog,
 *   name: "example",
 *   mode: "http",
 *   address: { hostname: "127.0.0.1", port: 0 },
 *   api: () => async ({ path }) => path === "/health" ? health({ serviceName: "example", startedAtMs }) : NOT_FOUND,
 *   holds: { [Symbol.asyncDispose]: () => Promise.resolve() },
 * });
 * console.log(service.address);
 * ```
 *
 * @module
 */
export * from "./answers.ts";
export * from "./caller_address.ts";
export * from "./dmsg_side.ts";
export * from "./health.ts";
export * from "./http.ts";
export * from "./keys.ts";
export * from "./locations.ts";
export * from "./monitor_auth.ts";
export * from "./noticed.ts";
export * from "./place_book.ts";
export * from "./rate_limit.ts";
export * from "./refusals.ts";
export * from "./request_auth.ts";
export * from "./request_counts.ts";
export * from "./run.ts";
export * from "./settings.ts";
export * from "./store_failures.ts";
