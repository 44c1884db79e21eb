/**
 * Three processes, each with every service of a deployment, on one Redis: so three of each service. 50 visors at the
 * rates of their heartbeats, each route at saturation over 16 connections, and `kill -9` of one of the three under load.
 *
 * Under load write 15 callers, three for each service that keeps something. A caller whose connection breaks asks the
 * next instance, once, as a visor does: with the number that it is told there. What then fails is an error. Every
 * acknowledged write is looked for at the instances that are left.
 */
import type { BenchRow } from "../../scripts/bench.ts";
import { redisMissing, TestRedis } from "../support/redis.ts";
import { pairOf, ServicesProcess } from "./_deployment.ts";
import { fill, heartbeats, loadRow, saturate } from "./_deployment_load.ts";
import { routesOf } from "./_deployment_routes.ts";
import { allWrites, Caller, type Writes } from "./_deployment_writes.ts";
import { percentile } from "./_dmsg_network.ts";

const INSTANCES = 3;
const VISORS = 50;
const HEARTBEATS_MS = 10_000;
const CALLERS_OF_SERVICE = 3;
const KILL_AFTER_MS = 3_000;
const GO_ON_MS = 4_000;
const SERVICES = [
  "dmsg-discovery",
  "transport-discovery",
  "address-resolver",
  "route-finder",
  "service-discovery",
  "uptime-tracker",
  "config-bootstrapper",
];
const PREFIX = "three on one Redis";

export default async function severalInstancesBench(): Promise<BenchRow[]> {
  if (Deno.build.os !== "linux") return [];
  if (redisMissing !== undefined) {
    console.error(`several instances: skipped, ${redisMissing}`);
    return [];
  }
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const redis = stack.use(await TestRedis.start());
  const instances: ServicesProcess[] = [];
  for (let at = 0; at < INSTANCES; at++) {
    const where = ["--redis", redis.url, "--folder", `${folder}/${at}`, "--free-ports", "--mode", "http"];
    const isReady = (line: string) => line.startsWith("ready");
    instances.push(stack.use(await ServicesProcess.start([...SERVICES, ...where], isReady)));
  }
  const routes = routesOf(Array.from({ length: VISORS }, (_, at) => pairOf(`bench visor ${at}`)));
  const rows = [loadRow(PREFIX, "before")];
  await fill(instances, routes, VISORS);
  rows.push(...await heartbeats(PREFIX, instances, routes, { visors: VISORS, forMs: HEARTBEATS_MS }));
  for (const route of routes) rows.push(...await saturate(PREFIX, instances, route));
  rows.push(...await killOne(instances), loadRow(PREFIX, "after"));
  return rows;
}

/** What became of the writes to one service. */
interface Outcome {
  readonly writes: Writes;
  readonly callers: readonly Caller[];
  acknowledged: number;
  readonly errors: unknown[];
  readonly tookMs: number[];
}

async function killOne(instances: readonly ServicesProcess[]): Promise<BenchRow[]> {
  const outcomes = allWrites().map((writes): Outcome => {
    const ports = instances.map((instance) => instance.port(writes.service));
    const callers = Array.from(
      { length: CALLERS_OF_SERVICE },
      (_, at) => new Caller(pairOf(`caller ${at} of ${writes.service}`), ports, at),
    );
    return { writes, callers, acknowledged: 0, errors: [], tookMs: [] };
  });
  let isOver = false;
  const working = outcomes.flatMap((outcome) =>
    outcome.callers.map(async (caller) => {
      for (let count = 0; !isOver; count++) {
        const atMs = performance.now();
        try {
          await outcome.writes.write(caller, count);
          outcome.acknowledged++;
          outcome.tookMs.push(performance.now() - atMs);
        } catch (error) {
          outcome.errors.push(error);
        }
      }
    })
  );
  const startedMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, KILL_AFTER_MS));
  const before = outcomes.map(({ acknowledged }) => acknowledged);
  const killMs = performance.now();
  await instances[0]!.kill();
  await new Promise((resolve) => setTimeout(resolve, GO_ON_MS));
  const overMs = performance.now();
  const after = outcomes.map(({ acknowledged }, at) => acknowledged - before[at]!);
  isOver = true;
  await Promise.all(working);
  const rows: BenchRow[] = [];
  const less = { lessIsBetter: true };
  for (const [at, { writes, callers, acknowledged, errors, tookMs }] of outcomes.entries()) {
    const lost = await writes.lost(callers);
    const sum = (of: (caller: Caller) => number) => callers.reduce((all, caller) => all + of(caller), 0);
    if (errors.length > 0) console.error(`${writes.service}: the first error`, errors[0]);
    const name = `kill -9 of one of three, ${writes.service}`;
    rows.push(
      { name: `${name}, writes before it`, value: 1_000 * before[at]! / (killMs - startedMs), unit: "/s" },
      { name: `${name}, writes after it`, value: 1_000 * after[at]! / (overMs - killMs), unit: "/s" },
      { name: `${name}, p50`, value: percentile(tookMs, 0.5), unit: "ms", ...less },
      { name: `${name}, p99`, value: percentile(tookMs, 0.99), unit: "ms", ...less },
      { name: `${name}, longest`, value: tookMs.reduce((a, b) => Math.max(a, b), 0), unit: "ms", ...less },
      { name: `${name}, acknowledged writes`, value: acknowledged, unit: "" },
      {
        name: `${name}, requests that needed their retry`,
        value: sum((each) => each.retried),
        unit: "",
        ...less,
      },
      {
        name: `${name}, requests that needed a third`,
        value: sum((each) => each.renumbered),
        unit: "",
        ...less,
      },
      { name: `${name}, errors after one retry`, value: errors.length, unit: "", ...less },
      { name: `${name}, acknowledged writes lost`, value: lost, unit: "", ...less },
    );
    for (const caller of callers) caller.close();
  }
  return rows;
}
