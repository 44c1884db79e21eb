/** Every NonceStore, of each service that has one: SQLite in memory and in a file, Redis with two instances. */
import assert from "node:assert/strict";
import {
  type NonceStore,
  openBindingStore,
  openServiceStore,
  openTransportStore,
  openUptimeStore,
} from "../../../lib/services/store/mod.ts";
import { RedisTransportStore } from "../../../lib/services/store/redis/mod.ts";
import { SqliteTransportStore } from "../../../lib/services/store/sqlite_transport_store.ts";
import { pair } from "../service_support.ts";
import { everyStore, type OpenStore, type StoreUnderTest } from "./store_under_test.ts";

const [alice, bob] = [pair("alice").publicKey, pair("bob").publicKey];

type Store = AsyncDisposable & { readonly nonces: NonceStore };

const OPENERS: Record<string, OpenStore<Store>> = {
  "a transport discovery": openTransportStore,
  "an address resolver": openBindingStore,
  "a service discovery": openServiceStore,
  "an uptime tracker": openUptimeStore,
};

for (const [name, open] of Object.entries(OPENERS)) {
  everyStore(open, `numbers of ${name}: the next one only, and once`, async ({ store, other }) => {
    const [here, there] = [store.nonces, other.nonces];
    assert.equal(await here.next(alice), 0);
    assert.equal(await here.take(alice, 1), false);
    assert.equal(await there.take(alice, 0), true);
    assert.equal(await here.take(alice, 0), false);
    assert.equal(await here.take(alice, 1), true);
    assert.deepEqual([await there.next(alice), await here.next(bob)], [2, 0]);
  });

  everyStore(open, `numbers of ${name}: what came to nothing is given back`, async ({ store, other }) => {
    const [here, there] = [store.nonces, other.nonces];
    assert.equal(await here.take(alice, 0), true);
    await there.giveBack(alice, 0);
    assert.equal(await there.next(alice), 0);
    assert.equal(await there.take(alice, 0), true);
    assert.equal(await there.take(alice, 1), true);
    await here.giveBack(alice, 0);
    assert.equal(await here.next(alice), 2, "a later one was taken meanwhile");
    await here.giveBack(alice, 1);
    await here.giveBack(alice, 1);
    assert.deepEqual([await here.next(alice), await there.take(alice, 1)], [1, true], "back once");
    await here.giveBack(bob, 5);
    assert.equal(await here.next(bob), 0);
  });

  everyStore(
    open,
    `numbers of ${name}: of 60 at once one is good, thirty times`,
    async ({ store, other }) => {
      for (let round = 0; round < 30; round++) {
        const taken = await Promise.all(
          Array.from({ length: 60 }, (_, at) => (at % 2 === 0 ? store : other).nonces.take(alice, round)),
        );
        assert.equal(taken.filter((isTaken) => isTaken).length, 1);
      }
    },
  );
}

const onSmall = (claim: string, test: (opened: StoreUnderTest<Store>) => Promise<void>) =>
  everyStore<Store>(
    (name, world) => {
      if (name.startsWith("redis:")) return RedisTransportStore.open({ url: name, ...world, noncesMax: 10 });
      const path = name === "memory" ? undefined : name;
      return Promise.resolve(new SqliteTransportStore({ path, ...world, noncesMax: 10 }));
    },
    claim,
    test,
  );

onSmall("the key not used for longest is forgotten, and no number of it is good again", async (
  { store, other, elapse },
) => {
  for (let from = 0; from < 5; from++) assert.equal(await store.nonces.take(alice, from), true);
  for (let index = 0; index < 10; index++) {
    await elapse(1_000);
    const { publicKey } = pair(`stranger ${index}`);
    assert.equal(await other.nonces.take(publicKey, await other.nonces.next(publicKey)), true);
  }
  assert.equal(await store.nonces.next(alice), 5, "forgotten, and above all that it passed");
  assert.equal(await store.nonces.next(bob), 5);
  assert.equal(await store.nonces.take(alice, 0), false);
  assert.equal(await store.nonces.next(pair("stranger 9").publicKey), 5);
  const first = pair("stranger 0").publicKey; // it passed 0 alone, and is known still
  assert.equal(await store.nonces.take(first, 1), false);
  assert.equal(await store.nonces.take(first, 5), true);
  assert.equal(await store.nonces.take(alice, 5), true);
  await other.nonces.giveBack(alice, 5);
  assert.equal(await store.nonces.next(alice), 5);
});

onSmall("keys whose requests come to nothing take no place for long", async ({ store, elapse }) => {
  for (let from = 0; from < 3; from++) assert.equal(await store.nonces.take(alice, from), true);
  for (let index = 0; index < 40; index++) {
    await elapse(1_000);
    const { publicKey } = pair(`stranger ${index}`);
    assert.equal(await store.nonces.take(publicKey, 0), true);
    await store.nonces.giveBack(publicKey, 0);
  }
  assert.deepEqual([await store.nonces.next(alice), await store.nonces.next(bob)], [3, 0]);
});
