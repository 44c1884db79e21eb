/** checkHealth(): what is up, what is down, and why. */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { addressesOf, checkHealth, type DmsgNetwork, healthOf } from "../../lib/directory/mod.ts";
import { serveHttp } from "../../lib/http/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import { withSimulation } from "../support/world.ts";
import { pair } from "../services/service_support.ts";

const network: DmsgNetwork = {
  name: "local",
  file: undefined,
  servers: [{ publicKey: pair("server").publicKey, address: "here:8081" }],
  discoveryHttp: "http://here:1",
  discoveryDmsg: undefined,
  transportDiscovery: { http: "http://here:2" },
  addressResolver: { http: "http://here:3" },
  routeFinder: { http: "http://here:4", dmsg: { publicKey: pair("rf").publicKey, port: 80 } },
  setupNodes: [pair("sn").publicKey],
};

/** Answers of services, by port; one of them never answers. */
const ANSWERS: Readonly<Record<number, { status: number; body: string } | undefined>> = {
  1: {
    status: 200,
    body: JSON.stringify({
      build_info: { version: "v1.3.29" },
      dmsg_servers: ["a", "b", "c"],
      clock_ahead_ms: -61_000,
    }),
  },
  2: {
    status: 503,
    body: JSON.stringify({ build_info: { version: "v".repeat(300) }, store: "unavailable" }),
  },
  3: { status: 200, body: "<html>" },
  4: undefined,
  5: { status: 503, body: JSON.stringify({ list: "too old", list_age_ms: 3_665_000 }) },
};

Deno.test("each way of each service has its row, and what is down its reason", () =>
  withSimulation(1, async (simulation) => {
    const [here, there] = [simulation.node("here"), simulation.node("there")];
    await simulation.run(async () => {
      const silence = Promise.withResolvers<{ status: number }>();
      const servers = await Promise.all(
        Object.entries(ANSWERS).map(async ([port, answer]) => {
          const listener = await here.network.listen({ hostname: "0.0.0.0", port: Number(port) });
          const raw = () => answer ?? silence.promise;
          return serveHttp(listener, { raw }, { world: here, closeMs: 0 });
        }),
      );
      const startedMs = there.clock.monotonicMs();
      const rows = await checkHealth({
        world: there,
        network,
        log: silentLog,
        userAgent: "test/1",
        timeoutMs: 2_000,
      });
      const tookMs = there.clock.monotonicMs() - startedMs;
      assert(tookMs < 8_000, `${tookMs} ms: all are asked at once`);
      assert.deepEqual(
        rows.map((
          { service, way, isUp, version, dmsgServers },
        ) => [service, way, isUp, version, dmsgServers]),
        [
          ["dmsg-discovery", "http", true, "v1.3.29", 3],
          ["transport-discovery", "http", false, undefined, undefined],
          ["address-resolver", "http", false, undefined, undefined],
          ["route-finder", "http", false, undefined, undefined],
          ["route-finder", "dmsg", false, undefined, undefined],
          ["setup-node", "dmsg", false, undefined, undefined],
          ["dmsg-server", "dmsg", false, undefined, undefined],
        ],
      );
      const [disc, tpd, ar, rf] = rows;
      assert.equal(disc!.clockAheadMs, -61_000);
      assert(disc!.latencyMs! > 0 && disc!.failure === undefined);
      assert.match(tpd!.failure!, /^it answers 503: its store is unavailable$/);
      assert.match(ar!.failure!, /no JSON/);
      assert.match(rf!.failure!, /2000 ms|2 s|within/);
      for (const { isUp, failure, latencyMs } of rows.slice(1)) {
        assert(!isUp && failure! !== "" && latencyMs === undefined);
      }
      silence.resolve({ status: 200 });
      await Promise.all(servers.map((server) => server.close()));
    });
  }));

Deno.test("a route finder whose list is too old is down, and says so", () =>
  withSimulation(3, async (simulation) => {
    const [here, there] = [simulation.node("here"), simulation.node("there")];
    await simulation.run(async () => {
      const listener = await here.network.listen({ hostname: "0.0.0.0", port: 5 });
      const server = serveHttp(listener, { raw: () => ANSWERS[5]! }, { world: here, closeMs: 0 });
      const rows = await checkHealth({
        world: there,
        network: { ...network, routeFinder: { http: "http://here:5" } },
        log: silentLog,
        userAgent: "test/1",
        timeoutMs: 2_000,
      });
      const { isUp, failure } = rows.find(({ service }) => service === "route-finder")!;
      assert.deepEqual([isUp, failure], [false, "it answers 503: its list of transports is too old"]);
      await server.close();
    });
  }));

Deno.test("a network's services by their names in commands", () => {
  assert.deepEqual(addressesOf(network).map(([service, { http, dmsg }]) => [service, http, dmsg?.port]), [
    ["dmsg-discovery", "http://here:1", undefined],
    ["transport-discovery", "http://here:2", undefined],
    ["address-resolver", "http://here:3", undefined],
    ["route-finder", "http://here:4", 80],
    ["setup-node", undefined, 36],
  ]);
  const [, [name, address]] = addressesOf({
    ...network,
    transportDiscovery: undefined,
    addressResolver: undefined,
    routeFinder: undefined,
    setupNodes: [],
    transportSetup: [pair("tsn").publicKey],
  });
  assert.deepEqual([name, address.dmsg!.port], ["transport-setup", 48]);
});

/** The first service's health where each answers so. */
async function healthBy(here: ReturnType<Simulation["node"]>, answer: { status: number; text: string }) {
  const client = { dmsg: { isConnected: true }, askService: () => () => Promise.resolve(answer) };
  const [row] = await healthOf(client as unknown as Parameters<typeof healthOf>[0], {
    world: here,
    network: { ...network, servers: [], setupNodes: [] },
    timeoutMs: 1_000,
  });
  return row!;
}

Deno.test("a clock is told of by a number that can be the difference of two, and by no other", () =>
  withSimulation(3, async (simulation) => {
    const here = simulation.node("here");
    const century = 36_525 * 24 * 60 * 60_000;
    const told = [-61_000, century, -century];
    const untold = ['"7"', 0.5, century + 1, -century - 1, Number.MAX_SAFE_INTEGER, "1e308", null, "{}"];
    await simulation.run(async () => {
      const aheads = [];
      for (const said of [...told, ...untold]) {
        const { isUp, clockAheadMs } = await healthBy(here, {
          status: 200,
          text: `{"clock_ahead_ms":${said}}`,
        });
        assert.equal(isUp, true);
        aheads.push(clockAheadMs);
      }
      assert.deepEqual(aheads, [...told, ...untold.map(() => undefined)]);
    });
  }));

Deno.test("what is wrong with a store is the reason why a service is down", () =>
  withSimulation(4, async (simulation) => {
    const here = simulation.node("here");
    await simulation.run(async () => {
      for (const store of ["full", "read-only", "unwritable"]) {
        const { isUp, failure } = await healthBy(here, { status: 503, text: JSON.stringify({ store }) });
        assert.deepEqual([isUp, failure], [false, `it answers 503: its store is ${store}`]);
      }
    });
  }));

Deno.test("healthOf(): a service is asked by one name both ways, as whoever else asks it", () =>
  withSimulation(2, async (simulation) => {
    const asked: string[] = [];
    const client = {
      dmsg: { isConnected: true },
      askService: (name: string) => async () => {
        asked.push(name);
        return { status: 200, text: `{"clock_ahead_ms":${asked.length === 1 ? '"7"' : 0.5}}` };
      },
    };
    await simulation.run(async () => {
      const rows = await healthOf(client as unknown as Parameters<typeof healthOf>[0], {
        world: simulation.node("here"),
        network: { ...network, servers: [], setupNodes: [] },
        timeoutMs: 1_000,
      });
      assert(rows.every(({ isUp, clockAheadMs }) => isUp && clockAheadMs === undefined));
    });
    assert.deepEqual(asked, [
      "dmsg discovery",
      "transport discovery",
      "address resolver",
      "route finder",
      "route finder",
    ]);
  }));
