/** What Redis holds of bindings. */
import assert from "node:assert/strict";
import { RedisBindingStore } from "../../../lib/services/store/redis/mod.ts";
import { pair } from "../service_support.ts";
import { onRedis } from "./store_under_test.ts";

const [alice, bob] = [pair("alice"), pair("bob")];

onRedis(
  "the list of bindings in Redis loses those whose record is gone, and what is none binds nobody",
  async (redis) => {
    await using store = await RedisBindingStore.open({ url: redis.url });
    const prefix = "skyctl:address-resolver:";
    for (const { publicKey } of [alice, bob]) {
      await store.put("stcpr", publicKey, { remoteAddress: "::1", port: 1, addresses: [] }, { ttlMs: 0 });
    }
    await redis.client.del(`${prefix}binding:stcpr:${bob.publicKey}`);
    await redis.client.zadd(`${prefix}bound:stcpr`, 1, "no key");
    assert.deepEqual(await store.keys("stcpr"), [alice.publicKey]);
    assert.deepEqual(await redis.client.zrange(`${prefix}bound:stcpr`, 0, "-1"), ["no key", alice.publicKey]);
    for (const text of ["", "-", "- null", "- {}", `- {"remoteAddress":"::1","port":"1","addresses":[]}`]) {
      await redis.client.set(`${prefix}binding:stcpr:${alice.publicKey}`, text);
      assert.equal(await store.get("stcpr", alice.publicKey), undefined, text);
    }
  },
);
