/**
 * `skyctl visor doctor`: what is wrong with a visor, why, and what to do next.
 *
 * ```ts
 * import { clockFindings } from "./mod.ts";
 * const clocks = [{ name: "dmsg discovery", aheadMs: 90_000 }];
 * const [finding] = clockFindings({ clocks, wallMs: 0 });
 * console.log(finding?.severity); // error
 * ```
 *
 * @module
 */
export * from "./addresses.ts";
export * from "./clock.ts";
export * from "./finding.ts";
export * from "./gather.ts";
export * from "./home.ts";
export * from "./key.ts";
export * from "./looked.ts";
export * from "./running.ts";
export * from "./stopped.ts";
