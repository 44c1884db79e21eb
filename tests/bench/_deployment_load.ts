/** What happens on the routes of a deployment at the rates of some visors, and on one at saturation. @module */
import type { BenchRow } from "../../scripts/bench.ts";
import { Connection, encodeRequest, ServicesProcess } from "./_deployment.ts";
import type { Route } from "./_deployment_routes.ts";
import { percentile } from "./_dmsg_network.ts";

const CONNECTIONS = 16;
const REQUESTS = 100; // per connection and run
const RUNS = 3;

/** One request; how long its answer took, in ms. Rejects at any status but the expected one. */
export async function askFor(
  { name, status }: Route,
  connection: Connection,
  request: Uint8Array,
): Promise<number> {
  const startedMs = performance.now();
  const answer = await connection.ask(request);
  if (answer.status !== status) throw new Error(`${name}: ${answer.status} ${answer.text.slice(0, 200)}`);
  return performance.now() - startedMs;
}

/** Every visor once on every route that writes: what reads ask for is there. */
export async function fill(
  processes: readonly ServicesProcess[],
  routes: readonly Route[],
  visors: number,
): Promise<void> {
  for (const route of routes.filter(({ everyMs }) => everyMs > 10_000)) {
    const connection = await Connection.open(processes[0]!.port(route.service));
    for (let index = 0; index < visors; index++) {
      await askFor(route, connection, encodeRequest(route.make(index)));
    }
    connection.close();
  }
}

/** A route over 16 connections, spread over the processes: the median of some runs. */
export async function saturate(
  prefix: string,
  processes: readonly ServicesProcess[],
  route: Route,
): Promise<BenchRow[]> {
  const { make, makeMany = make } = route;
  const { before = [] } = route;
  const runs: { perSecond: number; cpuUs: number; p50: number; p99: number }[] = [];
  for (let run = 0; run <= RUNS; run++) {
    const requests = Array.from(
      { length: CONNECTIONS },
      (_, index) => Array.from({ length: route.requests ?? REQUESTS }, () => encodeRequest(makeMany(index))),
    );
    for (const { asked, status } of before.splice(0)) {
      const connection = await Connection.open(processes[0]!.port(route.service));
      await askFor({ ...route, status }, connection, encodeRequest(asked));
      connection.close();
    }
    // Not before they are used: a server waits 10 s for a first request.
    const connections = await Promise.all(
      requests.map((_, index) => Connection.open(processes[index % processes.length]!.port(route.service))),
    );
    const cpuBefore = await cpuOf(processes);
    const startedMs = performance.now();
    const tookMs = (await Promise.all(connections.map(async (connection, index) => {
      const each: number[] = [];
      for (const request of requests[index]!) each.push(await askFor(route, connection, request));
      return each;
    }))).flat();
    const perSecond = 1_000 * tookMs.length / (performance.now() - startedMs);
    const cpuUs = 1e6 * (await cpuOf(processes) - cpuBefore) / tookMs.length;
    for (const connection of connections) connection.close();
    const [p50, p99] = [percentile(tookMs, 0.5), percentile(tookMs, 0.99)];
    if (run > 0) runs.push({ perSecond, cpuUs, p50, p99 }); // the first warms up
  }
  const { perSecond, cpuUs, p50, p99 } = runs.sort((a, b) => a.perSecond - b.perSecond)[RUNS >> 1]!;
  const name = `${prefix}: ${route.name}`;
  return [
    { name, value: perSecond, unit: "requests/s", reference: route.go },
    { name: `${name}, CPU`, value: cpuUs, unit: "us", lessIsBetter: true },
    { name: `${name}, p50`, value: p50, unit: "ms", lessIsBetter: true },
    { name: `${name}, p99`, value: p99, unit: "ms", lessIsBetter: true },
  ];
}

/** CPU time of all of them, in seconds. */
export async function cpuOf(processes: readonly ServicesProcess[]): Promise<number> {
  const each = await Promise.all(processes.map((process) => process.cpuSeconds()));
  return each.reduce((sum, seconds) => sum + seconds, 0);
}

/**
 * Each visor on each route at its rate, from some moment of its period on; a connection for each question, to one
 * process after the other.
 */
export async function heartbeats(
  prefix: string,
  processes: readonly ServicesProcess[],
  routes: readonly Route[],
  { visors, forMs }: { readonly visors: number; readonly forMs: number },
): Promise<BenchRow[]> {
  const due = routes.flatMap((route, at) =>
    Array.from({ length: visors }, (_, index) => {
      const offsetMs = ((index * 61 + at * 17) % visors) / visors * route.everyMs; // evenly, in no order
      const times = Math.ceil((forMs - offsetMs) / route.everyMs);
      return Array.from({ length: Math.max(0, times) }, (_, time) => ({
        atMs: offsetMs + time * route.everyMs,
        route,
        index,
      }));
    }).flat()
  ).sort((a, b) => a.atMs - b.atMs);
  const tookMs = new Map<Route, number[]>(routes.map((route) => [route, []]));
  const cpuBefore = await cpuOf(processes);
  const startedMs = performance.now();
  let next = 0;
  /** A visor asks one thing after the other. */
  const asked: Promise<void>[] = Array(visors).fill(Promise.resolve());
  for (const { atMs, route, index } of due) {
    const waitMs = startedMs + atMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    asked[index] = asked[index]!.then(async () => {
      const request = encodeRequest(route.make(index));
      const connection = await Connection.open(processes[next++ % processes.length]!.port(route.service));
      try {
        tookMs.get(route)!.push(await askFor(route, connection, request));
      } finally {
        connection.close();
      }
    });
  }
  await Promise.all(asked);
  const seconds = (performance.now() - startedMs) / 1_000;
  const cpuSeconds = await cpuOf(processes) - cpuBefore;
  const name = `${prefix}: ${visors} visors at their rates`;
  const all = [...tookMs.values()].flat();
  return [
    { name, value: all.length / seconds, unit: "requests/s" },
    { name: `${name}, CPU`, value: 1e6 * cpuSeconds / all.length, unit: "us", lessIsBetter: true },
    { name: `${name}, CPU of one core`, value: 100 * cpuSeconds / seconds, unit: "%", lessIsBetter: true },
    { name: `${name}, p50`, value: percentile(all, 0.5), unit: "ms", lessIsBetter: true },
    { name: `${name}, p99`, value: percentile(all, 0.99), unit: "ms", lessIsBetter: true },
    ...[...tookMs].flatMap(([route, each]) => [
      { name: `${name}, ${route.name}`, value: each.length / seconds, unit: "requests/s" },
      { name: `${name}, ${route.name}, p99`, value: percentile(each, 0.99), unit: "ms", lessIsBetter: true },
    ]),
  ];
}

export function loadRow(prefix: string, when: string): BenchRow {
  return {
    name: `${prefix}: load of the machine ${when}`,
    value: Deno.loadavg()[0]!,
    unit: "",
    lessIsBetter: true,
  };
}
