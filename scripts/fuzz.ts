/**
 * `deno task fuzz [--runs N] [--seed N] [--path P] [target ...]`: every decoder fed with damaged inputs, one after
 * the other. A target is named whole, or by a part of its name.
 *
 * Progress goes to stderr; a line for each target, the findings and a summary to stdout. A finding is repeated by
 * the line that it prints. Exit code 1 when there was one.
 *
 * @module
 */
import { BadArgumentError, parseTask, runTask, wholeNumber } from "./_arguments.ts";
import type { FuzzSummary, FuzzTarget } from "../tests/fuzz/_target.ts";

/** The targets whose name holds one of `names`; all of them for none. Throws for a name that none has. */
export function chosen(targets: readonly FuzzTarget[], names: readonly string[]): readonly FuzzTarget[] {
  const unknown = names.find((name) => !targets.some((target) => target.name.includes(name)));
  if (unknown !== undefined) throw new BadArgumentError(`No target is named ${unknown}`);
  return names.length === 0
    ? targets
    : targets.filter(({ name }) => names.some((part) => name.includes(part)));
}

/** One line of a target. */
export function renderLine(
  { target, ran, values, refusals, tookMs, slowestMs, finding }: FuzzSummary,
): string {
  const codes = Object.entries(refusals).sort(([, a], [, b]) => b - a).map(([code, count]) =>
    `${code} ${count}`
  );
  const verdict = finding === undefined ? "good" : "BAD ";
  const pace = `${(tookMs / 1000).toFixed(1)} s, slowest ${slowestMs.toFixed(1)} ms`;
  return `${verdict} ${target.padEnd(30)} ${ran} inputs, ${values} values, ${pace}; ${
    codes.join(", ") || "no refusals"
  }`;
}

/** The last lines. */
export function renderSummary(summaries: readonly FuzzSummary[]): string {
  const bad = summaries.filter(({ finding }) => finding !== undefined).length;
  const ran = summaries.reduce((sum, summary) => sum + summary.ran, 0);
  const seconds = summaries.reduce((sum, { tookMs }) => sum + tookMs, 0) / 1000;
  return `${summaries.length} targets, ${ran} inputs in ${seconds.toFixed(1)} s, ${bad} findings`;
}

async function main(argv: string[]): Promise<number> {
  const { values, positionals } = parseTask({
    args: argv,
    allowPositionals: true,
    options: {
      runs: { type: "string", default: "10000" },
      seed: { type: "string" },
      path: { type: "string" },
    },
  });
  const runs = wholeNumber("runs", values.runs);
  const seed = values.seed === undefined
    ? Math.floor(Math.random() * 1e9)
    : wholeNumber("seed", values.seed, 0);
  const { fuzz } = await import("../tests/fuzz/_target.ts");
  const { FUZZ_TARGETS } = await import("../tests/fuzz/targets/mod.ts");
  const summaries: FuzzSummary[] = [];
  const targets = chosen(FUZZ_TARGETS, positionals);
  console.error(`seed ${seed}`);
  for (const target of targets) {
    if (target.missing !== undefined) {
      console.log(`skip ${target.name}: ${target.missing}`);
      continue;
    }
    let toldMs = performance.now();
    const onProgress = (ran: number) => {
      if (performance.now() - toldMs < 5_000) return;
      toldMs = performance.now();
      console.error(`     ${target.name}: ${ran}/${runs}`);
    };
    const summary = await fuzz(target, { runs, seed, path: values.path, onProgress });
    summaries.push(summary);
    console.log(renderLine(summary));
    if (summary.finding !== undefined) console.log(summary.finding);
  }
  console.log(renderSummary(summaries));
  return summaries.some(({ finding }) => finding !== undefined) ? 1 : 0;
}

if (import.meta.main) await runTask(main);
