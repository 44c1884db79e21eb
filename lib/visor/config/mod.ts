/**
 * The visor's configuration in Skywire's own format: one table of fields, by which it is read and made.
 *
 * ```ts
 * import { parseVisorConfig, VISOR_FIELDS } from "./mod.ts";
 * console.log(parseVisorConfig("{}", "visor.json").dmsg.sessionsCount); // 1
 * console.log(VISOR_FIELDS["dmsg.sessions_count"].about);
 * ```
 *
 * @module
 */
export * from "./field_types.ts";
export * from "./fields.ts";
export * from "./generate.ts";
export * from "./node_config.ts";
export * from "./other_kind.ts";
export * from "./visor_config.ts";
