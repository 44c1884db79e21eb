/** What every ServiceStore does. */
import assert from "node:assert/strict";
import type { PublicKey } from "../../../lib/crypto/mod.ts";
import type { ServiceRecord } from "../../../lib/directory/mod.ts";
import { type ServiceStore, StoreError } from "../../../lib/services/store/mod.ts";
import { pair } from "../service_support.ts";
import type { Compliance } from "./store_under_test.ts";

const [alice, bob, carol] = ["alice", "bob", "carol"].map((name) => pair(name).publicKey) as [
  PublicKey,
  PublicKey,
  PublicKey,
];
const lasting = { ttlMs: 60_000, typesMax: 100 };

function record(publicKey: PublicKey, type = "vpn", more: Partial<ServiceRecord> = {}): ServiceRecord {
  return { publicKey, port: 44, type, version: "v1", ...more };
}

const all = async (store: ServiceStore, type = "vpn") => await store.batch(type, await store.keys(type));

export const serviceStoreCompliance: Compliance<ServiceStore> = {
  "an empty store has nothing to say": async ({ store }) => {
    assert.deepEqual(await store.keys("vpn"), []);
    assert.deepEqual(await store.batch("vpn", [alice]), []);
    assert.deepEqual(await store.batch("vpn", []), []);
    assert.equal(await store.remove("vpn", [alice]), 0);
    assert.equal(await store.remove("vpn", []), 0);
  },

  "a record comes back as it was put, every member of it": async ({ store, other }) => {
    const whole = record(alice, "visor", {
      place: { latitude: 52.37, longitude: -4.89, country: "NL", region: "NH" },
      displayNodeIp: true,
      localIps: ["203.0.113.7", "2001:db8::1"],
    });
    const bare = { publicKey: bob, port: 1, type: "visor" };
    for (const each of [whole, bare]) assert.equal(await store.put(each, lasting), true);
    assert.deepEqual(
      await other.batch("visor", [bob, alice]),
      [bare, whole],
      "in the order that was asked for",
    );
  },

  "a key has one service of each type": async ({ store, other }) => {
    await store.put(record(alice), lasting);
    await other.put(record(alice, "vpn", { port: 45 }), lasting);
    await store.put(record(alice, "skysocks", { port: 3 }), lasting);
    await store.put(record(bob), lasting);
    assert.deepEqual((await all(store)).map(({ port }) => port).sort(), [44, 45]);
    assert.deepEqual((await all(other, "skysocks")).map(({ port }) => port), [3]);
    assert.deepEqual(await store.batch("skysocks", [bob]), []);
    assert.equal(await other.remove("vpn", [alice, alice, carol]), 1);
    assert.deepEqual(await store.keys("vpn"), [bob]);
    assert.deepEqual(await store.keys("skysocks"), [alice]);
  },

  "a service is in no answer once its time is over, and each put starts it anew": async (
    { store, elapse },
  ) => {
    await store.put(record(alice), { ...lasting, ttlMs: 10_000 });
    await store.put(record(bob), { ...lasting, ttlMs: 10_000 });
    await store.put(record(carol), { ...lasting, ttlMs: 0 });
    await elapse(6_000);
    await store.put(record(bob), { ...lasting, ttlMs: 10_000 });
    await elapse(4_000);
    assert.deepEqual((await store.keys("vpn")).sort(), [bob, carol].sort());
    assert.deepEqual(await store.batch("vpn", [alice]), []);
    assert.equal(await store.remove("vpn", [alice]), 0, "it is gone already");
    await elapse(6_000);
    assert.deepEqual(await store.keys("vpn"), [carol], "0 is for ever");
    assert.equal(await store.put(record(alice), lasting), true);
    assert.equal((await store.keys("vpn")).length, 2, "and it can come back");
  },

  "shorten() ends what would live for longer, of every type, and 0 nothing": async (
    { store, other, elapse },
  ) => {
    const block = { text: "203.0.113.7", recordsMax: 2 };
    const live = (ttlMs: number) => ({ ttlMs, typesMax: 2, block });
    await store.put(record(alice), live(0));
    await store.put(record(alice, "a type: of its own"), { ...live(0), block: undefined });
    await store.put(record(bob), live(10_000));
    await store.shorten(0);
    await elapse(10_000);
    assert.deepEqual(await store.keys("vpn"), [alice]);
    await other.shorten(20_000);
    await other.shorten(30_000);
    await elapse(19_000);
    assert.deepEqual([await store.keys("vpn"), await store.keys("a type: of its own")], [[alice], [alice]]);
    await elapse(1_000);
    assert.deepEqual([await store.keys("vpn"), await store.keys("a type: of its own")], [[], []]);
    assert.deepEqual(await store.batch("vpn", [alice, bob]), []);
    for (const key of [bob, carol]) {
      assert.equal(await store.put(record(key), live(10_000)), true, "no share is lost");
    }
    for (const type of ["one", "two"]) {
      assert.equal(await store.put(record(alice, type), { ...live(10_000), block: undefined }), true);
    }
  },

  "shorten() reaches as many as there are": async ({ store, elapse }) => {
    const keys = Array.from({ length: 600 }, (_, index) => pair(`visor ${index}`).publicKey);
    for (const key of keys) await store.put(record(key), { ...lasting, ttlMs: 0 });
    await store.shorten(10_000);
    assert.equal((await store.keys("vpn")).length, 600);
    await elapse(10_000);
    assert.deepEqual(await store.keys("vpn"), []);
  },

  "a key has no more types than it may, and what has ended or was removed counts no more": async (
    { store, elapse },
  ) => {
    const two = { ttlMs: 10_000, typesMax: 2 };
    const put = (type: string) => store.put(record(alice, type), two);
    assert.deepEqual([await put("one"), await put("two"), await put("three")], [true, true, false]);
    assert.deepEqual(await store.keys("three"), []);
    assert.equal(await put("two"), true, "a renewal is none more");
    assert.equal(await store.put(record(bob, "three"), two), true, "others are not held up");
    await store.remove("one", [alice]);
    assert.equal(await put("three"), true);
    await elapse(10_000);
    assert.deepEqual([await put("four"), await put("five")], [true, true]);
  },

  "an address block has no more services than it may": async ({ store, elapse }) => {
    const block = { text: "203.0.113.7", recordsMax: 2 };
    const put = (key: PublicKey, more: object = {}) =>
      store.put(record(key), { ttlMs: 10_000, typesMax: 9, block, ...more });
    assert.deepEqual([await put(alice), await put(bob), await put(carol)], [true, true, false]);
    assert.equal(await put(alice), true, "a renewal is none more");
    assert.equal(await put(carol, { block: { ...block, text: "198.51.100.9" } }), true);
    await elapse(10_000);
    assert.equal(await put(carol), true);
  },

  "a type has no more services than it may, and what has ended counts no more": async (
    { store, other, elapse },
  ) => {
    const two = { ttlMs: 10_000, typesMax: 9, recordsMax: 2 };
    assert.deepEqual([await store.put(record(alice), two), await other.put(record(bob), two)], [true, true]);
    assert.equal(await store.put(record(carol), two), false);
    assert.equal(await store.put(record(alice), two), true, "a renewal is none more");
    assert.equal(await store.put(record(carol, "skysocks"), two), true);
    await elapse(10_000);
    assert.equal(await store.put(record(carol), two), true);
  },

  "600 services are listed once each, in the same order each time, and read in any batch": async (
    { store, other },
  ) => {
    const keys = Array.from({ length: 600 }, (_, index) => pair(`visor ${index}`).publicKey);
    for (const key of keys) await store.put(record(key), lasting);
    const listed = await store.keys("vpn");
    assert.deepEqual([...listed].sort(), [...keys].sort());
    assert.deepEqual(await store.keys("vpn"), listed);
    const found = await other.batch("vpn", listed.slice(100, 356));
    assert.deepEqual(found.map(({ publicKey }) => publicKey), listed.slice(100, 356));
  },

  "many services end together and leave room for others": async ({ store, elapse }) => {
    for (let index = 0; index < 50; index++) {
      await store.put(record(pair(`visor ${index}`).publicKey), { ...lasting, ttlMs: 1_000 });
    }
    await elapse(1_000);
    for (let index = 0; index < 10; index++) {
      assert.equal(await store.put(record(pair(`visor ${index}`).publicKey), lasting), true);
    }
    assert.equal((await store.keys("vpn")).length, 10);
  },

  "a closed store refuses with StoreError, and closes again in silence": async ({ store }) => {
    await store[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await assert.rejects(store.keys("vpn"), StoreError);
    await assert.rejects(store.put(record(alice), lasting), StoreError);
    await assert.rejects(store.nonces.next(alice), StoreError);
  },
};
