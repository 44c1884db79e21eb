/**
 * Sessions per second that a server accepts, each a fresh TCP connection, noise XK and yamux; and the time of one
 * handshake. Clients pause 50 ms after each handshake for servers of 2024: so many in parallel that it bounds nothing.
 * Post-quantum where the server knows it, and without.
 */
import type { BenchOptions, BenchRow } from "../../scripts/bench.ts";
import { cpuRow, type Network, percentile, runRounds } from "./_dmsg_network.ts";

const TIMES = 600;
const PARALLEL = 64;
const SINGLES = 100;

export const takesServer = true;

export default function handshakesBench(options: BenchOptions): Promise<readonly BenchRow[]> {
  return runRounds(options, { clients: 1, rounds: 3, warmUp: round, round });
}

async function round(network: Network): Promise<BenchRow[]> {
  const client = network.clients[0]!;
  const to = network.server.address;
  const rows: BenchRow[] = [];
  for (const [name, mode] of [["handshakes", "offer"], ["handshakes, classical", "off"]] as const) {
    await client.ask("makeKeys", { count: TIMES });
    const { result: seconds, cpu } = await network.measure(() =>
      client.ask<number>("handshakes", { ...to, times: TIMES, parallel: PARALLEL, mode })
    );
    rows.push(
      { name: `${name}: rate`, value: TIMES / seconds, unit: "sessions/s", reference: 150 },
      ...cpuRow({ name: `${name}: CPU of S`, unit: "us", reference: 5_500 }, cpu.server, 1e6 / TIMES),
      ...cpuRow({ name: `${name}: CPU of A`, unit: "us" }, cpu.clients[0], 1e6 / TIMES),
    );
  }
  await client.ask("makeKeys", { count: SINGLES });
  const tookMs = await client.ask<number[]>("handshakeTimes", { ...to, times: SINGLES });
  return [
    ...rows,
    { name: "handshakes: one, p50", value: percentile(tookMs, 0.5), unit: "ms", lessIsBetter: true },
  ];
}
