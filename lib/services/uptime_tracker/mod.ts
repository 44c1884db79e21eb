/**
 * The uptime tracker: who was up, and when.
 *
 * ```ts
 * import { silentLog } from "../../base/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { runUptimeTracker } from "./mod.ts";
 *
 * const address = { hostname: "127.0.0.1", port: 0 };
 * await using tracker = await runUptimeTracker({
 *   world: systemWorld(),
 *   log: silentLog,
 *   settings: { address, privateAddress: address, store: "memory", mode: "http" },
 * });
 * console.log(tracker.address, tracker.privateAddress);
 * ```
 *
 * @module
 */
export { createUptimeTracker, uptimesOf, type UptimeTrackerOptions } from "./api.ts";
export * from "./private_api.ts";
export * from "./run.ts";
export * from "./settings.ts";
