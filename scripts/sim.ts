/**
 * `deno task sim [--seeds N] [--first N] [--scenario name] [--seed N]`: many rehearsals, one after the other.
 *
 * Each bad one is printed with its scenario, seed, trace hash and the commit, and is repeated by
 * `deno task sim --scenario NAME --seed N`. Progress goes to stderr, the summary to stdout. Exit code 1 when one
 * was bad, 2 for arguments that are none.
 *
 * @module
 */
import { parseTask, runTask, wholeNumber } from "./_arguments.ts";
import { planSeeds, rehearse, scenarioNamed, SCENARIOS, type Verdict } from "../lib/sim/mod.ts";

/** The sum of many rehearsals. */
export interface SimSummary {
  readonly rehearsals: number;
  readonly bad: readonly Verdict[];
  readonly tookMs: number;
  readonly virtualMs: number;
  readonly events: number;
}

/** Lines for stdout. */
export function renderSummary({ rehearsals, bad, tookMs, virtualMs, events }: SimSummary): string {
  const seconds = tookMs / 1000;
  const hours = virtualMs / 3_600_000;
  return [
    `${rehearsals} rehearsals, ${rehearsals - bad.length} good, ${bad.length} bad`,
    `took ${seconds.toFixed(1)} s: ${(seconds / Math.max(1, rehearsals)).toFixed(2)} s each`,
    `${hours.toFixed(1)} simulated hours, ${(hours / (seconds / 60)).toFixed(2)} per real minute`,
    `${events} events, ${Math.round(events / seconds)} per second`,
  ].join("\n");
}

/** What is needed to see a failure again. */
export function renderFailure(verdict: Verdict, commit: string): string {
  const { scenario, seed, hash, complaints } = verdict;
  return [
    `BAD ${scenario} seed ${seed} hash ${hash} commit ${commit}`,
    ...complaints.map((complaint) => `  - ${complaint}`),
    `  again: deno task sim --scenario ${scenario} --seed ${seed}`,
  ].join("\n");
}

/** The commit of the checkout, with a mark when files differ from it; `unknown` where there is no git. */
export async function commitOf(folder: URL): Promise<string> {
  const git = async (...args: string[]) => {
    const { success, stdout } = await new Deno.Command("git", { args, cwd: folder, stderr: "null" }).output();
    if (!success) throw new TypeError("git failed");
    return new TextDecoder().decode(stdout).trim();
  };
  try {
    const commit = await git("rev-parse", "--short=12", "HEAD");
    return await git("status", "--porcelain", "--", "lib") === "" ? commit : `${commit} with changes`;
  } catch {
    return "unknown"; // no git, or no repository: an archive of the sources
  }
}

async function main(argv: string[]): Promise<number> {
  const { values } = parseTask({
    args: argv,
    options: {
      seeds: { type: "string", default: String(SCENARIOS.length) },
      first: { type: "string", default: "1" },
      scenario: { type: "string" },
      seed: { type: "string" },
    },
  });
  const scenarios = values.scenario === undefined ? SCENARIOS : [scenarioNamed(values.scenario)];
  const count = values.seed === undefined ? wholeNumber("seeds", values.seeds) : scenarios.length;
  const plan = values.seed === undefined
    ? planSeeds(count, { first: wholeNumber("first", values.first, 0), scenarios })
    : scenarios.map((scenario) => ({ scenario, seed: wholeNumber("seed", values.seed!, 0) }));
  const commit = await commitOf(new URL("..", import.meta.url));
  const bad: Verdict[] = [];
  let virtualMs = 0, events = 0;
  const startedMs = performance.now();
  for (const [index, { scenario, seed }] of plan.entries()) {
    const beganMs = performance.now();
    const verdict = await rehearse(scenario, { seed });
    virtualMs += verdict.virtualMs;
    events += verdict.events;
    const tookMs = Math.round(performance.now() - beganMs);
    console.error(
      `${index + 1}/${plan.length} ${
        verdict.good ? "good" : "BAD"
      } ${scenario.name} seed ${seed} ${tookMs} ms`,
    );
    if (verdict.good) continue;
    bad.push(verdict);
    console.log(renderFailure(verdict, commit));
  }
  const tookMs = performance.now() - startedMs;
  console.log(renderSummary({ rehearsals: plan.length, bad, tookMs, virtualMs, events }));
  return bad.length > 0 ? 1 : 0;
}

if (import.meta.main) await runTask(main);
