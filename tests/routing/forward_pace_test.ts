/** Next transports that take little: whose routes end, and what it costs the others. @module */
import assert from "node:assert/strict";
import { QueuePace } from "../../lib/routing/_queue_pace.ts";
import { RouteClosedByPeerError, type RouteGroup } from "../../lib/routing/mod.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { Ledger } from "../../lib/base/mod.ts";
import { type RoutingBench, withRouting } from "./_bench.ts";
import { link, MemoryTransport, Node, openRoute } from "./_rig.ts";

const CHUNK = new Uint8Array(64 * 1024);
const failureOf = (promise: Promise<unknown>) => promise.then(() => undefined, (error) => error);

function nodesOf(bench: RoutingBench, ...names: string[]): Node[] {
  return names.map((name) => bench.node(name));
}

async function open(bench: RoutingBench, path: readonly Node[], port = 3) {
  const listener = path.at(-1)!.router.listen(port);
  const group = await bench.within(1_000, openRoute(path, { port }));
  const other = (await listener.accept())!;
  listener.close();
  return { group, other };
}

/** Reads all there is; what came is counted. */
function drain(group: RouteGroup): { bytes: number } {
  const got = { bytes: 0 };
  (async () => {
    for (let view = await group.read(); view !== null; view = await group.read()) got.bytes += view.length;
  })().catch(() => {});
  return got;
}

/** Writes a chunk each `everyMs` until the group ends; why it did. */
async function pour(bench: RoutingBench, group: RouteGroup, everyMs: number): Promise<unknown> {
  for (;;) {
    const failure = await failureOf(group.write(CHUNK));
    if (failure !== undefined) return failure;
    await sleep(bench.clock, everyMs);
  }
}

async function pass(bench: RoutingBench, ms: number, each?: () => void, eachMs = 100): Promise<void> {
  for (let passed = 0; passed < ms; passed += eachMs) {
    for (let part = 0; part < eachMs; part += 50) await bench.clock.advance(Math.min(50, eachMs));
    each?.();
  }
}

/** The transport takes one write when it is told to. */
function trickling(transport: MemoryTransport) {
  const original = transport.write.bind(transport);
  const waiting: (() => void)[] = [];
  transport.write = (bytes) =>
    new Promise((resolve, reject) => waiting.push(() => void original(bytes).then(resolve, reject)));
  return {
    take: () => waiting.shift()?.(),
    end: () => {
      transport.write = original;
      for (const write of waiting.splice(0)) write();
    },
  };
}

for (const stepMs of [9_000, 4_000, 1_000]) {
  Deno.test(`a peer that takes a chunk each ${stepMs / 1_000} s holds others up for 10 s, then its route ends`, () =>
    withRouting(async (bench) => {
      const [mallory, alice, relay, slow, fine] = nodesOf(
        bench,
        "mallory",
        "alice",
        "relay",
        "slow",
        "fine",
      ) as [Node, Node, Node, Node, Node];
      link(mallory, alice);
      link(alice, relay);
      const toSlow = link(relay, slow);
      link(relay, fine);
      const bad = await open(bench, [mallory, alice, relay, slow]);
      const good = await open(bench, [alice, relay, fine]);
      const drip = trickling(toSlow);
      drain(bad.other);
      const got = drain(good.other);
      const badEnd = pour(bench, bad.group, 1);
      await pass(bench, 1_000);
      const goodEnd = pour(bench, good.group, 100);
      await pass(bench, 18_000, drip.take, stepMs);
      const before = got.bytes;
      await pass(bench, 10_000, drip.take, stepMs === 9_000 ? 5_000 : stepMs);
      assert.ok(got.bytes - before >= 60 * CHUNK.length, `${got.bytes - before} bytes in 10 s`);
      assert.deepEqual(
        [alice, relay].map(({ router }) => router.counters().transportsStalled),
        [0, 1], // who is to blame is known where it is
      );
      assert.ok(await bench.within(0, badEnd) instanceof RouteClosedByPeerError);
      assert.equal(relay.router.rules().length, 2);
      drip.end();
      for (const each of [good.group, good.other, bad.group, bad.other]) each.close(new Error("enough"));
      assert.ok(await bench.within(1_000, goodEnd) instanceof Error);
    }));
}

Deno.test("six peers that take nothing, one behind the other, end no route but their own", () =>
  withRouting(async (bench) => {
    const [mallory, alice, relay, fine] = nodesOf(bench, "mallory", "alice", "relay", "fine") as [
      Node,
      Node,
      Node,
      Node,
    ];
    link(mallory, alice);
    link(alice, relay);
    link(relay, fine);
    const holes = nodesOf(bench, "hole 1", "hole 2", "hole 3", "hole 4", "hole 5", "hole 6");
    const stuck = holes.map((hole) => link(relay, hole));
    const bad = [];
    for (const hole of holes) bad.push(await open(bench, [mallory, alice, relay, hole]));
    const good = await open(bench, [alice, relay, fine]);
    const got = drain(good.other);
    for (const transport of stuck) transport.isStalled = true;
    const ends = bad.map(({ group }) => pour(bench, group, 20));
    const goodEnd = pour(bench, good.group, 200);
    await pass(bench, 25_000);
    for (const end of ends) assert.ok(await bench.within(0, end) instanceof RouteClosedByPeerError);
    assert.deepEqual([alice, relay].map(({ router }) => router.counters().transportsStalled), [0, 6]);
    const before = got.bytes;
    await pass(bench, 2_000);
    assert.ok(got.bytes - before >= 8 * CHUNK.length);
    for (const transport of stuck) transport.resume();
    for (const { group, other } of [good, ...bad]) {
      for (const end of [group, other]) end.close(new Error("enough"));
    }
    assert.ok(await bench.within(1_000, goodEnd) instanceof Error);
  }));

Deno.test("a peer that does not read for a while: the route that fills its queue ends, another to it gets through", () =>
  withRouting(async (bench) => {
    const [alice, relay, bob] = nodesOf(bench, "alice", "relay", "bob") as [Node, Node, Node];
    link(alice, relay);
    const toBob = link(relay, bob);
    const heavy = await open(bench, [alice, relay, bob], 3);
    const light = await open(bench, [alice, relay, bob], 4);
    const got = drain(light.other);
    toBob.isStalled = true;
    const heavyEnd = pour(bench, heavy.group, 1);
    void light.group.write(CHUNK);
    await pass(bench, 12_000);
    assert.ok(await bench.within(0, heavyEnd) instanceof RouteClosedByPeerError);
    assert.equal(relay.router.rules().length, 2);
    assert.ok(relay.router.counters().forwardFailed >= 8); // what it had waiting is gone
    toBob.resume();
    await pass(bench, 100);
    assert.equal(got.bytes, CHUNK.length); // whole: nothing of it was dropped
    void light.group.write(CHUNK);
    await pass(bench, 100);
    assert.equal(got.bytes, 2 * CHUNK.length);
    assert.equal(bob.router.groups().length, 1); // the far end of the other was told
    for (const { group, other } of [light, heavy]) {
      for (const end of [group, other]) end.close(new Error("enough"));
    }
  }));

Deno.test("a pace is measured in windows that do not begin anew with each chunk", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const pace = new QueuePace();
  const at = (ms: number) => clock.advance(ms - clock.monotonicMs());
  assert.equal(pace.judge(0), undefined); // nothing waits
  await at(5_000);
  pace.begin(clock);
  await at(9_000);
  pace.begin(clock); // it goes on
  pace.moved(65_536, 9_000);
  assert.equal(pace.waitMs(9_000), 6_000);
  assert.equal(pace.judge(14_999), undefined);
  assert.equal(pace.judge(15_000), "slow");
  assert.equal(pace.waitMs(15_000), 0);
  pace.restart(15_000); // forgiven
  assert.deepEqual([pace.judge(15_000), pace.waitMs(15_000), pace.judge(18_999)], [
    undefined,
    4_000,
    undefined,
  ]);
  assert.equal(pace.judge(19_000), "still");
  pace.moved(1024 * 1024, 19_000);
  assert.equal(pace.judge(25_000), undefined); // enough of it left
  pace.end();
  assert.equal(pace.judge(90_000), undefined);
});
