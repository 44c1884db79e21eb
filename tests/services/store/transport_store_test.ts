/** What a TransportStore does with maxima of its own, and what Redis holds of it. */
import assert from "node:assert/strict";
import type { TransportStore } from "../../../lib/services/store/mod.ts";
import { RedisTransportStore } from "../../../lib/services/store/redis/mod.ts";
import { SqliteTransportStore } from "../../../lib/services/store/sqlite_transport_store.ts";
import { pair, transportOf } from "../service_support.ts";
import { everyStore, onRedis, type StoreUnderTest } from "./store_under_test.ts";
import { latenciesOf, measuredBy } from "./transport_store_compliance.ts";

const [alice, bob, carol] = [pair("alice"), pair("bob"), pair("carol")];

/** With maxima of its own. */
const onSmall = (claim: string, test: (opened: StoreUnderTest<TransportStore>) => Promise<void>) =>
  everyStore<TransportStore>(
    (name, world) => {
      const maxima = { transportsMax: 6, latenciesMax: 5 };
      if (name.startsWith("redis:")) return RedisTransportStore.open({ url: name, ...world, ...maxima });
      const path = name === "memory" ? undefined : name;
      return Promise.resolve(new SqliteTransportStore({ path, ...world, ...maxima }));
    },
    claim,
    test,
  );

const ofKey = (owner: typeof alice) => ({
  ttlMs: 100_000,
  owner: { key: owner.publicKey, recordsMax: 100 },
});

onSmall(
  "all transports together have a maximum, for whoever has an owner",
  async ({ store, other, elapse }) => {
    assert.equal(await store.put(measuredBy(alice, 7), ofKey(alice)), undefined);
    assert.equal((await store.put(measuredBy(alice, 4), ofKey(alice)))?.length, 4);
    assert.equal(await other.put(measuredBy(bob, 3, 100), ofKey(bob)), undefined);
    assert.equal((await other.put(measuredBy(bob, 2, 100), ofKey(bob)))?.length, 2);
    await elapse(99_000);
    assert.deepEqual(await other.put(measuredBy(bob, 2, 100), ofKey(bob)), [], "renewed");
    assert.equal(await store.put(measuredBy(carol, 1), ofKey(carol)), undefined);
    await elapse(1_000);
    assert.equal(
      (await store.put(measuredBy(carol, 4), ofKey(carol)))?.length,
      4,
      "what has ended makes room",
    );
    assert.equal((await other.all()).length, 6);
  },
);

onSmall("all latencies together have a maximum, the newest stay", async ({ store, other, elapse }) => {
  const [first, second] = [measuredBy(alice, 3), measuredBy(bob, 3, 10)];
  await store.put(first, { ttlMs: 10_000 });
  const full = { key: carol.publicKey, recordsMax: 1 };
  for (let round = 0; round < 10; round++) { // refused ones count for nothing
    assert.equal(await store.put(measuredBy(carol, 2, 50), { ttlMs: 10_000, owner: full }), undefined);
  }
  await store.remove(first.slice(0, 1).map(({ id }) => id));
  await elapse(10_000);
  await other.put(second, { ttlMs: 10_000 });
  await elapse(10_000);
  assert.deepEqual(await latenciesOf(store, [...first, ...second]), [undefined, 2, 3, 11, 12, 13]);
  const third = measuredBy(carol, 4, 20);
  await other.put(third, { ttlMs: 10_000 });
  const known = await latenciesOf(store, [...first, ...second, ...third]);
  assert.deepEqual(known.slice(6), [21, 22, 23, 24]);
  assert.equal(known.filter((avg) => avg !== undefined).length, 5);
  await store.remove((await store.all()).map(({ id }) => id));
  assert.deepEqual(await latenciesOf(other, [...first, ...second]), Array(6).fill(undefined));
});

onRedis("an index in Redis loses the members whose record is gone, and ends itself", async (redis) => {
  await using store = await RedisTransportStore.open({ url: redis.url });
  const records = measuredBy(alice, 3);
  await store.put(records, { ttlMs: 100_000, owner: { key: alice.publicKey, recordsMax: 9 } });
  await store.put(measuredBy(alice, 1), { ttlMs: 300_000 });
  const prefix = "skyctl:transport-discovery:";
  await redis.client.del(`${prefix}tp:${records[2]!.id}`);
  assert.equal((await store.all()).length, 2);
  assert.equal((await store.byEdges([alice.publicKey])).length, 2);
  assert.equal(await redis.client.zcard(`${prefix}all`), 2);
  assert.equal(await redis.client.zcard(`${prefix}edge:${alice.publicKey}`), 2);
  for (const index of ["all", `edge:${alice.publicKey}`, `of:${alice.publicKey}`]) {
    const leftMs = await redis.client.pttl(prefix + index);
    assert.ok(leftMs > 290_000 && leftMs <= 300_000, `${index}: ${leftMs} ms left`);
  }
  await redis.age(24 * 60 * 60_000);
  assert.deepEqual(await redis.client.keys("*"), [`${prefix}number`], "what has ended leaves nothing");
});

onRedis("what others left in Redis is no transport, and breaks no list", async (redis) => {
  await using store = await RedisTransportStore.open({ url: redis.url });
  const honest = transportOf(alice, bob);
  await store.put([honest], { ttlMs: 100_000 });
  const prefix = "skyctl:transport-discovery:";
  const strange = [
    "",
    "x",
    "1 3 - - a b []",
    `1 3 - - ${alice.publicKey} ${bob.publicKey} [1,2]`,
    "{}",
    `1 3 - - ${alice.publicKey} ${bob.publicKey} {`,
  ];
  for (const [at, text] of strange.entries()) {
    await redis.client.set(`${prefix}tp:${at}`, text);
    await redis.client.zadd(`${prefix}all`, Number.MAX_SAFE_INTEGER, `${at}`);
    await redis.client.zadd(`${prefix}edge:${alice.publicKey}`, Number.MAX_SAFE_INTEGER, `${at}`);
    assert.equal(await store.byId(`${at}`), undefined);
  }
  await redis.client.set(`${prefix}lat:${honest.id}`, "fast");
  assert.deepEqual(await store.all(), [honest]);
  assert.deepEqual(await store.byEdges([alice.publicKey]), [honest]);
  assert.deepEqual((await store.allWithLives()).map(({ record }) => record), [honest]);
});
