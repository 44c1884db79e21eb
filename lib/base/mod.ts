/**
 * Ground of everything: the connection type, errors, owned tasks, counting, logging. Imports nothing of ours.
 *
 * ```ts
 * import { memoryPair } from "./mod.ts";
 * const [near, far] = memoryPair();
 * await near.write(new TextEncoder().encode("hello"));
 * console.log(new TextDecoder().decode((await far.read())!));
 * ```
 *
 * @module
 */
export * from "./buffers.ts";
export * from "./conn.ts";
export * from "./errors.ts";
export * from "./ledger.ts";
export * from "./log.ts";
export * from "./memory_pair.ts";
export * from "./one_line.ts";
export * from "./present.ts";
export * from "./scope.ts";
export * from "./shell_word.ts";
export * from "./write_queue.ts";
export * from "./until_aborted.ts";
export * from "./told_lines.ts";
