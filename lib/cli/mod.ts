/**
 * What every command shares: the command type, how it talks, tables, units, exit codes.
 *
 * Loaded by every help screen, so it holds no protocol code; tables, progress and failures are loaded when used.
 *
 * ```ts
 * import { Command, examples } from "./mod.ts";
 * new Command("hello").addHelpText("after", examples(["Say it", "skyctl hello"])).helpInformation();
 * ```
 *
 * @module
 */
export * from "./command.ts";
export * from "./exit_codes.ts";
export * from "./home.ts";
export * from "./interrupts.ts";
export * from "./io.ts";
export * from "./options.ts";
export * from "./units.ts";
