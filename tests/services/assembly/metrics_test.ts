/** Metrics: requests by route and status, refusals, entries, sessions and the process, on a listener of their own. */
import assert from "node:assert/strict";
import { silentLog } from "../../../lib/base/mod.ts";
import { processFigures } from "../../../lib/runtime/mod.ts";
import { type MeteredService, renderMetrics, serveMetrics } from "../../../lib/services/assembly/mod.ts";
import { RequestCounts, ROUTES_MAX } from "../../../lib/services/hosting/mod.ts";
import { StoreError } from "../../../lib/services/store/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { pair } from "../service_support.ts";
import { get, HOST, planOf, startAssembly, until } from "./support.ts";

const figures = () => ({ residentBytes: 1_000, heapBytes: 500, cpuMs: 1_500, uptimeMs: 60_000 });
const key = pair("alice").publicKey;
const id = "11111111-2222-3333-4444-555555555555";

Deno.test("routes are counted without what callers choose", () => {
  const counts = new RequestCounts();
  const count = (path: string, status = 200, method = "GET") => counts.count({ method, path, status });
  count(`/transports/edge:${key}`);
  count(`/transports/edge:${pair("bob").publicKey}`);
  count(`/transports/id:${id}`);
  count(`/transports/id:${id}`, 404); // a route by now
  count("/unknown", 404);
  count("/unknown/2", 404);
  count("/health", 200, "BREW");
  count(`/${"x".repeat(1_000)}`);
  count('/a"b\n', 200);
  assert.deepEqual(
    counts.counts().map(({ method, route, status, count }) => [method, route, status, count]),
    [
      ["GET", "/transports/edge::key", 200, 2],
      ["GET", "/transports/id::id", 200, 1],
      ["GET", "/transports/id::id", 404, 1],
      ["GET", "other", 404, 2],
      ["other", "/health", 200, 1],
      ["GET", "other", 200, 2],
    ],
  );
});

Deno.test("lists and ports that callers choose are no routes of their own", () => {
  const counts = new RequestCounts();
  const routes = [
    "/metrics/",
    "/metrics/uptime/",
    "/metrics/uptime/visor/",
    "/metrics/visor/",
    "/metric/visor/",
    "/versions/",
  ];
  for (let index = 0; index < 2 * ROUTES_MAX; index++) {
    const count = (path: string) => counts.count({ method: "GET", path, status: 200 });
    for (const route of routes) {
      for (const list of [`x${index}`, key, `${key},${key};${key},${key}`]) count(route + list);
    }
    for (const path of ["/metrics", "/metrics/uptime", "/versions"]) count(path);
    count(`/api/services/${key}:${index}`);
  }
  assert.deepEqual(
    counts.counts().map(({ route }) => route).sort(),
    ["/api/services/:key:port", "/metrics", "/metrics/uptime", "/versions", ...routes].sort(),
  );
});

Deno.test("callers cannot make more than so many routes", () => {
  const counts = new RequestCounts();
  for (let index = 0; index < 10 * ROUTES_MAX; index++) {
    counts.count({ method: "GET", path: `/file/${index}`, status: 200 });
  }
  const told = counts.counts();
  assert.equal(told.length, ROUTES_MAX + 1);
  assert.equal(told.find(({ route }) => route === "other")!.count, 9 * ROUTES_MAX);
});

Deno.test("the text is Prometheus' own, and a store that fails costs its own figures alone", async () => {
  const service: MeteredService = {
    plan: { name: 'a"b' },
    dmsgSessions: () => 2,
    isReady: () => false,
    kept: () => Promise.resolve({ transports: 3 }),
    refused: () => ({ nonce: 4 }),
    requests: () => [{ method: "GET", route: "/health", status: 200, count: 5 }],
    list: () => ({ ageMs: 1_500 }),
  };
  const failing: MeteredService = {
    ...service,
    plan: { name: "c" },
    kept: () => Promise.reject(new StoreError("no store")),
    refused: () => ({}),
    requests: () => [],
    list: () => ({}),
  };
  const without = { ...failing, plan: { name: "d" }, kept: () => Promise.resolve({}), list: () => undefined };
  const all = [service, failing, without];
  const text = await renderMetrics({ services: () => all, process: figures, log: silentLog });
  assert.equal(
    text.split("\n").filter((line) => !line.startsWith("#")).join("\n"),
    [
      String.raw`skyctl_requests_total{service="a\"b",method="GET",route="/health",status="200"} 5`,
      String.raw`skyctl_refusals_total{service="a\"b",reason="nonce"} 4`,
      String.raw`skyctl_entries{service="a\"b",kind="transports"} 3`,
      String.raw`skyctl_dmsg_sessions{service="a\"b"} 2`,
      `skyctl_dmsg_sessions{service="c"} 2`,
      `skyctl_dmsg_sessions{service="d"} 2`,
      String.raw`skyctl_ready{service="a\"b"} 0`,
      `skyctl_ready{service="c"} 0`,
      `skyctl_ready{service="d"} 0`,
      String.raw`skyctl_list_age_seconds{service="a\"b"} 1.5`,
      `skyctl_list_age_seconds{service="c"} +Inf`,
      "process_resident_memory_bytes 1000",
      "process_heap_bytes 500",
      "process_cpu_seconds_total 1.5",
      "process_uptime_seconds 60",
      "",
    ].join("\n"),
  );
  for (const name of text.matchAll(/^([a-z_]+)[{ ]/gm)) {
    assert.match(text, new RegExp(`# HELP ${name[1]} .+\\n# TYPE ${name[1]} (counter|gauge)\\n`));
  }
});

Deno.test("they have a listener of their own: the transport discovery's /metrics stays its own", () =>
  withSimulation(1, async (simulation) => {
    const [here, there] = [simulation.node("here", { address: HOST }), simulation.node("there")];
    await simulation.run(async () => {
      await using assembly = await startAssembly(
        here,
        planOf(["dmsg-discovery", "dmsg-server", "transport-discovery"]),
      );
      const { server } = await serveMetrics({
        world: here,
        address: { hostname: HOST, port: 2121 },
        services: () => assembly.services,
        process: figures,
        log: silentLog,
      });
      await using _server = server;
      await until(here, () => assembly.services.every((service) => service.isReady()));
      assert.equal((await get(there, `http://${HOST}:9091/health`)).status, 200);
      assert.equal((await get(there, `http://${HOST}:9091/nothing`)).status, 404);
      const own = await get(there, `http://${HOST}:9091/metrics`);
      assert.doesNotMatch(own.text, /skyctl_/);
      const { status, text } = await get(there, `http://${HOST}:2121/metrics`);
      assert.equal(status, 200);
      for (
        const line of [
          'skyctl_requests_total{service="transport-discovery",method="GET",route="/health",status="200"} 1',
          'skyctl_requests_total{service="transport-discovery",method="GET",route="other",status="404"} ',
          'skyctl_entries{service="dmsg-discovery",kind="servers"} 2',
          'skyctl_dmsg_sessions{service="transport-discovery"} 2',
          'skyctl_ready{service="dmsg-server-2"} 1',
        ]
      ) assert(text.includes(`\n${line}`), `${line}\n${text}`);
      assert.equal((await get(there, `http://${HOST}:2121/`)).status, 404);
      assert.equal((await get(there, `http://${HOST}:2121/metrics?x=1`)).status, 200);
    });
  }));

Deno.test("this process has figures", () => {
  const { residentBytes, heapBytes, cpuMs, uptimeMs } = processFigures();
  assert(residentBytes > 1e6 && heapBytes > 1e5 && heapBytes < residentBytes * 2);
  assert(cpuMs > 0 && uptimeMs > 0);
});
