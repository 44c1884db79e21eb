/**
 * A whole deployment in one process, `svc run --all` on SQLite files over HTTP on loopback: 50 visors at the rates
 * of their heartbeats, then each route at saturation over 16 connections. Requests are signed before they are
 * timed. CPU is that of the services' process. On Linux alone: its CPU time is read there.
 */
import type { BenchRow } from "../../scripts/bench.ts";
import { Connection, encodeRequest, pairOf, ServicesProcess } from "./_deployment.ts";
import { askFor, fill, type Route, routesOf, saturate } from "./_deployment_routes.ts";
import { percentile } from "./_dmsg_network.ts";

const VISORS = 50;
const HEARTBEATS_MS = 20_000;

export default async function deploymentBench(): Promise<BenchRow[]> {
  if (Deno.build.os !== "linux") return [];
  const folder = await Deno.makeTempDir();
  try {
    await using services = await ServicesProcess.start(
      ["--all", "--free-ports", "--folder", folder],
      (line) => line.startsWith("ready"),
    );
    const routes = routesOf(Array.from({ length: VISORS }, (_, index) => pairOf(`bench visor ${index}`)));
    const rows = [loadRow("before")];
    await fill([services], routes, VISORS);
    rows.push(...await heartbeats(services, routes));
    for (const route of routes) rows.push(...await saturate("deployment", [services], route));
    rows.push({
      name: "deployment: RSS after all",
      value: await services.rssBytes() / 1e6,
      unit: "MB",
      lessIsBetter: true,
    }, loadRow("after"));
    return rows;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function loadRow(when: string): BenchRow {
  return {
    name: `deployment: load of the machine ${when}`,
    value: Deno.loadavg()[0]!,
    unit: "",
    lessIsBetter: true,
  };
}

/** Each visor on each route at its rate, from some moment of its period on; a connection for each question. */
async function heartbeats(services: ServicesProcess, routes: readonly Route[]): Promise<BenchRow[]> {
  const due = routes.flatMap((route, at) =>
    Array.from({ length: VISORS }, (_, index) => {
      const offsetMs = ((index * 61 + at * 17) % VISORS) / VISORS * route.everyMs; // evenly, in no order
      const times = Math.ceil((HEARTBEATS_MS - offsetMs) / route.everyMs);
      return Array.from({ length: Math.max(0, times) }, (_, time) => ({
        atMs: offsetMs + time * route.everyMs,
        route,
        index,
      }));
    }).flat()
  ).sort((a, b) => a.atMs - b.atMs);
  const tookMs: number[] = [];
  const cpuBefore = await services.cpuSeconds();
  const startedMs = performance.now();
  /** A visor asks one thing after the other. */
  const asked: Promise<void>[] = Array(VISORS).fill(Promise.resolve());
  for (const { atMs, route, index } of due) {
    const waitMs = startedMs + atMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    asked[index] = asked[index]!.then(async () => {
      const request = encodeRequest(route.make(index));
      const connection = await Connection.open(services.port(route.service));
      try {
        tookMs.push(await askFor(route, connection, request));
      } finally {
        connection.close();
      }
    });
  }
  await Promise.all(asked);
  const seconds = (performance.now() - startedMs) / 1_000;
  const cpuSeconds = await services.cpuSeconds() - cpuBefore;
  const name = "deployment: 50 visors at their rates";
  return [
    { name, value: due.length / seconds, unit: "requests/s" },
    { name: `${name}, CPU of one core`, value: 100 * cpuSeconds / seconds, unit: "%", lessIsBetter: true },
    { name: `${name}, p50`, value: percentile(tookMs, 0.5), unit: "ms", lessIsBetter: true },
    { name: `${name}, p99`, value: percentile(tookMs, 0.99), unit: "ms", lessIsBetter: true },
  ];
}
