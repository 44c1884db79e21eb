/**
 * What users see of routes: downloads through a SOCKS proxy over 1, 2 and 3 hops, and how long a route takes.
 * Visors, the local network, the web server and the program that downloads are a process each: 7 in all, of which
 * a download over `n` hops takes `n` + 3. The Go original ran visor and app as two processes at each end.
 */
import type { BenchRow } from "../../scripts/bench.ts";
import { Child } from "./_child.ts";
import { percentile } from "./_dmsg_network.ts";
import { measureCpu, Visors } from "./_visors.ts";

const BYTES = 256e6;
const WARM_UP_BYTES = 64e6;
const ROUNDS = 3;
const SET_UPS = 40;
const WARM_UP_SET_UPS = 8;
const VISOR_NAMES = "ABCD";
/** By hops: of the Go original on this kind of machine, MB/s and CPU seconds per GB of all its processes. */
const GO: Readonly<Record<number, { readonly mbPerSecond: number; readonly cpuSeconds: number }>> = {
  1: { mbPerSecond: 28.9, cpuSeconds: 57 },
  2: { mbPerSecond: 27.2, cpuSeconds: 64 },
};

export default async function routesBench(): Promise<BenchRow[]> {
  await using network = await Visors.start(VISOR_NAMES.length);
  return [...await setUps(network), ...await downloads(network)];
}

async function downloads({ visors }: Visors): Promise<BenchRow[]> {
  await using web = new Child("_socks_role.ts");
  await using program = new Child("_socks_role.ts");
  const port = await web.ask<number>("listen");
  const rows: BenchRow[] = [];
  for (let hops = 1; hops < visors.length; hops++) {
    const exit = visors[hops]!;
    await exit.child.ask("serveProxy");
    const proxy = await visors[0]!.child.ask<string>("proxy", { to: exit.publicKey, minHops: hops });
    const get = (bytes: number) => program.ask<number>("get", { proxy, port, bytes, connections: 1 });
    await get(WARM_UP_BYTES);
    const onPath = visors.slice(0, hops + 1).map(({ child }) => child);
    const rates: number[] = [];
    const cpu: number[][] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const { result: seconds, cpuSeconds } = await measureCpu([...onPath, web, program], () => get(BYTES));
      rates.push(BYTES / seconds / 1e6);
      cpu.push(cpuSeconds.map((seconds) => seconds * 1e9 / BYTES));
    }
    rows.push(...downloadRows(hops, rates, cpu));
  }
  return rows;
}

function downloadRows(hops: number, rates: readonly number[], cpu: readonly number[][]): BenchRow[] {
  const name = `SOCKS over ${hops} ${hops === 1 ? "hop" : "hops"}, ${hops + 3} processes`;
  const median = (index: number) => percentile(cpu.map((round) => round[index]!), 0.5);
  const visors = Array.from({ length: hops + 1 }, (_, index) => median(index));
  const unit = "s/GB";
  const lessIsBetter = true;
  return [
    { name, value: percentile(rates, 0.5), unit: "MB/s", reference: GO[hops]?.mbPerSecond },
    ...visors.map((value, index) => ({
      name: `SOCKS over ${hops}: CPU of visor ${VISOR_NAMES[index]}`,
      value,
      unit,
      lessIsBetter,
    })),
    {
      name: `SOCKS over ${hops}: CPU of all visors`,
      value: visors.reduce((sum, each) => sum + each, 0),
      unit,
      reference: GO[hops]?.cpuSeconds,
      lessIsBetter,
    },
    { name: `SOCKS over ${hops}: CPU of the web server`, value: median(hops + 1), unit, lessIsBetter },
    { name: `SOCKS over ${hops}: CPU of the program`, value: median(hops + 2), unit, lessIsBetter },
  ];
}

async function setUps({ visors }: Visors): Promise<BenchRow[]> {
  const [near, next, far] = visors;
  const oneHop = { to: next!.publicKey };
  const twoHops = { to: far!.publicKey, through: [next!.publicKey] };
  const cases = [
    { name: "one hop, with the peer itself", ask: { ...oneHop, how: "direct" } },
    { name: "one hop, setup node", ask: { ...oneHop, how: "setup node" }, goMs: 34 },
    { name: "two hops, setup node", ask: { ...twoHops, how: "hops" }, goMs: 43 },
    { name: "two hops, route finder and setup node", ask: { ...twoHops, how: "found" } },
  ];
  const rows: BenchRow[] = [];
  for (const { name, ask, goMs } of cases) {
    await near!.child.ask("routes", { ...ask, times: WARM_UP_SET_UPS });
    const tookMs = await near!.child.ask<number[]>("routes", { ...ask, times: SET_UPS });
    const common = { unit: "ms", lessIsBetter: true };
    rows.push(
      { name: `route of ${name}, p50`, value: percentile(tookMs, 0.5), reference: goMs, ...common },
      { name: `route of ${name}, p95`, value: percentile(tookMs, 0.95), ...common },
    );
  }
  return rows;
}
