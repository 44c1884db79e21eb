/** Connections to Redis: how many, what becomes of them when it is gone, and how much is asked at once. */
import assert from "node:assert/strict";
import { Ledger } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { openEntryStore, openServiceStore, StoreError } from "../../../lib/services/store/mod.ts";
import { RedisPool } from "../../../lib/services/store/redis/_pool.ts";
import {
  RedisEntryStore,
  RedisTransportStore,
  RedisUptimeStore,
} from "../../../lib/services/store/redis/mod.ts";
import { TestRedis } from "../../support/redis.ts";
import { assertNothingAlive } from "../../support/world.ts";
import { pair, transportOf } from "../service_support.ts";
import { key, stored } from "./store_compliance.ts";
import { onRedis } from "./store_under_test.ts";

async function connections(redis: TestRedis): Promise<number> {
  const list = String(await redis.client.call("CLIENT", "LIST")).trim().split("\n");
  return list.length - 1; // the test's own
}

onRedis("a pool has one connection until that is busy, and never more than its size", async (redis) => {
  for (const poolSize of [1, 3]) {
    await using pool = await RedisPool.open({ url: redis.url, poolSize });
    for (let at = 0; at < 50; at++) await pool.ask((each) => each.get("nothing"));
    await Promise.all(Array.from({ length: 32 }, () => pool.ask((each) => each.get("nothing"))));
    assert.equal(await connections(redis), 1);
    await Promise.all(Array.from({ length: 500 }, () => pool.ask((each) => each.get("nothing"))));
    assert.equal(await connections(redis), poolSize);
  }
});

onRedis("a store's pool has the size that is asked for, ten by default", async (redis) => {
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  for (const [redisPoolSize, expected] of [[2, 2], [undefined, 10]] as const) {
    await using store = await openServiceStore(redis.url, world, { redisPoolSize });
    await Promise.all(Array.from({ length: 1_000 }, () => store.batch("vpn", [key(1)])));
    assert.equal(await connections(redis), expected);
  }
  assertNothingAlive(world.ledger);
});

onRedis(
  "a pool whose Redis was restarted dials anew at the next question, and knows its scripts",
  async (redis) => {
    const ledger = new Ledger();
    const records = [transportOf(pair("alice"), pair("bob"))];
    const store = await RedisTransportStore.open({ url: redis.url, ledger });
    await store.put(records, { ttlMs: 60_000 });
    await redis.kill();
    for (let at = 0; at < 3; at++) {
      await assert.rejects(store.check(), StoreError);
      await assert.rejects(store.put(records, { ttlMs: 60_000 }), StoreError);
    }
    await using again = await TestRedis.start(redis.port);
    assert.deepEqual(await store.put(records, { ttlMs: 60_000 }), records);
    assert.equal(await connections(again), 1);
    await again.client.call("SCRIPT", "FLUSH");
    assert.deepEqual(await store.put(records, { ttlMs: 60_000 }), []);
    await store[Symbol.asyncDispose]();
    await assert.rejects(store.check(), StoreError);
    assertNothingAlive(ledger);
  },
);

onRedis("lists are read 256 members at a time", async (redis) => {
  const store = await RedisEntryStore.open({ url: redis.url });
  const transports = await RedisTransportStore.open({ url: redis.url });
  const visors = Array.from(
    { length: 600 },
    (_, at) => stored(key(at), { delegatedServers: [], isVisor: true }),
  );
  await Promise.all(visors.map((entry) => store.put(entry, { ttlMs: 60_000, replaces: undefined })));
  const records = Array.from({ length: 600 }, (_, at) => transportOf(pair("alice"), pair(`peer ${at}`)));
  await transports.put(records, { ttlMs: 60_000 });
  for (
    const [list, keys] of [
      [() => store.visorKeys(), [256, 256, 88]],
      [() => store.batch(visors.map((visor) => visor.key)).then((found) => [...found]), [256, 256, 88]],
      [() => transports.byEdges([pair("alice").publicKey]), [256, 256, 88, 256, 256, 88]], // and their latencies
    ] as [() => Promise<unknown[]>, number[]][]
  ) {
    await redis.client.call("CONFIG", "SET", "slowlog-max-len", "1000", "slowlog-log-slower-than", "0");
    await redis.client.call("SLOWLOG", "RESET");
    assert.equal((await list()).length, 600);
    const asked = await redis.client.call("SLOWLOG", "GET", "1000") as [number, number, number, string[]][];
    const mgets = asked.map(([, , , words]) => words).filter(([name]) => name === "mget");
    assert.deepEqual(mgets.length, keys.length);
    await redis.client.call("CONFIG", "SET", "slowlog-log-slower-than", "-1");
  }
  const stats = String(await redis.client.call("INFO", "commandstats"));
  assert.match(stats, /cmdstat_mget:calls=12,/);
  await store[Symbol.asyncDispose]();
  await transports[Symbol.asyncDispose]();
});

onRedis("beats of a list are one script for each 256 of them, in their order", async (redis) => {
  await using store = await RedisUptimeStore.open<string>({ url: redis.url, of: "transport_uptime" });
  const scripts = async () => {
    const stats = String(await redis.client.call("INFO", "commandstats"));
    return Number(/cmdstat_evalsha:calls=([0-9]+),/.exec(stats)?.[1] ?? 0);
  };
  const beat = { intervalMs: 90_000, visorsMax: 599 };
  await store.beat({ ...beat, key: "first" }); // Redis knows the script now
  const before = await scripts();
  const keys = Array.from({ length: 600 }, (_, at) => `key ${at}`);
  const results = await store.beats(["first", ...keys].map((each) => ({ ...beat, key: each })));
  assert.equal(await scripts() - before, 3);
  assert.deepEqual(results, ["seen", ...Array(598).fill("counted"), "full", "full"]);
  assert.equal((await store.visors()).length, 599);
});

Deno.test("a Redis that accepts and says nothing holds no close up", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const conn of listener) accepted.push(conn);
  })();
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  const opening = openEntryStore(`redis://127.0.0.1:${listener.addr.port}`, world);
  await assert.rejects(
    opening,
    (error) => error instanceof StoreError && /Cannot connect/.test(error.message),
  );
  listener.close();
  await accepting;
  for (const conn of accepted) conn.close();
  assertNothingAlive(world.ledger);
});
