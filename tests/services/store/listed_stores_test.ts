/** The stores of a service discovery and an uptime tracker: SQLite in memory and in a file, Redis with two instances. */
import assert from "node:assert/strict";
import { Ledger } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { openServiceStore, openUptimeStore } from "../../../lib/services/store/mod.ts";
import { pair } from "../service_support.ts";
import { serviceStoreCompliance } from "./service_store_compliance.ts";
import { everyStoreComplies, onRedis } from "./store_under_test.ts";
import { uptimeStoreCompliance } from "./uptime_store_compliance.ts";

everyStoreComplies("services", openServiceStore, serviceStoreCompliance);
everyStoreComplies("uptimes", openUptimeStore, uptimeStoreCompliance);

const [alice, bob] = [pair("alice").publicKey, pair("bob").publicKey];

onRedis("services behind a prefix are shortened, of every type, and nobody else's", async (redis) => {
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  {
    await using store = await openServiceStore(`${redis.url}?prefix=ours`, world);
    const others = ["", "?prefix=our", "?prefix=ours.ours"].map((end) =>
      openServiceStore(`${redis.url}${end}`, world)
    );
    const all = [store, ...await Promise.all(others)];
    for (const [at, type] of ["vpn", "visor", "*", "a b:c"].entries()) {
      for (const each of all) await each.put({ publicKey: at === 0 ? bob : alice, port: 1, type }, forEver);
    }
    await store.put({ publicKey: alice, port: 1, type: "of ours alone" }, forEver);
    await redis.client.set("ours:skyctl:service-discovery:service:vpn:of somebody", "else");
    await redis.client.zadd("ours:skyctl:service-discovery:type:vpn", Number.MAX_SAFE_INTEGER, "of somebody");
    await store.shorten(100_000);
    const ends = async (prefix: string) => {
      const keys = (await redis.client.keys(`${prefix}skyctl:service-discovery:service:*`)).filter((key) =>
        !key.endsWith("of somebody")
      );
      return (await Promise.all(keys.map((key) => redis.client.pttl(key)))).map((left) => left > 0);
    };
    assert.deepEqual(await ends("ours:"), [true, true, true, true, true]);
    for (const prefix of ["", "our:", "ours.ours:"]) {
      assert.deepEqual(await ends(prefix), [false, false, false, false], prefix);
    }
    for (const each of all) await each[Symbol.asyncDispose]();
  }
  assert.deepEqual(world.ledger.live(), {});
});

onRedis("which types there are is asked of an index, whatever else is in the Redis", async (redis) => {
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  {
    await using store = await openServiceStore(redis.url, world);
    await redis.client.eval("for at = 1, 20000 do redis.call('SET', 'foreign:' .. at, 'x') end", 0);
    for (const type of ["vpn", "visor"]) await store.put({ publicKey: alice, port: 1, type }, forEver);
    await store.put({ publicKey: alice, port: 1, type: "short" }, { ...forEver, ttlMs: 50_000 });
    const asked = async (ttlMs: number) => {
      await redis.client.call("CONFIG", "RESETSTAT");
      await store.shorten(ttlMs);
      const stats = String(await redis.client.info("commandstats"));
      return Object.fromEntries(
        [...stats.matchAll(/^cmdstat_(\w+):calls=(\d+)/gm)].map(([, name, calls]) => [name, Number(calls)]),
      );
    };
    const first = await asked(100_000);
    assert.deepEqual([first.scan, first.keys], [undefined, undefined]);
    assert.equal(first.pexpire, 2, "what ends before is left alone");
    const { zrange, pexpire, scan } = await asked(200_000);
    assert.deepEqual([zrange, pexpire, scan], [1, undefined, undefined], "where none lives longer, no more");
  }
  assert.deepEqual(world.ledger.live(), {});
});

onRedis("a type is known until the last of its services has ended or was removed", async (redis) => {
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  {
    await using store = await openServiceStore(redis.url, world);
    const known = () => redis.client.zrange("skyctl:service-discovery:types", 0, "-1");
    const put = (publicKey: typeof alice, type: string, ttlMs: number) =>
      store.put({ publicKey, port: 1, type }, { ttlMs, typesMax: 9 });
    await put(alice, "a", 100_000);
    await put(bob, "a", 0);
    await put(alice, "a", 100_000); // which another lives longer than
    await put(alice, "b", 0);
    await put(alice, "c", 300_000);
    assert.deepEqual(await known(), ["c", "a", "b"]);
    await store.remove("b", [alice]);
    await store.remove("a", [alice]);
    assert.deepEqual(await known(), ["c", "a"]);
    await store.shorten(200_000);
    await redis.age(150_000);
    await put(alice, "d", 100_000);
    assert.deepEqual((await known()).sort(), ["a", "c", "d"]);
    await redis.age(60_000);
    await put(alice, "d", 100_000);
    assert.deepEqual(await known(), ["d"], "those that have ended are cleared away in passing");
    await redis.age(100_000);
    assert.deepEqual(await redis.client.keys("*"), []);
    await put(bob, "e", 100_000);
    await put(alice, "e", 0);
    await store.remove("e", [alice]);
    await redis.age(100_000);
    assert.deepEqual(await known(), []);
    await put(bob, "e", 0);
    await store.remove("e", [bob]);
    assert.deepEqual(await redis.client.keys("*"), []);
  }
  assert.deepEqual(world.ledger.live(), {});
});

const forEver = { ttlMs: 0, typesMax: 9 };

Deno.test("both can share a file with each other, and keep everything over a restart but what has ended", async () => {
  const folder = await Deno.makeTempDir();
  const clock = new VirtualClock({ wallMs: 1_795_245_178_000 });
  const world = { clock, ledger: new Ledger() };
  const path = `${folder}/services.db`;
  for (const isSecond of [false, true]) {
    await using services = await openServiceStore(path, world);
    await using uptimes = await openUptimeStore(path, world);
    if (isSecond) {
      assert.deepEqual([await services.keys("vpn"), await services.keys("visor")], [[alice], []]);
      assert.equal(await services.nonces.next(alice), 1);
      assert.equal(await uptimes.nonces.next(alice), 0, "each service counts for itself");
      assert.deepEqual((await uptimes.visors()).map(({ key }) => key), [alice]);
      assert.equal(await uptimes.beat({ key: alice, intervalMs: 1_500 }), "seen");
      continue;
    }
    for (const [type, ttlMs] of [["vpn", 2_000], ["visor", 1_000]] as const) {
      await services.put({ publicKey: alice, port: 1, type }, { ttlMs, typesMax: 2 });
    }
    await services.nonces.take(alice, 0);
    await uptimes.beat({ key: alice, intervalMs: 1_500 });
    await clock.advance(1_000);
  }
  assert.deepEqual(world.ledger.live(), {});
  await Deno.remove(folder, { recursive: true });
});
