/**
 * What one bad peer costs the others: the rate of 16 streams beside a stream whose reader stopped and a sender that
 * stopped in the middle of a yamux frame, as a share of their rate without them, measured just before.
 */
import type { BenchOptions, BenchRow } from "../../scripts/bench.ts";
import { Child } from "./_child.ts";
import { type Network, runRounds } from "./_dmsg_network.ts";

const STREAMS = 16;
const BYTES = 192 * 1024 * 1024;

export const takesServer = true;

export default function isolationBench(options: BenchOptions): Promise<readonly BenchRow[]> {
  return runRounds(options, { rounds: 5, warmUp: rate, round });
}

/** MB/s of 16 streams. */
async function rate({ clients, keys }: Network): Promise<number> {
  return BYTES / await clients[0]!.ask<number>("bulk", { to: keys[1], streams: STREAMS, bytes: BYTES }) / 1e6;
}

async function round(network: Network): Promise<BenchRow[]> {
  const sender = network.clients[0]!;
  const to = network.keys[1]!;
  const alone = await rate(network);
  await using spoiler = new Child("_dmsg_client_role.ts"); // one each round: its session is spoilt afterwards
  await spoiler.ask("connect", network.server.address);
  await spoiler.ask("stopInMidFrame", { to });
  await sender.ask("stall", { to });
  const beside = await rate(network);
  await sender.ask("unstall");
  return [
    { name: "isolation: 16 streams alone", value: alone, unit: "MB/s" },
    { name: "isolation: beside a stalled and a stopped one", value: beside, unit: "MB/s" },
    { name: "isolation: share that is left", value: 100 * beside / alone, unit: "%" },
  ];
}
