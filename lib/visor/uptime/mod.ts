/**
 * How long a visor was up, in two tiers that compare: dmsg, and what is routed.
 *
 * ```ts
 * import { UptimeHistory } from "./mod.ts";
 * const history = new UptimeHistory();
 * history.add({ dmsg: true, skynet: false }, { nowMs: 3_600_000, spanMs: 60_000 });
 * console.log(history.hours(3_600_000, 24)[0]?.dmsgMs); // 60000
 * ```
 *
 * @module
 */
export * from "./errors.ts";
export * from "./history.ts";
export * from "./tiers.ts";
export * from "./uptime.ts";
