/** The smaller parts: streams of apps, automatic transports, the client of setup nodes, the gateway, the counters. */
import assert from "node:assert/strict";
import {
  type Conn,
  ConnResetError,
  Ledger,
  memoryPair,
  silentLog,
  TimedOutError,
  TruncatedError,
} from "../../../lib/base/mod.ts";
import type { PublicKey } from "../../../lib/crypto/mod.ts";
import {
  AppDirectConn,
  automaticTransports,
  dialAppDirect,
  type GatewayTransport,
  generateRules,
  idsToReserve,
  RouteSetupError,
  serveAppDirect,
  SetupClient,
  SetupStats,
  TransportGatewayClient,
} from "../../../lib/routing/setup/mod.ts";
import { gatewayMethods } from "../../../lib/routing/setup/transport_gateway.ts";
import * as types from "../../../lib/routing/setup/wire_types.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { TransportDialError, type TransportId, transportId } from "../../../lib/transport/mod.ts";
import { rpcMethod, serveRpc } from "../../../lib/wire/rpc/mod.ts";
import { assertNothingAlive } from "../../support/world.ts";
import { key, outcomeOf, routeAlong } from "./_fake_visors.ts";

const [ME, BOB] = [key("alice"), key("bob")];

Deno.test("an app's stream: the port, the answer, and what came right behind it", async () => {
  const clock = new VirtualClock();
  const [near, far] = memoryPair();
  const taken: AppDirectConn[] = [];
  const serving = serveAppDirect(Object.assign(far, { remote: ME }), {
    world: { clock },
    local: BOB,
    log: silentLog,
    listenerOn: (port) => port === 777 ? (conn) => taken.push(conn) > 0 : undefined,
  });
  const dialling = dialAppDirect(near, { world: { clock }, local: ME, to: { publicKey: BOB, port: 777 } });
  const [conn] = await Promise.all([dialling, serving]);
  await Promise.all([conn.write(Uint8Array.of(1, 2)), taken[0]!.write(Uint8Array.of(3))]);
  assert.deepEqual([...(await taken[0]!.read())!], [1, 2]);
  assert.deepEqual([...(await conn.read())!], [3]);
  assert.deepEqual([conn.remote, taken[0]!.local, taken[0]!.remote.publicKey], [
    { publicKey: BOB, port: 777 },
    { publicKey: BOB, port: 777 },
    ME,
  ]);
  conn.close();
  taken[0]!.close();
});

Deno.test("an app's stream: bytes that come with the answer are not lost", async () => {
  const [near, far] = memoryPair();
  const dialling = dialAppDirect(near, {
    world: { clock: new VirtualClock() },
    local: ME,
    to: { publicKey: BOB, port: 3 },
  });
  await far.write(Uint8Array.of(0, 9, 8));
  assert.deepEqual([...(await (await dialling).read())!], [9, 8]);
  far.close();
});

Deno.test("an app's stream: nobody listens, silence, an end; at both sides nothing is left", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const dial = () => {
    const [near, far] = memoryPair({ ledger });
    return {
      far,
      done: outcomeOf(dialAppDirect(near, { world: { clock }, local: ME, to: { publicKey: BOB, port: 3 } })),
    };
  };
  const [refused, silent, ended] = [dial(), dial(), dial()];
  await serveAppDirect(Object.assign(refused.far, { remote: ME }), {
    world: { clock },
    local: BOB,
    log: silentLog,
    listenerOn: () => undefined,
  });
  await ended.far.closeWrite();
  const [quiet, mute] = memoryPair({ ledger });
  const serving = outcomeOf(serveAppDirect(Object.assign(mute, { remote: ME }), {
    world: { clock },
    local: BOB,
    log: silentLog,
    listenerOn: () => () => true,
  }));
  await clock.advance(5_000);
  assert.equal((refused.done.error as { code: string }).code, "APP_PORT_CLOSED");
  assert(silent.done.error instanceof TimedOutError);
  assert(ended.done.error instanceof TruncatedError);
  assert.equal(serving.done, true);
  for (const conn of [refused.far, silent.far, ended.far, quiet]) conn.close();
  await clock.advance(0);
  assertNothingAlive(ledger);
});

function dialsOf(
  works: (type: string, attempt: number) => boolean,
  listed?: { stcpr: PublicKey[]; sudph: PublicKey[] },
) {
  const clock = new VirtualClock();
  const dials: { type: string; atMs: number; label: string }[] = [];
  const make = automaticTransports({
    world: { clock },
    log: silentLog,
    types: ["stcpr", "dmsg", "sudph"],
    resolver: {
      transports: () => listed === undefined ? Promise.reject(new ConnResetError()) : Promise.resolve(listed),
    },
    transports: {
      dial: (_, type, { label }) => {
        dials.push({ type, atMs: clock.monotonicMs(), label });
        const attempt = dials.filter((each) => each.type === type).length;
        return works(type, attempt) ? Promise.resolve() : Promise.reject(new ConnResetError());
      },
    },
  });
  return { clock, dials, make };
}

Deno.test("automatic transports: listed types first, three tries each with growing waits, then dmsg", async () => {
  const { clock, dials, make } = dialsOf((type) => type === "dmsg", { stcpr: [BOB], sudph: [] });
  const startMs = clock.monotonicMs();
  const done = outcomeOf(make(BOB));
  await clock.advance(2_300);
  assert.equal(done.done, true);
  assert.deepEqual(dials.map(({ type, atMs, label }) => [type, atMs - startMs, label]), [
    ["stcpr", 0, "automatic"],
    ["stcpr", 1_000, "automatic"],
    ["stcpr", 2_300, "automatic"],
    ["dmsg", 2_300, "automatic"],
  ]);
});

Deno.test("automatic transports: a key that is not listed, or a resolver that is down, means dmsg", async () => {
  for (const listed of [undefined, { stcpr: [], sudph: [] }]) {
    const { dials, make } = dialsOf(() => true, listed);
    await make(BOB);
    assert.deepEqual(dials.map(({ type }) => type), ["dmsg"]);
  }
  const { clock, dials, make } = dialsOf(() => false, { stcpr: [BOB], sudph: [BOB] });
  const done = outcomeOf(make(BOB)); // resolves all the same: the dial says what it lacks
  await clock.advance(10_000);
  assert.deepEqual([done.done, done.error, dials.length], [true, undefined, 9]);
});

Deno.test("automatic transports: a type that is never answered leaves time for the next, within 15 s", async () => {
  const clock = new VirtualClock();
  const dials: [string, number][] = [];
  const make = automaticTransports({
    world: { clock },
    log: silentLog,
    types: ["sudph", "dmsg"],
    resolver: { transports: () => Promise.resolve({ stcpr: [], sudph: [BOB] }) },
    transports: {
      dial: (_, type, { signal }) => {
        dials.push([type, clock.monotonicMs() - startMs]);
        if (type === "dmsg") return Promise.resolve();
        return new Promise((_resolve, reject) =>
          signal!.addEventListener("abort", () => reject(signal!.reason), { once: true })
        );
      },
    },
  });
  const startMs = clock.monotonicMs();
  const done = outcomeOf(make(BOB));
  await clock.advance(14_999);
  assert.equal(done.done, false);
  await clock.advance(1);
  assert.equal(done.done, true);
  assert.deepEqual(dials, [["sudph", 0], ["dmsg", 15_000]]);
});

function clientOf(nodes: Record<string, () => Promise<Conn>>) {
  const tried: string[] = [];
  const clock = new VirtualClock();
  const client = new SetupClient({
    world: { clock },
    log: silentLog,
    setupNodes: () => Object.keys(nodes).map(key),
    dial: (node) => {
      const name = Object.keys(nodes).find((each) => key(each) === node)!;
      tried.push(name);
      return nodes[name]!();
    },
  });
  return { client, tried, clock };
}

function answering(
  reply: (route: types.BidirectionalRoute) => ReturnType<typeof types.wireEdge>,
): () => Promise<Conn> {
  return () => {
    const [near, far] = memoryPair();
    void serveRpc(far, {
      "SetupRPCGateway.DialRouteGroup": rpcMethod({
        argument: types.BIDIRECTIONAL_ROUTE,
        reply: types.EDGE_RULES,
        handle: (wire) => reply(types.routeOfWire(wire)),
      }),
    });
    return Promise.resolve(near);
  };
}

const rulesFor = (route: types.BidirectionalRoute) =>
  generateRules(
    route,
    new Map([...idsToReserve(route)].map(([visor, count]) => [
      visor,
      Array.from({ length: count }, (_, at) => at + 1),
    ])),
  );

Deno.test("setup nodes are tried in order; the first that answers is asked, and no other", async () => {
  const down = () => Promise.reject(new ConnResetError("down"));
  const closing = () => {
    const [near, far] = memoryPair();
    far.close();
    return Promise.resolve(near);
  };
  const good = answering((route) => types.wireEdge(rulesFor(route).initiating));
  const { client, tried } = clientOf({ one: down, two: closing, three: good, four: good });
  const edge = await client.dialRouteGroup(routeAlong("alice", "bob", "carol"));
  assert.equal(edge.descriptor.destination.publicKey, ME);
  assert.deepEqual(tried, ["one", "two", "three"]);
  const none = clientOf({ one: down, two: closing });
  await assert.rejects(none.client.dialRouteGroup(routeAlong("alice", "bob")), {
    code: "NO_SETUP_NODE",
    message: "failed to dial to a setup node",
  });
});

Deno.test("a setup node's word about a failure is final, and names the visor to leave out", async () => {
  const refuse = (text: string) =>
    answering(() => {
      throw new RouteSetupError(text);
    });
  for (
    const [text, visor] of [
      [`a dial attempt failed with: dial ${BOB}@136: no`, BOB],
      [`reserve routeID from ${key("carol")} failed: no`, key("carol")],
      [`dial ${key("stranger")}@136`, undefined], // not of this route
      ["no", undefined],
    ] as const
  ) {
    const { client, tried } = clientOf({ one: refuse(text), two: refuse(text) });
    await assert.rejects(client.dialRouteGroup(routeAlong("alice", "bob", "carol")), (error) => {
      assert(error instanceof RouteSetupError);
      assert.deepEqual([error.message, error.visor], [`route setup: ${text}`, visor]);
      return true;
    });
    assert.deepEqual(tried, ["one"]);
  }
});

Deno.test("rules that were not asked for are refused, whoever sent them", async () => {
  const asked = routeAlong("alice", "bob", "carol");
  const other = {
    ...asked,
    descriptor: { ...asked.descriptor, source: { ...asked.descriptor.source, port: 1 } },
  };
  const foreign = [
    () => types.wireEdge(rulesFor(asked).responding), // the destination's
    () => types.wireEdge(rulesFor(other).initiating), // of another port
    () =>
      types.wireEdge(
        rulesFor({ ...asked, forward: routeAlong("alice", "dave", "carol").forward }).initiating,
      ),
    () => ({ ...types.wireEdge(rulesFor(asked).initiating), Forward: new Uint8Array(3) }),
  ];
  for (const reply of foreign) {
    const { client } = clientOf({ one: answering(reply) });
    await assert.rejects(
      client.dialRouteGroup(asked),
      (error) => ["ROUTE_SETUP_FAILED", "ROUTE_RULE"].includes((error as { code: string }).code),
    );
  }
});

Deno.test("the transport gateway: adds with its label, lists and removes only its own", async () => {
  const clock = new VirtualClock();
  const list: GatewayTransport[] = [
    { id: transportId(ME, BOB, "dmsg"), type: "dmsg", local: ME, remote: BOB, label: "user" },
  ];
  const methods = gatewayMethods({
    transports: () => list,
    find: (id) => list.find((each) => each.id === id),
    dial: (remote, type, { label }) => {
      if (type === "sudph") {
        return Promise.reject(new TransportDialError(remote, type, new ConnResetError("no way")));
      }
      list.push({ id: transportId(ME, remote, type), type, local: ME, remote, label });
      return Promise.resolve(list.at(-1)!);
    },
    remove: (id) => Promise.resolve(list.splice(list.findIndex((each) => each.id === id), 1)),
  });
  const [near, far] = memoryPair();
  const serving = serveRpc(far, methods);
  const client = new TransportGatewayClient(near, { clock });
  assert.deepEqual(await client.list(), []);
  const added = await client.add(BOB, "stcpr");
  assert.deepEqual(added, { id: transportId(ME, BOB, "stcpr"), local: ME, remote: BOB, type: "stcpr" });
  assert.deepEqual(await client.list(), [added]);
  assert.equal(list.at(-1)!.label, "skycoin");
  const refused = async (work: Promise<unknown>, text: string) =>
    await assert.rejects(work, (error) => (error as { text: string }).text === text);
  await refused(client.add(BOB, "pigeon"), "save transport: unknown network type");
  await refused(client.add(BOB, "sudph"), "save transport: no way");
  await refused(client.remove(transportId(ME, BOB, "dmsg")), "transport was not created by skycoin");
  await refused(client.remove("00000000-0000-0000-8000-000000000000" as TransportId), "transport not found");
  assert.equal(await client.remove(added.id), true);
  assert.deepEqual(await client.list(), []);
  client.close();
  await Promise.all([serving, client.closed]);
});

Deno.test("SV-8: counters, percentiles, histogram, top lists and recent failures, all bounded", () => {
  const clock = new VirtualClock();
  const stats = new SetupStats({
    world: { clock },
    circuitOf: (visor) => visor === BOB ? "open" : undefined,
  });
  const empty = stats.report();
  assert.deepEqual(
    [
      empty.total_requests,
      empty.success_rate_pct,
      empty.top_destinations,
      empty.top_failed_destinations,
      empty.last_success_at,
    ],
    [0, 0, null, null, undefined],
  );
  assert.deepEqual(Object.values(empty.latency_ms), [0, 0, 0, 0, 0, 0, 0]);
  for (let tookMs = 1; tookMs <= 2_000; tookMs++) {
    stats.begin();
    stats.end({ source: ME, destination: key("carol"), hopCount: 1 + tookMs % 2, tookMs });
  }
  for (let at = 0; at < 200; at++) {
    stats.begin();
    stats.end({
      source: ME,
      destination: BOB,
      hopCount: 2,
      tookMs: 5,
      failure: { reason: "id_reservation", error: `${at} ${"x".repeat(1_000)}` },
    });
  }
  stats.begin();
  stats.drop();
  const report = stats.report();
  assert.deepEqual(report.latency_ms, {
    count: 1_024,
    min_ms: 977,
    max_ms: 2_000,
    mean_ms: 1_488.5,
    p50_ms: 977 + 511,
    p95_ms: 977 + 971,
    p99_ms: 977 + 1_012,
  });
  assert.deepEqual(report.route_length_hist, { "1": 1_000, "2": 1_000 });
  assert.deepEqual(report.failures_by_reason, { id_reservation: 200, concurrency_limit: 1 });
  assert.deepEqual(
    [report.total_requests, report.active_requests, report.concurrency_drops, report.success_rate_pct],
    [2_201, 1, 1, 100 * 2_000 / 2_200],
  );
  assert.equal(report.recent_failures.length, 128);
  assert.deepEqual(
    [report.recent_failures[0]!.error.slice(0, 4), report.recent_failures[0]!.error.length],
    ["199 ", 512],
  );
  assert.deepEqual(report.top_failed_destinations, [{ pk: BOB, total: 200, failed: 200, circuit: "open" }]);
  assert.deepEqual(report.top_destinations!.map(({ pk }) => pk), [key("carol"), BOB]);
  for (let at = 0; at < 600; at++) {
    stats.begin();
    stats.end({ source: ME, destination: `visor ${at}` as PublicKey, hopCount: 1, tookMs: 1 });
  }
  assert.equal(stats.report().top_failed_destinations, null); // bob is forgotten: 512 others came since
  assert.equal(stats.report().top_destinations!.length, 10);
});
