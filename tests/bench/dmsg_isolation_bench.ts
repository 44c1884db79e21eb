/**
 * What one bad peer costs the others: the rate of 16 streams beside a stream whose reader stopped and a sender that
 * stopped in the middle of a yamux frame, as a share of their rate without them. Each pair of runs gives a ratio.
 */
import type { BenchOptions, BenchRow, BenchTarget } from "../../scripts/bench.ts";
import { Child } from "./_child.ts";
import { median, Network, paired } from "./_dmsg_network.ts";

const PAIRS = 5;
const STREAMS = 16;
const BYTES = 192 * 1024 * 1024;

export const takesServer = true;

export default function isolationBench(options: BenchOptions): Promise<readonly BenchRow[]> {
  return paired(options, measure);
}

async function measure(target: BenchTarget | undefined): Promise<BenchRow[]> {
  await using network = await Network.start(target);
  const sender = network.clients[0]!;
  const to = network.keys[1]!;
  const rate = async () =>
    BYTES / await sender.ask<number>("bulk", { to, streams: STREAMS, bytes: BYTES }) / 1e6;
  await rate(); // warms up
  const alone: number[] = [], beside: number[] = [], ratios: number[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    alone.push(await rate());
    {
      await using spoiler = new Child("_dmsg_client_role.ts"); // one each: its session is spoilt afterwards
      await spoiler.ask("connect", network.server.address);
      await spoiler.ask("stopInMidFrame", { to });
      await sender.ask("stall", { to });
      beside.push(await rate());
      await sender.ask("unstall");
    }
    ratios.push(beside.at(-1)! / alone.at(-1)!);
  }
  return [
    { name: "isolation: 16 streams alone", value: median(alone), unit: "MB/s" },
    { name: "isolation: beside a stalled and a stopped one", value: median(beside), unit: "MB/s" },
    { name: "isolation: share that is left", value: 100 * median(ratios), unit: "%" },
  ];
}
