/** What every TransportStore does. */
import assert from "node:assert/strict";
import type { TransportRecord } from "../../../lib/directory/mod.ts";
import { StoreError, type TransportStore } from "../../../lib/services/store/mod.ts";
import { pair, transportOf } from "../service_support.ts";
import type { Compliance } from "./store_under_test.ts";

const [alice, bob, carol] = [pair("alice"), pair("bob"), pair("carol")];

/** Of the latencies of 0, 1, 2, ... transports, the average of each that is still known when it is asked for. */
export async function latenciesOf(store: TransportStore, records: readonly TransportRecord[]) {
  const bare = records.map(({ latency: _, ...record }) => record);
  await store.put(bare, { ttlMs: 1_000_000 });
  const known = await Promise.all(bare.map(({ id }) => store.byId(id)));
  return known.map((record) => record!.latency?.avg);
}

/** Transports of `owner`, each with a latency of its own. */
export const measuredBy = (owner: typeof alice, count: number, from = 0) =>
  Array.from({ length: count }, (_, at) => {
    const avg = from + at + 1;
    return transportOf(owner, pair(`peer ${from + at}`), { latency: { min: avg, max: avg, avg } });
  });

export const transportStoreCompliance: Compliance<TransportStore> = {
  "put() stores no more than an owner's maximum, and nothing of what is beyond it": async (
    { store, elapse },
  ) => {
    const others = ["one", "two", "three", "four", "five"].map((name) => transportOf(alice, pair(name)));
    const ofAlice = { ttlMs: 1_000_000, owner: { key: alice.publicKey, recordsMax: 3 } };
    assert.equal((await store.put(others.slice(0, 2), ofAlice))!.length, 2);
    assert.equal(await store.put(others.slice(2), ofAlice), undefined);
    assert.deepEqual(await store.all(), others.slice(0, 2), "all or nothing");
    assert.equal((await store.put(others.slice(1, 3), ofAlice))!.length, 1);
    assert.deepEqual(await store.put(others.slice(0, 3), ofAlice), [], "renewed");
    assert.equal(await store.put(others.slice(3), ofAlice), undefined);

    const ofBob = { ttlMs: 1_500_000, owner: { key: bob.publicKey, recordsMax: 1 } };
    const relabelled = { ...others[0]!, label: "automatic" };
    assert.equal((await store.put([relabelled], ofBob))!.length, 1, "what another one registered is not his");
    assert.equal((await store.put([others[3]!], ofBob))!.length, 1);
    assert.equal(await store.put([others[4]!], ofBob), undefined);
    assert.deepEqual(await store.remove([others[1]!.id]), [others[1]!.id]);
    assert.equal((await store.put([others[4]!], ofAlice))!.length, 1, "a place is free again");
    assert.equal(await store.put([others[1]!], ofAlice), undefined, "what was relabelled is hers still");

    await elapse(1_000_000);
    assert.deepEqual((await store.all()).map(({ id }) => id), [others[0]!.id, others[3]!.id]);
    await elapse(500_000);
    assert.equal(
      (await store.put(others.slice(0, 3), ofAlice))!.length,
      3,
      "what has ended counts for nobody",
    );
    assert.deepEqual(await store.put(others, { ttlMs: 1_000_000 }).then((changed) => changed!.length), 2);
  },

  "put() gives what is new or other, and stores all or nothing": async ({ store }) => {
    const [first, second] = [transportOf(alice, bob), transportOf(bob, carol)];
    assert.deepEqual(await store.put([first, second], { ttlMs: 1_000_000 }), [first, second]);
    assert.deepEqual(await store.put([first, second], { ttlMs: 1_000_000 }), []);
    const labelled = transportOf(alice, bob, { label: "automatic" });
    assert.deepEqual(await store.put([second, labelled], { ttlMs: 1_000_000 }), [labelled]);
    const measured = transportOf(bob, carol, { latency: { min: 1, max: 3, avg: 2 } });
    assert.deepEqual(await store.put([measured, measured], { ttlMs: 1_000_000 }), [measured]);
    assert.deepEqual(await store.put([measured], { ttlMs: 1_000_000 }), []);
    const unfit = { ...first, label: {} as string };
    await assert.rejects(store.put([transportOf(alice, carol), unfit], { ttlMs: 1_000_000 }), StoreError);
    assert.deepEqual(await store.all(), [labelled, measured]);
    assert.deepEqual(await store.put([], { ttlMs: 1_000_000 }), []);
  },

  "the latency of a transport goes with its removal": async ({ store, elapse }) => {
    const [removed, ended] = measuredBy(alice, 2);
    await store.put([removed!, ended!], { ttlMs: 100_000 });
    await store.remove([removed!.id]);
    await elapse(100_000);
    assert.deepEqual(await latenciesOf(store, [removed!, ended!]), [undefined, 2]);
  },

  "one owner has no more latencies than transports, the newest ones": async ({ store, elapse }) => {
    const owner = { key: alice.publicKey, recordsMax: 3 };
    const other = measuredBy(bob, 2, 100);
    await store.put(other, { ttlMs: 10_000 });
    for (let round = 0; round < 4; round++) {
      assert.equal((await store.put(measuredBy(alice, 2, 2 * round), { ttlMs: 10_000, owner }))?.length, 2);
      await elapse(10_000);
    }
    const known = await latenciesOf(store, measuredBy(alice, 8));
    assert.equal(known.filter((avg) => avg !== undefined).length, 3);
    assert.deepEqual(known.slice(6), [7, 8]);
    assert.deepEqual(await latenciesOf(store, other), [101, 102], "those of others stay");
  },

  "everything ends in its time, and 0 never": async ({ store, elapse }) => {
    const [short, long, endless] = ["stcpr", "sudph", "dmsg"].map((type) =>
      transportOf(alice, bob, { type })
    );
    await store.put([short!], { ttlMs: 100_000 });
    await store.put([long!], { ttlMs: 200_500 });
    await store.put([endless!], { ttlMs: 0 });
    const left = (await store.allWithLives()).map(({ leftMs }) => Math.ceil(leftMs / 1_000)); // time may pass
    assert.deepEqual(left, [100, 201, Infinity]);
    await elapse(100_000);
    assert.deepEqual(await store.all(), [long, endless]);
    assert.equal(await store.byId(short!.id), undefined);
    assert.deepEqual(await store.remove([short!.id]), [], "it is gone already");
    await elapse(1e12);
    assert.deepEqual(await store.byEdges([alice.publicKey]), [endless]);
    await store.shorten(50_000);
    await elapse(40_000);
    assert.equal((await store.all()).length, 1);
    await elapse(10_000);
    assert.deepEqual(await store.all(), []);
  },

  "byEdges() finds a transport at either edge, once, in the order of arrival": async ({ store }) => {
    const self = transportOf(alice, alice, { type: "dmsg" });
    const records = [transportOf(alice, bob), self, transportOf(carol, alice), transportOf(bob, carol)];
    await store.put(records, { ttlMs: 0 });
    assert.deepEqual(await store.byEdges([alice.publicKey]), records.slice(0, 3));
    assert.equal((await store.byEdges([alice.publicKey, bob.publicKey, alice.publicKey])).length, 4);
    assert.deepEqual(await store.byEdges([]), []);
    assert.deepEqual(await store.remove([self.id, self.id, "other"]), [self.id]);
  },

  "ended rows are deleted by and by": async ({ store, elapse }) => {
    const many = Array.from({ length: 40 }, (_, index) => transportOf(alice, pair(`peer ${index}`)));
    await store.put(many, { ttlMs: 10_000 });
    await elapse(10_000);
    for (let index = 0; index < 6; index++) await store.put([transportOf(bob, carol)], { ttlMs: 1_000_000 });
    assert.deepEqual((await store.all()).length, 1);
    await store.put(many, { ttlMs: 10_000 });
    assert.equal((await store.all()).length, 41, "and come back as new ones");
  },

  "an address block has a maximum for all its keys together": async ({ store, other, elapse }) => {
    const from = (owner: typeof alice, text: string) => ({
      ttlMs: 100_000,
      owner: { key: owner.publicKey, recordsMax: 100, block: { text, recordsMax: 3 } },
    });
    const here = "2001:db8:: %/64";
    assert.equal((await store.put(measuredBy(alice, 2), from(alice, here)))?.length, 2);
    assert.equal(await other.put(measuredBy(bob, 2, 10), from(bob, here)), undefined);
    assert.equal((await other.put(measuredBy(bob, 1, 10), from(bob, here)))?.length, 1);
    assert.equal((await other.put(measuredBy(bob, 2, 20), from(bob, "203.0.113.7")))?.length, 2);
    await elapse(100_000);
    assert.equal((await store.put(measuredBy(carol, 3, 30), from(carol, here)))?.length, 3);
  },

  "a latency is in answers once both edges say that there is a transport": async (
    { store, other, elapse },
  ) => {
    const record = transportOf(alice, bob, { latency: { min: 1, max: 3, avg: 2 } });
    const { latency: _, ...bare } = record;
    const by = (owner: typeof alice) => ({ ttlMs: 100_000, owner: { key: owner.publicKey, recordsMax: 9 } });
    assert.deepEqual(await store.put([record], by(alice)), [bare]);
    assert.deepEqual(await store.put([record], by(alice)), []);
    assert.deepEqual(await other.byId(record.id), bare);
    assert.deepEqual(await other.put([bare], by(bob)), [record], "now it is told");
    for (
      const found of [
        await store.byId(record.id),
        (await store.all())[0],
        (await other.byEdges([bob.publicKey]))[0],
      ]
    ) {
      assert.deepEqual(found, record);
    }
    await elapse(100_000);
    assert.deepEqual(await store.put([bare], by(alice)), [bare], "in its next life it has to be said anew");
    assert.deepEqual(await other.put([bare], by(bob)), [record], "and the latency has outlived it");
  },

  "a hundred registrations at once, by two instances: none lost, none twice, no maximum passed": async (
    { store, other },
  ) => {
    const owner = { key: alice.publicKey, recordsMax: 60 };
    const results = await Promise.all(Array.from({ length: 100 }, (_, at) => {
      const records = [transportOf(alice, pair(`peer ${at % 80}`))];
      return (at % 2 === 0 ? store : other).put(records, { ttlMs: 100_000, owner });
    }));
    const stored = await other.all();
    assert.equal(stored.length, 60);
    const fresh = results.flatMap((changed) => changed ?? []);
    assert.deepEqual(new Set(fresh.map(({ id }) => id)), new Set(stored.map(({ id }) => id)));
    assert.equal(fresh.length, 60, "each is new once");
    const removals = await Promise.all(
      Array.from(
        { length: 10 },
        (_, at) => (at % 2 === 0 ? store : other).remove(stored.map(({ id }) => id)),
      ),
    );
    assert.equal(removals.flat().length, 60, "each is removed once");
    assert.deepEqual(await store.byEdges([alice.publicKey]), []);
  },

  "600 transports of one key are listed, in their order": async ({ store, other }) => {
    const records = measuredBy(alice, 600);
    await store.put(records, { ttlMs: 100_000 });
    assert.deepEqual(await other.byEdges([alice.publicKey]), records);
    assert.deepEqual(await other.all(), records);
    assert.equal((await other.allWithLives()).length, 600);
  },

  "a closed store refuses with StoreError, and closes again in silence": async ({ store }) => {
    await store[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await assert.rejects(store.all(), StoreError);
    await assert.rejects(store.put([transportOf(alice, bob)], { ttlMs: 1_000 }), StoreError);
  },
};
