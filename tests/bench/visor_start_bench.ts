/**
 * From the command line to `ready`, and the memory then: `visor run --local`, which holds a whole network and one
 * visor in one process, and `visor run` beside a network that is there. Fresh homes, one process each.
 */
import type { BenchRow } from "../../scripts/bench.ts";
import { RUN_ARGUMENTS } from "../cli/_run.ts";
import { Child, usageOf } from "./_child.ts";
import { percentile } from "./_dmsg_network.ts";

const RUNS = 7;
const READY_MAX_MS = 20_000;
const GO_VISOR = { ms: 154, mb: 60 };

interface Start {
  readonly ms: number;
  readonly rssBytes: number;
}

export default async function visorStartBench(): Promise<BenchRow[]> {
  const folder = await Deno.makeTempDir({ prefix: "skyctl-bench-" });
  try {
    await using network = new Child("_network_role.ts");
    await Deno.mkdir(`${folder}/network`);
    const file = await network.ask<string>("start", { folder: `${folder}/network` });
    const cases = [
      { name: "start: visor run --local to ready", args: ["--local"] },
      { name: "start: visor run to ready", args: ["--deployment", file], go: GO_VISOR },
    ];
    const runs = cases.map((): Start[] => []);
    for (let run = 0; run <= RUNS; run++) {
      for (const [index, { args }] of cases.entries()) { // in turns: what else the machine does meets both alike
        const start = await startOnce(`${folder}/home-${index}-${run}`, args);
        if (run > 0) runs[index]!.push(start); // the first fills the disk's cache
      }
    }
    return cases.flatMap(({ name, go }, index) => {
      const of = (value: (start: Start) => number) => percentile(runs[index]!.map(value), 0.5);
      const lessIsBetter = true;
      return [
        { name, value: of(({ ms }) => ms), unit: "ms", reference: go?.ms, lessIsBetter },
        {
          name: `${name}: RSS`,
          value: of(({ rssBytes }) => rssBytes / 1e6),
          unit: "MB",
          reference: go?.mb,
          lessIsBetter,
        },
      ];
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function startOnce(home: string, args: readonly string[]): Promise<Start> {
  const startedMs = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [...RUN_ARGUMENTS, "visor", "run", "--json", "--home", home, "--control", "127.0.0.1:0", ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), READY_MAX_MS);
  try {
    let said = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      said += text;
      if (!said.includes(`"event":"ready"`)) continue;
      const ms = performance.now() - startedMs;
      return { ms, rssBytes: (await usageOf(child.pid)).rssBytes };
    }
    throw new Error(`visor run ${args.join(" ")} ended before it was ready`);
  } finally {
    child.kill("SIGKILL");
    clearTimeout(timer);
    await child.status;
  }
}
