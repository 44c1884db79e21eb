/**
 * A whole deployment in one process, `svc run --all` on SQLite files over HTTP on loopback: 50 visors at the rates
 * of their heartbeats, then each route at saturation over 16 connections. Requests are signed before they are
 * timed. CPU is that of the services' process. On Linux alone: its CPU time is read there.
 */
import type { BenchRow } from "../../scripts/bench.ts";
import { pairOf, ServicesProcess } from "./_deployment.ts";
import { fill, heartbeats, loadRow, saturate } from "./_deployment_load.ts";
import { routesOf } from "./_deployment_routes.ts";

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
    const rows = [loadRow("deployment", "before")];
    await fill([services], routes, VISORS);
    rows.push(
      ...await heartbeats("deployment", [services], routes, { visors: VISORS, forMs: HEARTBEATS_MS }),
    );
    for (const route of routes) rows.push(...await saturate("deployment", [services], route));
    rows.push({
      name: "deployment: RSS after all",
      value: await services.rssBytes() / 1e6,
      unit: "MB",
      lessIsBetter: true,
    }, loadRow("deployment", "after"));
    return rows;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
