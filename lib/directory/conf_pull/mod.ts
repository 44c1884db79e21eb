/**
 * `conf pull`: a deployment file's lists of dmsg servers, brought up to date over dmsg.
 *
 * ```ts
 * import { confPull, PULL_TIMEOUT_MS } from "./mod.ts";
 * console.log(typeof confPull, PULL_TIMEOUT_MS);
 * ```
 *
 * @module
 */
export * from "./errors.ts";
export * from "./pull.ts";
