/**
 * Transports of type stcpr between visors that are a process each: how fast, how long one takes to come up, and
 * what a visor holds for each. Three processes: the local network and two visors.
 */
import type { BenchRow } from "../../scripts/bench.ts";
import { percentile } from "./_dmsg_network.ts";
import { measureCpu, Visors } from "./_visors.ts";

const BYTES = 512e6;
const WARM_UP_BYTES = 128e6;
const ROUNDS = 3;
const DIALS = 40;
const WARM_UP_DIALS = 8;
const HELD = 500;
const DIALS_AT_ONCE = 8;
const GO_DIAL_MS = 17;

export default async function transportsBench(): Promise<BenchRow[]> {
  await using network = await Visors.start(2);
  return [...await packets(network), ...await dials(network), ...await memory(network)];
}

async function packets({ visors: [near, far] }: Visors): Promise<BenchRow[]> {
  const send = (bytes: number) => near!.child.ask<number>("packets", { to: far!.publicKey, bytes });
  await send(WARM_UP_BYTES);
  const rounds: { rate: number; cpu: number[] }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { result: seconds, cpuSeconds } = await measureCpu(
      [near!.child, far!.child],
      () => send(BYTES),
    );
    rounds.push({
      rate: BYTES / seconds / 1e6,
      cpu: cpuSeconds.map((seconds) => seconds * 1e9 / BYTES),
    });
  }
  const cpu = (index: number) => percentile(rounds.map(({ cpu }) => cpu[index]!), 0.5);
  const name = "stcpr, one transport, 2 processes";
  return [
    { name, value: percentile(rounds.map(({ rate }) => rate), 0.5), unit: "MB/s" },
    { name: `${name}: CPU of the sender`, value: cpu(0), unit: "s/GB", lessIsBetter: true },
    { name: `${name}: CPU of the receiver`, value: cpu(1), unit: "s/GB", lessIsBetter: true },
  ];
}

async function dials({ visors: [near, far] }: Visors): Promise<BenchRow[]> {
  const connect = (times: number) =>
    near!.child.ask<number[]>("connect", { to: far!.publicKey, times: times + 1 }); // the first is there
  await connect(WARM_UP_DIALS);
  const tookMs = (await connect(DIALS)).slice(1);
  const common = { unit: "ms", lessIsBetter: true };
  return [
    { name: "stcpr dial, p50", value: percentile(tookMs, 0.5), reference: GO_DIAL_MS, ...common },
    { name: "stcpr dial, p95", value: percentile(tookMs, 0.95), ...common },
  ];
}

/** Of the visor that is dialled. The first time pays for tables and buffers that stay. */
async function memory({ visors: [near, far] }: Visors): Promise<BenchRow[]> {
  const hold = async (count: number) => {
    await near!.child.ask("holdTransports", { to: far!.publicKey, count, parallel: DIALS_AT_ONCE });
    await far!.child.ask("awaitTransports", { count: count + 1 }); // near's own
  };
  const release = async () => {
    await near!.child.ask("releaseTransports");
    await far!.child.ask("awaitTransports", { count: 1 });
  };
  await hold(HELD);
  await release();
  const before = await far!.child.usage();
  await hold(HELD);
  const full = await far!.child.usage();
  await release();
  const after = await far!.child.usage();
  const each = (bytes: number) => bytes / HELD / 1000;
  const common = { unit: "KB", lessIsBetter: true };
  return [
    {
      name: `heap per transport, ${HELD} of them (aim: 90)`,
      value: each(full.heapBytes! - before.heapBytes!),
      ...common,
    },
    {
      name: "RSS per transport (aim: 90)",
      value: each(full.rssBytes - before.rssBytes),
      ...common,
    },
    {
      name: "heap left per transport that ended",
      value: each(after.heapBytes! - before.heapBytes!),
      ...common,
    },
    {
      name: "handles left after they ended",
      value: after.handles - before.handles,
      unit: "",
      lessIsBetter: true,
    },
  ];
}
