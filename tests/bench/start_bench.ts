/** How long the program takes to say its version, and to print help: the median over processes. */
import type { BenchRow } from "../../scripts/bench.ts";
import { RUN_ARGUMENTS } from "../cli/_run.ts";

const RUNS = 21;

export default async function startBench(): Promise<BenchRow[]> {
  return [
    {
      name: "start: --version",
      value: await medianMs(["--version"]),
      unit: "ms",
      reference: 116,
      lessIsBetter: true,
    },
    { name: "start: --help", value: await medianMs(["--help"]), unit: "ms", lessIsBetter: true },
    { name: "start: keys gen", value: await medianMs(["keys", "gen"]), unit: "ms", lessIsBetter: true },
  ];
}

async function medianMs(args: readonly string[]): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), { args: [...RUN_ARGUMENTS, ...args] });
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const startedMs = performance.now();
    const { success } = await command.output();
    if (!success) throw new Error(`skyctl ${args.join(" ")} failed`);
    times.push(performance.now() - startedMs);
  }
  return times.sort((a, b) => a - b)[RUNS >> 1]!;
}
