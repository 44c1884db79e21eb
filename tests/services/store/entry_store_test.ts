/** Every EntryStore runs the compliance suite; what only one of them can do follows. */
import assert from "node:assert/strict";
import { Ledger, SkyError } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { openEntryStore, SqliteEntryStore, StoreError } from "../../../lib/services/store/mod.ts";
import { RedisEntryStore } from "../../../lib/services/store/redis/mod.ts";
import { DROP_MEMBERS } from "../../../lib/services/store/redis/_members.ts";
import type { TestRedis } from "../../support/redis.ts";
import { assertNothingAlive } from "../../support/world.ts";
import { onRedis } from "./store_under_test.ts";
import { key, storeCompliance, stored, type StoreUnderTest } from "./store_compliance.ts";

const CASES = 14;
const first = { ttlMs: 60_000, replaces: undefined };

function inMemory(): Promise<StoreUnderTest> {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const store = new SqliteEntryStore({ clock, ledger });
  return Promise.resolve({
    store,
    other: store,
    elapse: (ms) => clock.advance(ms),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      assertNothingAlive(ledger);
    },
  });
}

async function inFile(): Promise<StoreUnderTest> {
  const folder = await Deno.makeTempDir();
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [store, other] = [0, 1].map(() =>
    new SqliteEntryStore({ path: `${folder}/entries.db`, clock, ledger })
  ) as [
    SqliteEntryStore,
    SqliteEntryStore,
  ];
  return {
    store,
    other,
    elapse: (ms) => clock.advance(ms),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
      assertNothingAlive(ledger);
    },
  };
}

async function inRedis(redis: TestRedis): Promise<StoreUnderTest> {
  await redis.client.flushall();
  const ledger = new Ledger();
  const store = await RedisEntryStore.open({ url: redis.url, ledger });
  const other = await RedisEntryStore.open({ url: redis.url, ledger });
  return {
    store,
    other,
    elapse: (ms) => redis.age(ms),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
      assertNothingAlive(ledger);
    },
  };
}

async function comply(test: Deno.TestContext, make: () => Promise<StoreUnderTest>): Promise<void> {
  let ran = 0;
  for (const [claim, check] of Object.entries(storeCompliance)) {
    await test.step(claim, async () => {
      await using under = await make();
      await check(under);
    });
    ran++;
  }
  assert.equal(ran, CASES);
}

Deno.test("SqliteEntryStore in memory complies", (test) => comply(test, inMemory));
Deno.test("SqliteEntryStore in a file, opened twice, complies", (test) => comply(test, inFile));

onRedis("RedisEntryStore, two connections, complies", (redis, test) => comply(test, () => inRedis(redis)));

onRedis("RedisEntryStore writes the keys of dmsg.md 9.5 and nothing else", async (redis) => {
  await using under = await inRedis(redis);
  const entry = stored(key(1), { delegatedServers: [key(7)], isVisor: true, availableSessions: 2 });
  await under.store.put(entry, { ttlMs: 90_000, replaces: undefined });
  assert.deepEqual((await redis.client.keys("*")).sort(), [key(1), "clients", "servers", "visorClients"]);
  assert.equal(await redis.client.get(key(1)), entry.text);
  const leftMs = await redis.client.pttl(key(1));
  assert.ok(leftMs > 80_000 && leftMs <= 90_000, `${leftMs} ms left`);
  for (const set of ["clients", "servers", "visorClients"]) {
    assert.deepEqual(await redis.client.smembers(set), [key(1)]);
  }
  await under.store.remove(key(1));
  assert.deepEqual(await redis.client.keys("*"), []);
});

onRedis("RedisEntryStore drops members whose entry is gone from the set that it reads", async (redis) => {
  await using under = await inRedis(redis);
  await under.store.put(stored(key(1), { delegatedServers: [], isVisor: true }), first);
  await under.store.put(stored(key(2), { delegatedServers: [], isVisor: true }), { ...first, ttlMs: 1_000 });
  await under.elapse(1_000);
  assert.equal(await redis.client.scard("clients"), 2);
  assert.deepEqual(await under.store.clientKeys(), [key(1)]);
  assert.deepEqual(await redis.client.smembers("clients"), [key(1)]);
  assert.deepEqual(await under.store.visorKeys(), [key(1)]);
  assert.deepEqual(await redis.client.smembers("visorClients"), [key(1)]);
});

onRedis("RedisEntryStore survives what others left in the data base", async (redis) => {
  await using under = await inRedis(redis);
  await redis.client.sadd("clients", "no key", key(1), key(2), key(3));
  await redis.client.sadd("servers", key(1), key(2), key(4));
  await redis.client.set(key(1), "no JSON");
  await redis.client.set(key(2), `{"client":{"delegated_servers":7},"server":{"availableSessions":"many"}}`);
  await redis.client.rpush(key(3), "a list");
  await redis.client.set(key(4), "null");
  assert.deepEqual((await under.store.clientKeys()).sort(), [key(1), key(2)]);
  assert.deepEqual(await under.store.availableServers(), []);
  assert.deepEqual(await under.store.allServers(), []);
  assert.deepEqual(await under.store.clientsByServer(), new Map());
  assert.equal(await under.store.get(key(1)), "no JSON");
  assert.equal(await redis.client.scard("servers"), 3, "what is not ours stays where it is");
});

onRedis(
  "RedisEntryStore keeps what is no entry of its key out of lists, which stay readable",
  async (redis) => {
    await using under = await inRedis(redis);
    const honest = stored(key(9), { delegatedServers: [key(8)], availableSessions: 1 });
    await under.store.put(honest, first);
    const strange = [
      "no JSON",
      "",
      "null",
      "[1]",
      "7",
      `{"static":"zz"}`,
      stored(key(7), { availableSessions: 9 }).text,
    ];
    for (const text of strange) {
      await redis.client.set(key(1), text);
      await redis.client.sadd("servers", key(1));
      await redis.client.sadd("clients", key(1));
      assert.deepEqual(await under.store.allServers(), [honest.text], text);
      assert.deepEqual(await under.store.availableServers(), [honest.text], text);
      assert.deepEqual([...await under.store.batch([key(1), key(9)])], [[key(9), honest.text]], text);
      assert.deepEqual(await under.store.clientsByServer(), new Map([[key(8), [key(9)]]]), text);
      const replacing = stored(key(1), { availableSessions: 2 });
      assert.equal(await under.store.put(replacing, { ttlMs: 60_000, replaces: text }), true);
      assert.equal((await under.store.allServers()).length, 2);
    }
  },
);

onRedis("RedisEntryStore drops no member whose entry came back meanwhile", async (redis) => {
  await redis.client.sadd("clients", key(1), key(2));
  await redis.client.set(key(2), "back");
  await redis.client.eval(DROP_MEMBERS, 1, "clients", "", key(1), key(1), key(2), key(2));
  assert.deepEqual(await redis.client.smembers("clients"), [key(2)]);
  await redis.client.sadd("one:clients", key(1), key(2), key(3));
  await redis.client.set(`one:${key(3)}`, "back");
  await redis.client.eval(
    DROP_MEMBERS,
    1,
    "one:clients",
    "one:",
    ...[1, 2, 3].flatMap((at) => [key(at), key(at)]),
  );
  assert.deepEqual(await redis.client.smembers("one:clients"), [key(3)], "under its own prefix");
});

onRedis(
  "RedisEntryStore shortens what others stored without an end, unless it is a server's",
  async (redis) => {
    await using under = await inRedis(redis);
    for (const at of [1, 2]) await redis.client.set(key(at), stored(key(at), { delegatedServers: [] }).text);
    await redis.client.sadd("clients", key(1), key(2));
    await redis.client.sadd("servers", key(2));
    await under.store.shortenClients(100_000);
    const leftMs = await redis.client.pttl(key(1));
    assert.ok(leftMs > 50_000 && leftMs <= 100_000, `${leftMs} ms left`);
    assert.equal(await redis.client.pttl(key(2)), -1);
  },
);

onRedis("RedisEntryStore connects anew after its connection was cut", async (redis) => {
  await using under = await inRedis(redis);
  await under.store.put(stored(key(1), { delegatedServers: [] }), first);
  await redis.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await under.store.get(key(1)).catch((error) => assert.ok(error instanceof StoreError)); // it learns of the cut
  const answers = await Promise.allSettled(Array.from({ length: 20 }, () => under.store.get(key(1))));
  for (const answer of answers) {
    if (answer.status === "rejected") assert.ok(answer.reason instanceof StoreError);
  }
  assert.equal(await under.store.get(key(1)), stored(key(1), { delegatedServers: [] }).text);
  const connected = String(await redis.client.call("CLIENT", "LIST")).trim().split("\n").length;
  assert.equal(connected, 2, "the test's own connection, and one that all 20 shared");
});

onRedis("RedisEntryStore rejects with StoreError once its server is gone", async (redis) => {
  const ledger = new Ledger();
  await using store = await RedisEntryStore.open({ url: redis.url, ledger });
  await redis.kill();
  await assert.rejects(store.get(key(1)), StoreError);
  await assert.rejects(store.put(stored(key(1), { delegatedServers: [] }), first), StoreError);
  await store[Symbol.asyncDispose]();
  assertNothingAlive(ledger);
});

Deno.test("openEntryStore() says where no Redis is, without its password", async () => {
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  await assert.rejects(openEntryStore("redis://:s3cret@127.0.0.1:1", world), (error) => {
    assert.ok(error instanceof StoreError);
    assert.equal(error.code, "STORE_UNAVAILABLE");
    assert.match(error.message, /redis:\/\/127\.0\.0\.1:1$/);
    assert.match(String(error.cause), /ECONNREFUSED/);
    assert.doesNotMatch(error.message, /s3cret/);
    return true;
  });
  assertNothingAlive(world.ledger);
});

Deno.test("openEntryStore() refuses what names no store, and shows no password", async () => {
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  const names: [name: string, code: string][] = [
    ["", "INVALID_STORE_NAME"],
    ["redis://", "INVALID_STORE_NAME"],
    ["redis://:s3cret@", "INVALID_STORE_NAME"],
    ["redis://:s3cret%zz@127.0.0.1:1", "INVALID_STORE_NAME"],
    ["redis://:s3/cret@127.0.0.1:1", "INVALID_STORE_NAME"],
    ["redis://:s3cret@127.0.0.1:99999", "INVALID_STORE_NAME"],
    ["postgres://user:s3cret@host/db", "INVALID_STORE_NAME"],
    ["redis://:s3@cret@127.0.0.1:1", "STORE_UNAVAILABLE"],
    ["redis://127.0.0.1:1?password=s3cret", "INVALID_STORE_NAME"],
    ["REDIS://:s3cret@127.0.0.1:1", "STORE_UNAVAILABLE"],
  ];
  for (const [name, code] of names) {
    await assert.rejects(openEntryStore(name, world), (error) => {
      assert.ok(error instanceof SkyError, name);
      assert.equal(error.code, code, name);
      assert.ok(error.hint, name);
      let told = "";
      for (let each: unknown = error; each instanceof Error; each = each.cause) told += each.message;
      assert.doesNotMatch(told, /s3|cret/, name);
      return true;
    });
  }
  assertNothingAlive(world.ledger);
});

Deno.test("openEntryStore() refuses a path that cannot be a data base", async () => {
  const folder = await Deno.makeTempDir();
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  await Deno.writeTextFile(
    `${folder}/text.db`,
    "this is no data base, but a text that is long enough to be read",
  );
  for (const path of [`${folder}/missing/entries.db`, folder, `${folder}/text.db`]) {
    await assert.rejects(openEntryStore(path, world), (error) => {
      assert.ok(error instanceof StoreError, path);
      assert.ok(error.message.includes(path));
      assert.ok(error.hint);
      return true;
    });
  }
  assertNothingAlive(world.ledger);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a file store keeps its entries, and their time, over a restart", async () => {
  const folder = await Deno.makeTempDir();
  const ledger = new Ledger();
  const clock = new VirtualClock();
  const path = `${folder}/entries.db`;
  const [short, long] = [
    stored(key(1), { delegatedServers: [key(7)] }),
    stored(key(2), { availableSessions: 3 }),
  ];
  {
    await using store = await openEntryStore(path, { clock, ledger });
    await store.put(short, { ttlMs: 10_000, replaces: undefined });
    await store.put(long, { ttlMs: 60_000, replaces: undefined });
  }
  await clock.advance(5_000);
  {
    await using store = await openEntryStore(path, { clock, ledger });
    assert.equal(await store.get(key(1)), short.text);
    assert.deepEqual(await store.clientsOf(key(7)), [key(1)]);
    await clock.advance(5_000);
    assert.equal(await store.get(key(1)), undefined);
    assert.deepEqual(await store.availableServers(), [long.text]);
  }
  assertNothingAlive(ledger);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a full SqliteEntryStore refuses what is new, and keeps and serves what it has", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock();
  await using store = new SqliteEntryStore({ clock, ledger, bytesMax: 256 * 1024 });
  const text = `"${"x".repeat(8_000)}"`;
  const put = (index: number) =>
    store.put({ ...stored(key(index), { delegatedServers: [] }), text }, {
      ttlMs: 10_000,
      replaces: undefined,
    });
  let fitted = 0;
  await assert.rejects(async () => {
    for (; fitted < 1_000; fitted++) await put(fitted);
  }, StoreError);
  assert.ok(fitted > 10 && fitted < 32, `${fitted} entries of 8 kB in 256 KiB`);
  assert.equal(await store.get(key(0)), text);
  assert.equal((await store.counts()).clients, fitted);
  await clock.advance(10_000);
  assert.equal(await put(500), true, "what is past its time makes room");
  await store[Symbol.asyncDispose]();
  assertNothingAlive(ledger);
});

Deno.test("an entry lives as long as it was given, also when somebody sets the clock back or ahead", async () => {
  let wallMs = 1_000_000.5, monotonicMs = 77.25;
  const clock = { wallMs: () => wallMs, monotonicMs: () => monotonicMs };
  await using store = new SqliteEntryStore({ clock });
  const entry = stored(key(1), {});
  await store.put(entry, { ttlMs: 1_000, replaces: undefined });
  wallMs += 600_000;
  assert.equal(await store.get(entry.key), entry.text);
  wallMs -= 1_200_000;
  monotonicMs += 999;
  assert.equal(await store.get(entry.key), entry.text);
  monotonicMs += 2;
  assert.equal(await store.get(entry.key), undefined);
});
