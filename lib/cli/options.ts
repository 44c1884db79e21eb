/** Parsers of option values. A value that cannot be is a usage error that names it. @module */
import { InvalidArgumentError, Option } from "./command.ts";
import { parseBytes, parseDuration, renderDuration } from "./units.ts";

/** `30s`, `1m30s`, `250ms`, or seconds as a bare number; in milliseconds. */
export function durationOption(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError("Not a duration: write 30s, 1m30s or 250ms.");
  return ms;
}

/** `--interval <duration>` of a command that watches. */
export function intervalOption({ minMs, defaultMs, written }: {
  readonly minMs: number;
  readonly defaultMs: number;
  /** The default as people write it. */
  readonly written: string;
}) {
  const parse = (text: string) => {
    const ms = durationOption(text);
    if (ms < minMs || ms > INTERVAL_MS_MAX) {
      throw new InvalidArgumentError(
        `Not from ${renderDuration(minMs)} to ${renderDuration(INTERVAL_MS_MAX)}.`,
      );
    }
    return ms;
  };
  return new Option("-i, --interval <duration>", "watch, with so long between two looks").argParser(parse)
    .default(defaultMs, written).implies({ watch: true });
}

/** Rarer than this is no watching. */
export const INTERVAL_MS_MAX = 3_600_000;

/** `64K`, `1.5MiB`, or bytes as a bare number. */
export function bytesOption(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === undefined) throw new InvalidArgumentError("Not a size: write 1024, 64K or 1.5MiB.");
  return bytes;
}

/** A port that can be dialled or bound: 0 to 65535. */
export function portOption(text: string): number {
  return wholeNumberOption({ min: 0, max: 65_535 })(text);
}

/** A parser for a whole number within bounds, both included. */
export function wholeNumberOption(
  { min = 0, max = Number.MAX_SAFE_INTEGER }: { readonly min?: number; readonly max?: number } = {},
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(
        max === Number.MAX_SAFE_INTEGER
          ? `Not a whole number of at least ${min}.`
          : `Not a whole number from ${min} to ${max}.`,
      );
    }
    return value;
  };
}

/** For an option that may be given many times: adds each value to the list. */
export function repeated(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, text];
}
