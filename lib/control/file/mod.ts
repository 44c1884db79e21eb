/**
 * The file by which commands find the visor of a home: a door of its own, so that a visor starts without the
 * schema of its control API.
 *
 * ```ts
 * import { controlFilePath } from "./mod.ts";
 * console.log(controlFilePath("/home/me/.skyctl")); // /home/me/.skyctl/control.json
 * ```
 *
 * @module
 */
export * from "./control_file.ts";
