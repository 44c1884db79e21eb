/**
 * How long the program takes to say its version, and to print help: the median over processes. The runtime itself
 * takes most of it: an empty program stands beside it.
 */
import type { BenchRow } from "../../scripts/bench.ts";
import { RUN_ARGUMENTS } from "../cli/_run.ts";

const RUNS = 21;

export default async function startBench(): Promise<BenchRow[]> {
  const folder = await Deno.makeTempDir();
  const empty = `${folder}/empty.ts`;
  await Deno.writeTextFile(empty, "");
  const emptyMs = await medianMs(["run", "-A", "--no-check", empty]);
  await Deno.remove(folder, { recursive: true });
  const versionMs = await medianMs([...RUN_ARGUMENTS, "--version"]);
  return [
    { name: "start: an empty program", value: emptyMs, unit: "ms", lessIsBetter: true },
    {
      name: "start: --version",
      value: versionMs,
      unit: "ms",
      reference: 116,
      lessIsBetter: true,
    },
    {
      name: "start: --version, times the empty program",
      value: versionMs / emptyMs,
      unit: "x",
      lessIsBetter: true,
    },
    {
      name: "start: --help",
      value: await medianMs([...RUN_ARGUMENTS, "--help"]),
      unit: "ms",
      lessIsBetter: true,
    },
    {
      name: "start: keys gen",
      value: await medianMs([...RUN_ARGUMENTS, "keys", "gen"]),
      unit: "ms",
      lessIsBetter: true,
    },
  ];
}

async function medianMs(args: readonly string[]): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), { args: [...args] });
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const startedMs = performance.now();
    const { success } = await command.output();
    if (!success) throw new Error(`deno ${args.join(" ")} failed`);
    times.push(performance.now() - startedMs);
  }
  return times.sort((a, b) => a - b)[RUNS >> 1]!;
}
