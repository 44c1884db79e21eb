/**
 * Configurations and deployment files edited in place: what is changed is changed, every other byte stays.
 *
 * ```ts
 * import { applyEdits, setValueEdit } from "./mod.ts";
 * const text = '{ "dmsg":{"sessions_count" : 2} }';
 * const edit = setValueEdit(text, ["dmsg", "sessions_count"], 4, "visor.json");
 * console.log(applyEdits(text, [edit])); // { "dmsg":{"sessions_count" : 4} }
 * ```
 *
 * @module
 */
export * from "./edited_file.ts";
export * from "./edits.ts";
export { JSON_DEPTH_MAX, type JsonMember, type JsonNode, parseJsonTree } from "./tree.ts";
export * from "./server_arrays.ts";
export * from "./set_value.ts";
