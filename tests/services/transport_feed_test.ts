/** TransportFeed as a follower of a store that several instances share. */
import assert from "node:assert/strict";
import { Ledger, silentLog } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  END_BEAT_MS,
  type TransportChange,
  TransportFeed,
} from "../../lib/services/transport_discovery/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { pair, transportOf } from "./service_support.ts";

const [alice, bob, carol] = [pair("alice"), pair("bob"), pair("carol")];
const [one, two, three] = [transportOf(alice, bob), transportOf(bob, carol), transportOf(alice, carol)];

function feedOf(...records: (typeof one)[]) {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const feed = new TransportFeed(clock, silentLog, records.map((record) => ({ record, leftMs: 10_000 })));
  const changes: TransportChange[] = [];
  feed.onChange((change) => changes.push(change));
  return {
    feed,
    clock,
    changes,
    close: () => {
      feed.close();
      assertNothingAlive(ledger);
    },
  };
}

Deno.test("told(): what is new or other is told on, renewals and removals of nothing are not", () => {
  const { feed, changes, close } = feedOf(one);
  assert.equal(feed.told({ ttlMs: 10_000, renewed: [one.id], put: [] }), true);
  assert.equal(feed.told({ removed: [two.id] }), true);
  assert.deepEqual(changes, []);
  assert.equal(feed.told({ ttlMs: 10_000, renewed: [two.id, one.id], put: [two] }), true);
  const labelled = { ...one, label: "automatic" };
  assert.equal(feed.told({ ttlMs: 10_000, renewed: [one.id], put: [labelled] }), true);
  assert.equal(feed.told({ removed: [two.id, three.id] }), true);
  assert.deepEqual(changes, [
    { put: [two], removed: [] },
    { put: [labelled], removed: [] },
    { put: [], removed: [two.id] },
  ]);
  assert.deepEqual(feed.entries(), [labelled]);
  close();
});

Deno.test("told(): a renewal of what is not known asks for a reading", () => {
  const { feed, changes, close } = feedOf(one);
  assert.equal(feed.told({ ttlMs: 10_000, renewed: [one.id, two.id], put: [] }), false);
  assert.deepEqual([feed.entries(), changes], [[one], []]);
  close();
});

Deno.test("told(): a renewal elsewhere keeps a transport alive; what nobody renews ends", async () => {
  const { feed, clock, changes, close } = feedOf(one, two);
  await clock.advance(9_000);
  feed.told({ ttlMs: 10_000, renewed: [one.id], put: [] });
  await clock.advance(1_000 + END_BEAT_MS);
  assert.deepEqual(changes, [{ put: [], removed: [two.id] }]);
  await clock.advance(9_000);
  assert.deepEqual(changes.slice(1), [{ put: [], removed: [one.id] }]);
  close();
});

Deno.test("read(): the difference is told, once", () => {
  const { feed, changes, close } = feedOf(one, two);
  const labelled = { ...two, label: "automatic" };
  const all = [labelled, three].map((record) => ({ record, leftMs: 5_000 }));
  feed.read(all, new Set());
  assert.deepEqual(changes, [{ put: [labelled, three], removed: [one.id] }]);
  feed.read(all, new Set());
  assert.equal(changes.length, 1);
  assert.deepEqual(feed.entries(), [labelled, three]);
  close();
});

Deno.test("read(): words that came while it was read are newer", () => {
  const { feed, changes, close } = feedOf(one, two);
  feed.told({ removed: [one.id] });
  feed.told({ ttlMs: 10_000, renewed: [three.id], put: [three] });
  changes.length = 0;
  feed.read([one, two].map((record) => ({ record, leftMs: 5_000 })), new Set([one.id, three.id]));
  assert.deepEqual(changes, []);
  assert.deepEqual(new Set(feed.entries().map(({ id }) => id)), new Set([two.id, three.id]));
  close();
});

Deno.test("read(): lives are those of the store, also none", async () => {
  const { feed, clock, changes, close } = feedOf(one);
  feed.read([{ record: one, leftMs: Infinity }, { record: two, leftMs: 1_000 }], new Set());
  await clock.advance(1_000 + END_BEAT_MS);
  assert.deepEqual(changes, [{ put: [two], removed: [] }, { put: [], removed: [two.id] }]);
  await clock.advance(1e9);
  assert.deepEqual(feed.entries(), [one]);
  close();
});
