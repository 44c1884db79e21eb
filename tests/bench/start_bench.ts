/**
 * How long the program takes to say its version, and to print help: the median over processes. The runtime itself
 * takes most of it: an empty program stands beside it.
 */
import type { BenchRow } from "../../scripts/bench.ts";
import { RUN_ARGUMENTS } from "../cli/_run.ts";

const RUNS = 15;

export default async function startBench(): Promise<BenchRow[]> {
  const folder = await Deno.makeTempDir();
  const empty = `${folder}/empty.ts`;
  await Deno.writeTextFile(empty, "");
  const [emptyMs, versionMs, helpMs, keysMs] = await mediansMs([
    ["run", "-A", "--no-check", empty],
    [...RUN_ARGUMENTS, "--version"],
    [...RUN_ARGUMENTS, "--help"],
    [...RUN_ARGUMENTS, "keys", "gen"],
  ]);
  await Deno.remove(folder, { recursive: true });
  const lessIsBetter = true;
  return [
    { name: "start: an empty program", value: emptyMs!, unit: "ms", lessIsBetter },
    { name: "start: --version", value: versionMs!, unit: "ms", reference: 116, lessIsBetter },
    {
      name: "start: --version over the empty program",
      value: versionMs! / emptyMs!,
      unit: "x",
      lessIsBetter,
    },
    { name: "start: --help", value: helpMs!, unit: "ms", lessIsBetter },
    { name: "start: keys gen", value: keysMs!, unit: "ms", lessIsBetter },
  ];
}

/** In turns, so that what else the machine does meets all alike. */
async function mediansMs(commands: readonly (readonly string[])[]): Promise<number[]> {
  const times = commands.map((): number[] => []);
  for (let run = 0; run < RUNS; run++) {
    for (const [index, args] of commands.entries()) {
      const startedMs = performance.now();
      const { success } = await new Deno.Command(Deno.execPath(), { args: [...args] }).output();
      if (!success) throw new Error(`deno ${args.join(" ")} failed`);
      times[index]!.push(performance.now() - startedMs);
    }
  }
  return times.map((of) => of.sort((a, b) => a - b)[RUNS >> 1]!);
}
