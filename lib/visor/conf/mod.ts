/**
 * What `skyctl conf` does with a visor's configuration: make, show, check and set it.
 *
 * ```ts
 * import { checkConfig } from "./mod.ts";
 * const [finding] = checkConfig('{"dmsg":{"sessions_count":-1}}', "visor.json");
 * console.log(finding?.field, finding?.problem, finding?.remedy);
 * ```
 *
 * @module
 */
export * from "./check.ts";
export * from "./gen.ts";
export { fileFor, SYSTEMS } from "./gen_folders.ts";
export * from "./gen_setup_node.ts";
export { isObject, TABLE } from "./known_fields.ts";
export * from "./set.ts";
export * from "./settings.ts";
export * from "./show.ts";
export * from "./skyenv.ts";
