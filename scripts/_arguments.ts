/** The arguments of tasks: what is wrong with them is one line on stderr and exit code 2, before any work. @module */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { CallerError } from "../lib/base/mod.ts";

/** An argument is not what the task takes. */
export class BadArgumentError extends Error {
  override readonly name = "BadArgumentError";
}

/** `parseArgs()`, whose complaints become {@link BadArgumentError}, one line each. */
export function parseTask<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new BadArgumentError(error.message.split("\n")[0]!.replace(/\. To specify a positional.*/, ""));
  }
}

/** The value of `--name`, a whole number of at least `least`. */
export function wholeNumber(name: string, text: string, least = 1): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new BadArgumentError(`--${name} ${text}: not a whole number`);
  if (Number(text) < least) throw new BadArgumentError(`--${name} ${text}: must be ${least} or more`);
  return Number(text);
}

/** The value of `--name`, with or without decimals. */
export function decimalNumber(name: string, text: string, allowed: "above 0" | "0 or more"): number {
  if (!/^[0-9]{1,9}(\.[0-9]{1,9})?$/.test(text)) {
    throw new BadArgumentError(`--${name} ${text}: not a number`);
  }
  if (allowed === "above 0" && Number(text) === 0) {
    throw new BadArgumentError(`--${name} ${text}: must be above 0`);
  }
  return Number(text);
}

/** Runs a task and ends the process with its exit code: 2 for bad arguments. */
export async function runTask(main: (args: string[]) => Promise<number>): Promise<never> {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    if (!(error instanceof BadArgumentError || error instanceof CallerError)) throw error;
    console.error(`Error: ${error.message}`);
    Deno.exit(2);
  }
}
