/** What every BindingStore does. */
import assert from "node:assert/strict";
import { type BindingStore, StoreError } from "../../../lib/services/store/mod.ts";
import { pair } from "../service_support.ts";
import type { Compliance } from "./store_under_test.ts";

const [alice, bob] = [pair("alice"), pair("bob")];

export const bindingStoreCompliance: Compliance<BindingStore> = {
  "a binding is kept, replaced, removed, and ends": async ({ store, elapse }) => {
    const first = { remoteAddress: "203.0.113.7", port: 7777, addresses: ["203.0.113.7", "::1"] };
    await store.put("stcpr", alice.publicKey, first, { ttlMs: 100_000 });
    await store.put("sudph", alice.publicKey, { ...first, addresses: [] }, { ttlMs: 0 });
    assert.deepEqual(await store.get("stcpr", alice.publicKey), first);
    assert.deepEqual((await store.get("sudph", alice.publicKey))?.addresses, []);
    assert.equal(await store.get("stcpr", bob.publicKey), undefined);
    await elapse(90_000);
    await store.put("stcpr", alice.publicKey, { ...first, port: 1 }, { ttlMs: 100_000 });
    await elapse(90_000);
    assert.equal((await store.get("stcpr", alice.publicKey))?.port, 1);
    await elapse(10_000);
    assert.deepEqual([await store.keys("stcpr"), await store.keys("sudph")], [[], [alice.publicKey]]);
    assert.deepEqual([
      await store.remove("stcpr", alice.publicKey),
      await store.remove("sudph", alice.publicKey),
    ], [
      false,
      true,
    ]);
  },

  "who is bound is listed by type, once, however many there are": async ({ store, other }) => {
    const keys = Array.from({ length: 600 }, (_, index) => pair(`visor ${index}`).publicKey);
    const binding = { remoteAddress: "203.0.113.7", port: 1, addresses: [] };
    for (const key of keys) await store.put("sudph", key, binding, { ttlMs: 60_000 });
    await other.put("sudph", keys[0]!, { ...binding, port: 2 }, { ttlMs: 60_000 });
    assert.deepEqual((await other.keys("sudph")).sort(), [...keys].sort());
    assert.deepEqual(await store.keys("stcpr"), []);
    assert.equal((await store.get("sudph", keys[0]!))?.port, 2);
    assert.equal(await store.remove("stcpr", keys[0]!), false);
    assert.equal(await other.remove("sudph", keys[0]!), true);
    assert.equal((await store.keys("sudph")).length, 599);
  },

  "shorten() ends what would live for longer, of either type, and 0 nothing": async (
    { store, other, elapse },
  ) => {
    const binding = { remoteAddress: "203.0.113.7", port: 1, addresses: [], holder: "one" };
    const keys = Array.from({ length: 300 }, (_, index) => pair(`visor ${index}`).publicKey);
    for (const key of keys) await store.put("stcpr", key, binding, { ttlMs: 0 });
    await store.put("sudph", alice.publicKey, binding, { ttlMs: 200_000 });
    await store.put("sudph", bob.publicKey, binding, { ttlMs: 10_000 });
    await store.shorten(0);
    await elapse(10_000);
    assert.deepEqual(await store.keys("sudph"), [alice.publicKey]);
    await other.shorten(20_000);
    await other.shorten(30_000);
    await elapse(19_000);
    assert.deepEqual(await store.get("stcpr", keys[0]!), binding);
    assert.deepEqual([(await store.keys("stcpr")).length, await store.keys("sudph")], [300, [
      alice.publicKey,
    ]]);
    await elapse(1_000);
    assert.deepEqual([await store.keys("stcpr"), await store.keys("sudph")], [[], []]);
    assert.equal(await store.get("stcpr", keys[0]!), undefined);
  },

  "a binding goes with its holder alone, where one is named": async ({ store, other }) => {
    const binding = { remoteAddress: "203.0.113.7:41234", port: 41_234, addresses: [] };
    await store.put("sudph", alice.publicKey, { ...binding, holder: "one" }, { ttlMs: 100_000 });
    await other.put("sudph", alice.publicKey, { ...binding, holder: "two" }, { ttlMs: 100_000 });
    assert.equal((await store.get("sudph", alice.publicKey))?.holder, "two");
    assert.equal(await store.remove("sudph", alice.publicKey, { holder: "one" }), false);
    assert.deepEqual(await store.keys("sudph"), [alice.publicKey]);
    assert.equal(await store.remove("sudph", alice.publicKey, { holder: "two" }), true);
    await store.put("sudph", alice.publicKey, { ...binding, holder: "one" }, { ttlMs: 100_000 });
    assert.equal(await other.remove("sudph", alice.publicKey), true, "whoever holds it");
  },

  "600 keys bind at once, and are listed": async ({ store, other }) => {
    const keys = Array.from({ length: 600 }, (_, at) => pair(`visor ${at}`).publicKey);
    await Promise.all(
      keys.map((key, at) =>
        (at % 2 === 0 ? store : other).put("stcpr", key, {
          remoteAddress: "::1",
          port: at + 1,
          addresses: ["::1"],
        }, {
          ttlMs: 100_000,
        })
      ),
    );
    assert.deepEqual((await store.keys("stcpr")).sort(), [...keys].sort());
    assert.equal((await other.get("stcpr", keys[599]!))?.port, 600);
  },

  "a closed store refuses with StoreError, and closes again in silence": async ({ store }) => {
    await store[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await assert.rejects(store.keys("stcpr"), StoreError);
  },
};
