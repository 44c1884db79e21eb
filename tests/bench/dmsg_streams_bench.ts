/** Opening streams from A over S to B, one at a time and 16 in parallel; and a message of 64 bytes there and back. */
import type { BenchOptions, BenchRow, BenchTarget } from "../../scripts/bench.ts";
import { cpuRow, median, Network, paired, percentile } from "./_dmsg_network.ts";

const RUNS = 3;
const PARALLEL = 16;
const DIALS = 600; // of a run in parallel
const SINGLES = 300;
const ECHOES = 3_000;
const ECHO_BYTES = 64;

export const takesServer = true;

export default function streamsBench(options: BenchOptions): Promise<readonly BenchRow[]> {
  return paired(options, measure);
}

async function measure(target: BenchTarget | undefined): Promise<BenchRow[]> {
  await using network = await Network.start(target);
  const dialler = network.clients[0]!;
  const to = network.keys[1]!;
  type Dials = { tookMs: number[]; seconds: number };
  const dials = (times: number, parallel: number) => dialler.ask<Dials>("dials", { to, times, parallel });
  await dials(DIALS, PARALLEL); // warms up
  const p50: number[] = [], p99: number[] = [];
  const rates: number[] = [], cpus: (number | undefined)[][] = [[], [], []];
  const echo50: number[] = [], echo99: number[] = [];
  await dialler.ask("echoes", { to, times: ECHOES, bytes: ECHO_BYTES }); // warms up
  for (let run = 0; run < RUNS; run++) {
    const { tookMs } = await dials(SINGLES, 1);
    p50.push(percentile(tookMs, 0.5));
    p99.push(percentile(tookMs, 0.99));
    const { result: { seconds }, cpu } = await network.measure(() => dials(DIALS, PARALLEL));
    rates.push(DIALS / seconds);
    [cpu.clients[0], cpu.server, cpu.clients[1]].forEach((used, index) =>
      cpus[index]!.push(used && used / DIALS * 1e6)
    );
    const echoesMs = await dialler.ask<number[]>("echoes", { to, times: ECHOES, bytes: ECHO_BYTES });
    echo50.push(1000 * percentile(echoesMs, 0.5));
    echo99.push(1000 * percentile(echoesMs, 0.99));
  }
  const lessIsBetter = true;
  return [
    { name: "stream open: p50", value: median(p50), unit: "ms", reference: 8.8, lessIsBetter },
    { name: "stream open: p99", value: median(p99), unit: "ms", lessIsBetter },
    { name: "stream open: 16 in parallel", value: median(rates), unit: "streams/s", reference: 199 },
    ...["A", "S", "B"].flatMap((role, index) =>
      cpuRow({ name: `stream open: CPU of ${role}`, unit: "us" }, median(cpus[index]!))
    ),
    { name: "echo of 64 bytes: p50", value: median(echo50), unit: "us", reference: 143, lessIsBetter },
    { name: "echo of 64 bytes: p99", value: median(echo99), unit: "us", lessIsBetter },
  ];
}
