/**
 * `deno task test [paths and options of deno test]`: the whole suite, or what is named, with the leak checks on.
 *
 * The output of `deno test` passes through; the last line is always `N passed, N failed, N skipped`. A run in
 * which no test ran is a failure. Children are started by `Deno.execPath()`: there may be no `deno` on the PATH.
 *
 * @module
 */
import { stripVTControlCharacters } from "node:util";

/** How a run of `deno test` ended. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Deno's leak checks are off by default in the version that is pinned here. */
const LEAK_CHECKS = ["--sanitize-ops", "--sanitize-resources"];

/** The arguments of `deno`: what the caller names, else all of `tests/`. */
export function testArguments(given: readonly string[]): string[] {
  const named = given.some((argument) => !argument.startsWith("-"));
  return ["test", "-A", ...LEAK_CHECKS, ...given, ...(named ? [] : ["tests/"])];
}

/** The counts in deno's summary, the last `ok | 3 passed | 0 failed | 1 ignored (2s)` of the text. */
export function countsIn(output: string): TestCounts | undefined {
  const summary = stripVTControlCharacters(output)
    .split("\n")
    .findLast((line) => /^(ok|FAILED) \| \d+ passed/.test(line));
  if (summary === undefined) return undefined;
  const number = (pattern: RegExp) => Number(pattern.exec(summary)?.[1] ?? 0);
  return {
    passed: number(/(\d+) passed/),
    failed: number(/(\d+) failed/),
    skipped: number(/(\d+) ignored/),
  };
}

/** The one last line. */
export function renderCounts({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** 0 only when the runner was content and at least one test passed. */
export function exitCodeOf(counts: TestCounts | undefined, runnerCode: number): number {
  if (runnerCode !== 0) return runnerCode;
  return counts === undefined || counts.failed > 0 || counts.passed === 0 ? 1 : 0;
}

/** Only the end of the output is kept: the summary is its last few lines. */
const KEPT_CHARACTERS = 64 * 1024;

async function run(given: readonly string[]): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: testArguments(given),
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    env: Deno.stdout.isTerminal() && !Deno.noColor ? { FORCE_COLOR: "1" } : {},
  }).spawn();
  let kept = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    for (let offset = 0; offset < chunk.length;) offset += Deno.stdout.writeSync(chunk.subarray(offset));
    kept = (kept + decoder.decode(chunk, { stream: true })).slice(-KEPT_CHARACTERS);
  }
  const { code } = await child.status;
  const counts = countsIn(kept);
  console.log(renderCounts(counts ?? { passed: 0, failed: 0, skipped: 0 }));
  return exitCodeOf(counts, code);
}

if (import.meta.main) Deno.exit(await run(Deno.args));
