/**
 * What is fuzzed, and what counts as a finding.
 *
 * A target takes any input and gives a value or a `SkyError`, in bounded time and memory. Findings are everything
 * else that is thrown, an input that takes too long, a value out of proportion to its input, work that has not
 * ended when virtual time has passed every limit, and whatever is then still alive.
 *
 * @module
 */
import fc from "fast-check";
import { SkyError } from "../../lib/base/mod.ts";

/** Bytes, or a text. */
export type FuzzInput = Uint8Array | string;

/** Something that takes whatever comes. */
export interface FuzzTarget {
  /** `<layer>/<decoder>`. */
  readonly name: string;
  readonly inputs: fc.Arbitrary<FuzzInput>;
  /** The decoder: gives a value, or throws. A promise has ended when all that it began has. */
  readonly feed: (input: never) => unknown;
  /** Why the target cannot run here. */
  readonly missing?: string;
  /** False where every input is accepted, or answered, and nothing is refused. */
  readonly refuses?: boolean;
  /** Called once after the last input. */
  readonly end?: () => Promise<void>;
}

/** What came of many inputs. */
export interface FuzzSummary {
  readonly target: string;
  readonly seed: number;
  readonly ran: number;
  readonly values: number;
  /** How often each code of a `SkyError` was seen. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly tookMs: number;
  readonly slowestMs: number;
  /** A report of the finding, if there is one: seed, path, input, error. */
  readonly finding: string | undefined;
}

export interface FuzzOptions {
  readonly runs: number;
  readonly seed: number;
  /** fast-check's own way to one case: repeats only that. */
  readonly path?: string;
  readonly onProgress?: (ran: number) => void;
}

/** No input may take longer; typical are microseconds, a handshake takes a few milliseconds, this machine may be loaded. */
export const INPUT_MS_MAX = 5_000;
/** A decoded value weighs at most so much for each byte of its input, and the next constant besides. */
export const WEIGHT_PER_BYTE_MAX = 64;
const WEIGHT_MAX = 256 * 1024;

/** Feeds `runs` inputs to `target`. Never rejects for a finding: the summary has it. */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzSummary> {
  const { runs, seed, path, onProgress } = options;
  const refusals: Record<string, number> = {};
  let ran = 0, values = 0, slowestMs = 0;
  const startedMs = performance.now();
  const property = fc.asyncProperty(target.inputs, async (input) => {
    const beganMs = performance.now();
    try {
      const value = await (target.feed as (input: FuzzInput) => unknown)(input);
      const weight = weightOf(value);
      if (weight > WEIGHT_MAX + WEIGHT_PER_BYTE_MAX * input.length) {
        throw new Error(`A value that weighs ${weight} came of ${input.length} bytes`);
      }
      values++;
    } catch (error) {
      if (!(error instanceof SkyError)) throw error;
      refusals[error.code] = (refusals[error.code] ?? 0) + 1;
    }
    const tookMs = performance.now() - beganMs;
    slowestMs = Math.max(slowestMs, tookMs);
    if (tookMs > INPUT_MS_MAX) throw new Error(`${input.length} bytes took ${Math.round(tookMs)} ms`);
    ran++;
    onProgress?.(ran);
  });
  const details = await fc.check(property, { numRuns: runs, seed, path, endOnFailure: path !== undefined });
  await target.end?.();
  const tookMs = performance.now() - startedMs;
  return {
    target: target.name,
    seed,
    ran,
    values,
    refusals,
    tookMs,
    slowestMs,
    finding: findingOf(target, details),
  };
}

function findingOf(target: FuzzTarget, details: fc.RunDetails<[FuzzInput]>): string | undefined {
  if (!details.failed) return undefined;
  const { seed, counterexamplePath, counterexample, numRuns, errorInstance } = details;
  const error = errorInstance;
  return [
    `FOUND ${target.name} seed ${seed} path ${counterexamplePath} after ${numRuns} inputs`,
    `  input: ${counterexample === null ? "none" : shown(counterexample[0])}`,
    `  ${error instanceof Error ? error.stack ?? error.message : String(error)}`,
    `  again: deno task fuzz ${target.name} --seed ${seed} --path ${counterexamplePath}`,
  ].join("\n");
}

function shown(input: FuzzInput): string {
  if (typeof input === "string") return JSON.stringify(input.slice(0, 2_000));
  return `${input.length} bytes ${input.subarray(0, 1_000).toHex()}`;
}

/** Roughly the bytes that a value holds. */
export function weightOf(value: unknown): number {
  const seen = new Set<object>();
  const left: unknown[] = [value];
  let weight = 0;
  while (left.length > 0) {
    const each = left.pop();
    weight += 8;
    if (typeof each === "string") weight += each.length;
    if (typeof each !== "object" || each === null || seen.has(each)) continue;
    seen.add(each);
    if (ArrayBuffer.isView(each)) weight += each.byteLength;
    else if (each instanceof Map || each instanceof Set) left.push(...each.keys(), ...each.values());
    else left.push(...Object.values(each));
  }
  return weight;
}
