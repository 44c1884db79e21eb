/** Bytes from A over S to B in writes of 64 KiB, on one stream and on 16; CPU seconds per GB of each process. */
import type { BenchOptions, BenchRow } from "../../scripts/bench.ts";
import { cpuRow, type Network, runRounds } from "./_dmsg_network.ts";

const BYTES = 384 * 1024 * 1024;
const WARM_UP_BYTES = 128 * 1024 * 1024;
/** What was measured, with the figures of the Go original. */
const CASES = [
  { streams: 1, name: "one stream", mbPerSecond: 184, serverSeconds: 2.6 },
  { streams: 16, name: "16 streams", mbPerSecond: 330, serverSeconds: 1.5 },
] as const;

export const takesServer = true;

export default function throughputBench(options: BenchOptions): Promise<readonly BenchRow[]> {
  return runRounds(options, {
    rounds: 3,
    warmUp: async (network) => {
      for (const { streams } of CASES) await bulk(network, streams, WARM_UP_BYTES);
    },
    round,
  });
}

function bulk(network: Network, streams: number, bytes: number) {
  const to = network.keys[1]!;
  return network.measure(() => network.clients[0]!.ask<number>("bulk", { to, streams, bytes }));
}

async function round(network: Network): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const { streams, name, mbPerSecond, serverSeconds } of CASES) {
    const { result: seconds, cpu } = await bulk(network, streams, BYTES);
    const perGb = 1e9 / BYTES;
    rows.push(
      {
        name: `${name}, 64 KiB writes`,
        value: BYTES / seconds / 1e6,
        unit: "MB/s",
        reference: mbPerSecond,
      },
      ...cpuRow({ name: `${name}: CPU of A`, unit: "s/GB" }, cpu.clients[0], perGb),
      ...cpuRow({ name: `${name}: CPU of S`, unit: "s/GB", reference: serverSeconds }, cpu.server, perGb),
      ...cpuRow({ name: `${name}: CPU of B`, unit: "s/GB" }, cpu.clients[1], perGb),
    );
  }
  return rows;
}
