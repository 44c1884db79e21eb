/**
 * Sessions per second that a server accepts, each a fresh TCP connection, noise XK and yamux; and the time of one
 * handshake. Clients pause 50 ms after each handshake for servers of 2024: so many in parallel that it bounds nothing.
 */
import type { BenchOptions, BenchRow, BenchTarget } from "../../scripts/bench.ts";
import { cpuRow, median, Network, paired, percentile } from "./_dmsg_network.ts";

const RUNS = 3;
const TIMES = 600;
const PARALLEL = 64;
const SINGLES = 200;

export const takesServer = true;

export default function handshakesBench(options: BenchOptions): Promise<readonly BenchRow[]> {
  return paired(options, measure);
}

async function measure(target: BenchTarget | undefined): Promise<BenchRow[]> {
  await using network = await Network.start(target, 1);
  const client = network.clients[0]!;
  const to = network.server.address;
  const rates: number[] = [], serverUs: (number | undefined)[] = [], clientUs: number[] = [];
  for (let run = 0; run <= RUNS; run++) {
    await client.ask("makeKeys", { count: TIMES });
    const { result: seconds, cpu } = await network.measure(() =>
      client.ask<number>("handshakes", { ...to, times: TIMES, parallel: PARALLEL })
    );
    if (run === 0) continue; // warms up
    rates.push(TIMES / seconds);
    serverUs.push(cpu.server && cpu.server / TIMES * 1e6);
    clientUs.push(cpu.clients[0]! / TIMES * 1e6);
  }
  await client.ask("makeKeys", { count: SINGLES });
  const tookMs = await client.ask<number[]>("handshakeTimes", { ...to, times: SINGLES });
  return [
    { name: "handshakes: rate", value: median(rates), unit: "sessions/s", reference: 150 },
    ...cpuRow({ name: "handshakes: CPU of S", unit: "us", reference: 5_500 }, median(serverUs)),
    ...cpuRow({ name: "handshakes: CPU of A", unit: "us" }, median(clientUs)),
    { name: "handshakes: one, p50", value: percentile(tookMs, 0.5), unit: "ms", lessIsBetter: true },
  ];
}
