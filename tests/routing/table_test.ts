/** The routing table: ids, activity, garbage, bounds. @module */
import assert from "node:assert/strict";
import { Ledger } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { transportId } from "../../lib/transport/mod.ts";
import {
  GARBAGE_INTERVAL_MS,
  grantedKeepAlive,
  type IntermediaryRule,
  RouteRuleError,
  RouteTableFullError,
  RoutingTable,
  type Rule,
  RULE_KEEP_ALIVE_MAX_NS,
} from "../../lib/routing/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { keysOf } from "./_rig.ts";

const NS = 1_000_000n;
const [alice, bob] = [keysOf("alice").publicKey, keysOf("bob").publicKey];
const id = transportId(alice, bob, "stcpr");

function passing(routeId: number, keepAliveMs = 30_000): IntermediaryRule {
  return {
    kind: "intermediary",
    keepAliveNs: BigInt(keepAliveMs) * NS,
    routeId,
    nextRouteId: 9,
    nextTransportId: id,
  };
}

function consuming(routeId: number, keepAliveMs = 30_000): Rule {
  const descriptor = { source: { publicKey: alice, port: 1 }, destination: { publicKey: bob, port: 2 } };
  return { kind: "consume", keepAliveNs: BigInt(keepAliveMs) * NS, routeId, descriptor };
}

function make(rulesMax?: number) {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const gone: number[] = [];
  const table = new RoutingTable({
    world: { clock, ledger },
    onGone: ({ rule }) => gone.push(rule.routeId),
    rulesMax,
  });
  return { table, clock, ledger, gone };
}

Deno.test("reserve() never gives an id twice", () => {
  const { table } = make();
  assert.deepEqual([table.reserve(1), table.reserve(3), table.reserve(0)], [[1], [2, 3, 4], []]);
  table.save(passing(2));
  table.delete([2]);
  assert.deepEqual(table.reserve(1), [5]);
  assert.throws(() => table.reserve(2 ** 32 - 1), /no available routeIDs/);
  assert.throws(() => table.reserve(-1), RangeError);
});

Deno.test("save() takes reserved ids only, and overwrites", () => {
  const { table, gone } = make();
  for (const routeId of [0, 1, 7]) assert.throws(() => table.save(passing(routeId)), RouteRuleError);
  table.reserve(1);
  table.save(passing(1));
  table.save(consuming(1));
  assert.equal(table.find(1)!.kind, "consume");
  assert.deepEqual(gone, [1]);
  table.clear();
});

Deno.test("the number of rules is bounded", () => {
  const { table } = make(2);
  table.reserve(3);
  table.save(passing(1));
  table.save(passing(2));
  assert.throws(() => table.save(passing(3)), RouteTableFullError);
  table.save(passing(2)); // in the place of another
  assert.equal(table.size, 2);
  table.clear();
});

Deno.test("a look-up keeps a consume rule alive; the other kinds live by packets that went out", async () => {
  const { table, clock } = make();
  table.reserve(2);
  table.save(consuming(1));
  const passed = table.save(passing(2));
  for (let round = 0; round < 4; round++) {
    await clock.advance(20_000);
    const nowMs = clock.monotonicMs();
    assert.ok(table.lookUp(1, nowMs) !== undefined);
    if (round < 2) {
      assert.ok(table.lookUp(2, nowMs) !== undefined, `round ${round}`);
      passed.touch(nowMs);
    }
  }
  assert.equal(table.lookUp(2, clock.monotonicMs()), undefined);
  const unused = table.save(passing(2));
  const { lastActiveMs } = unused;
  assert.equal(table.lookUp(2, lastActiveMs + 20_000), unused);
  assert.equal(table.lookUp(2, lastActiveMs + 31_000), undefined);
  table.clear();
});

Deno.test("a rule is gone once it is idle for longer than its keep-alive, not before, also between the rounds", () => {
  const { table, gone } = make();
  table.reserve(1);
  table.save(consuming(1, 1_000));
  assert.ok(table.lookUp(1, 1_000) !== undefined);
  assert.ok(table.lookUp(1, 2_000) !== undefined);
  assert.equal(table.lookUp(1, 3_001), undefined);
  assert.deepEqual([gone, table.size], [[1], 0]);
});

Deno.test("no rule lives unused for longer than an hour, whatever was asked for; nor does a negative time count", async () => {
  const asked = [-1n, 0n, 30_000n * NS, RULE_KEEP_ALIVE_MAX_NS, RULE_KEEP_ALIVE_MAX_NS + 1n, 2n ** 63n - 1n];
  assert.deepEqual(asked.map(grantedKeepAlive), [
    0n,
    0n,
    30_000n * NS,
    RULE_KEEP_ALIVE_MAX_NS,
    RULE_KEEP_ALIVE_MAX_NS,
    RULE_KEEP_ALIVE_MAX_NS,
  ]);
  const { table, clock, ledger, gone } = make();
  table.reserve(2);
  table.save({ ...passing(1), keepAliveNs: 2n ** 63n - 1n });
  table.save({ ...consuming(2), keepAliveNs: 2n ** 63n - 1n });
  await clock.advance(60 * 60_000);
  assert.equal(table.size, 2);
  await clock.advance(GARBAGE_INTERVAL_MS);
  assert.deepEqual(gone, [1, 2]);
  assertNothingAlive(ledger);
});

Deno.test("unused rules are collected by one timer, which runs only while there are rules", async () => {
  const { table, clock, ledger, gone } = make();
  assert.equal(clock.pendingTimers, 0);
  table.reserve(1_000);
  for (let routeId = 1; routeId <= 500; routeId++) table.save(passing(routeId, 25_000));
  for (let routeId = 501; routeId <= 1_000; routeId++) table.save(consuming(routeId, 600_000));
  assert.equal(clock.pendingTimers, 1);
  await clock.advance(25_000);
  assert.equal(table.size, 1_000);
  await clock.advance(GARBAGE_INTERVAL_MS);
  assert.deepEqual([table.size, gone.length, clock.pendingTimers], [500, 500, 1]);
  await clock.advance(300_000);
  for (let routeId = 501; routeId <= 600; routeId++) table.lookUp(routeId, clock.monotonicMs());
  await clock.advance(300_000);
  assert.equal(table.size, 100);
  await clock.advance(400_000);
  assert.deepEqual([table.size, clock.pendingTimers], [0, 0]);
  assertNothingAlive(ledger);
});

Deno.test("delete() skips ids without a rule, gives what there was, and stops the timer with the last", () => {
  const { table, clock, ledger } = make();
  table.reserve(3);
  table.save(passing(1));
  table.save(consuming(3));
  assert.deepEqual(table.rules().map(({ routeId }) => routeId), [1, 3]);
  assert.deepEqual(table.delete([1, 2, 3, 99]).map(({ routeId }) => routeId), [1, 3]);
  assert.equal(clock.pendingTimers, 0);
  assertNothingAlive(ledger);
});

Deno.test("remove() leaves a rule that took the place of another", () => {
  const { table } = make();
  table.reserve(1);
  const old = table.save(passing(1));
  table.save(passing(1));
  table.remove(old);
  assert.equal(table.size, 1);
  table.clear();
});

Deno.test("rules are found by transport, in both directions, for as long as they are there", async () => {
  const { table, ledger } = make();
  const other = transportId(alice, bob, "dmsg");
  table.reserve(3);
  const [relay, end] = [table.save(passing(1)), table.save(consuming(2))];
  assert.deepEqual([table.leavingOver(id), table.comingOver(id), table.uses(other)], [[relay], [], false]);
  table.learn(relay, other);
  table.learn(end, other);
  assert.deepEqual([table.leavingOver(other), table.comingOver(other)], [[], [relay, end]]);
  assert.ok(table.uses(other) && table.uses(id));
  table.save(passing(1)); // in its place; where its packets come from is open again
  assert.deepEqual(table.comingOver(other), [end]);
  table.delete([1]);
  assert.ok(table.uses(other) && !table.uses(id));
  table.clear();
  assert.deepEqual([table.uses(id), table.uses(other), table.comingOver(other)], [false, false, []]);
  await Promise.resolve();
  assertNothingAlive(ledger);
});
