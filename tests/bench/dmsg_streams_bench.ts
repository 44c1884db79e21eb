/** Opening streams from A over S to B, one at a time and 16 in parallel; and a message of 64 bytes there and back. */
import type { BenchOptions, BenchRow } from "../../scripts/bench.ts";
import { cpuRow, type Network, percentile, runRounds } from "./_dmsg_network.ts";

const PARALLEL = 16;
const DIALS = 600; // of a round in parallel
const SINGLES = 300;
const ECHOES = 3_000;
const ECHO_BYTES = 64;

export const takesServer = true;

export default function streamsBench(options: BenchOptions): Promise<readonly BenchRow[]> {
  return runRounds(options, { rounds: 3, warmUp: round, round });
}

async function round(network: Network): Promise<BenchRow[]> {
  const dialler = network.clients[0]!;
  const to = network.keys[1]!;
  const dials = (times: number, parallel: number) =>
    dialler.ask<{ tookMs: number[]; seconds: number }>("dials", { to, times, parallel });
  const { tookMs } = await dials(SINGLES, 1);
  const { result: { seconds }, cpu } = await network.measure(() => dials(DIALS, PARALLEL));
  const echoesMs = await dialler.ask<number[]>("echoes", { to, times: ECHOES, bytes: ECHO_BYTES });
  const lessIsBetter = true;
  return [
    { name: "stream open: p50", value: percentile(tookMs, 0.5), unit: "ms", reference: 8.8, lessIsBetter },
    { name: "stream open: p99", value: percentile(tookMs, 0.99), unit: "ms", lessIsBetter },
    { name: "stream open: 16 in parallel", value: DIALS / seconds, unit: "streams/s", reference: 199 },
    ...cpuRow({ name: "stream open: CPU of A", unit: "us" }, cpu.clients[0], 1e6 / DIALS),
    ...cpuRow({ name: "stream open: CPU of S", unit: "us" }, cpu.server, 1e6 / DIALS),
    ...cpuRow({ name: "stream open: CPU of B", unit: "us" }, cpu.clients[1], 1e6 / DIALS),
    {
      name: "echo of 64 bytes: p50",
      value: 1000 * percentile(echoesMs, 0.5),
      unit: "us",
      reference: 143,
      lessIsBetter,
    },
    { name: "echo of 64 bytes: p99", value: 1000 * percentile(echoesMs, 0.99), unit: "us", lessIsBetter },
  ];
}
