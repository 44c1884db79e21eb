/** Bytes from A over S to B in writes of 64 KiB, on one stream and on 16; CPU seconds per GB of each process. */
import type { BenchOptions, BenchRow, BenchTarget } from "../../scripts/bench.ts";
import { cpuRow, median, Network, paired } from "./_dmsg_network.ts";

const RUNS = 3;
const BYTES = 512 * 1024 * 1024;
const WARM_UP_BYTES = 128 * 1024 * 1024;
/** Of the Go original, by the number of streams. */
const REFERENCES: Readonly<Record<number, { mbPerSecond: number; serverSeconds: number }>> = {
  1: { mbPerSecond: 184, serverSeconds: 2.6 },
  16: { mbPerSecond: 330, serverSeconds: 1.5 },
};

export const takesServer = true;

export default function throughputBench(options: BenchOptions): Promise<readonly BenchRow[]> {
  return paired(options, measure);
}

async function measure(target: BenchTarget | undefined): Promise<BenchRow[]> {
  await using network = await Network.start(target);
  const to = network.keys[1]!;
  const bulk = (streams: number, bytes: number) =>
    network.measure(() => network.clients[0]!.ask<number>("bulk", { to, streams, bytes }));
  await bulk(16, WARM_UP_BYTES);
  const rows: BenchRow[] = [];
  for (const streams of [1, 16]) {
    const { mbPerSecond, serverSeconds } = REFERENCES[streams]!;
    const rates: number[] = [], cpus: (number | undefined)[][] = [[], [], []];
    await bulk(streams, WARM_UP_BYTES);
    for (let run = 0; run < RUNS; run++) {
      const { result: seconds, cpu } = await bulk(streams, BYTES);
      rates.push(BYTES / seconds / 1e6);
      [cpu.clients[0], cpu.server, cpu.clients[1]].forEach((used, index) =>
        cpus[index]!.push(used && used / BYTES * 1e9)
      );
    }
    const name = streams === 1 ? "one stream" : `${streams} streams`;
    rows.push(
      { name: `${name}, 64 KiB writes`, value: median(rates), unit: "MB/s", reference: mbPerSecond },
      ...["A", "S", "B"].flatMap((role, index) =>
        cpuRow({
          name: `${name}: CPU of ${role}`,
          unit: "s/GB",
          ...(role === "S" && { reference: serverSeconds }),
        }, median(cpus[index]!))
      ),
    );
  }
  return rows;
}
