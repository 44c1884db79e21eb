/** What a Redis' URL says, whom a channel reaches, and what becomes of connections that are silent. */
import assert from "node:assert/strict";
import { Ledger, silentLog, SkyError } from "../../../lib/base/mod.ts";
import { sleep, withTimeout } from "../../../lib/runtime/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { tcpHttpClient } from "../../../lib/directory/mod.ts";
import { runTransportDiscovery } from "../../../lib/services/transport_discovery/mod.ts";
import { openEntryStore, StoreError } from "../../../lib/services/store/mod.ts";
import { RedisPool } from "../../../lib/services/store/redis/_pool.ts";
import { parseRedisUrl } from "../../../lib/services/store/redis/_redis_url.ts";
import {
  RedisBindingStore,
  RedisEntryStore,
  RedisServiceStore,
  RedisTransportStore,
  RedisUptimeStore,
} from "../../../lib/services/store/redis/mod.ts";
import { FreezingProxy } from "../../support/freezing_proxy.ts";
import { TestRedis } from "../../support/redis.ts";
import { assertNothingAlive, withSystemWorld } from "../../support/world.ts";
import { pair, transportOf } from "../service_support.ts";
import { key, stored } from "./store_compliance.ts";
import { onRedis } from "./store_under_test.ts";

const [alice, bob] = [pair("alice"), pair("bob")];
const record = transportOf(alice, bob);
const ttlMs = 60_000;

Deno.test("the URL of a Redis: what the driver gets, what is shown, number and prefix", () => {
  const cases: [text: string, url: string, shown: string, database: number, prefix: string][] = [
    ["redis://host", "redis://host", "redis://host", 0, ""],
    ["REDIS://Host:7000/", "redis://Host:7000", "redis://Host:7000/", 0, ""],
    [
      "redis://u:s3cret@host/12?prefix=a.b_c-1",
      "redis://u:s3cret@host",
      "redis://host/12?prefix=a.b_c-1",
      12,
      "a.b_c-1:",
    ],
    ["rediss://[::1]:1/0", "rediss://[::1]:1", "rediss://[::1]:1/0", 0, ""],
  ];
  for (const [text, url, shown, database, prefix] of cases) {
    const isTls = text.startsWith("rediss");
    assert.deepEqual(parseRedisUrl(text), { url, shown, database, prefix, isTls }, text);
  }
  for (
    const text of [
      "redis://host/one",
      "redis://host/-1",
      "redis://host/1234567",
      "redis://host/1/2",
      "redis://host?prefix=",
      "redis://host?prefix=a:b",
      `redis://host?prefix=${"a".repeat(65)}`,
      "redis://host?prefix=a&prefix=b",
      "redis://host?password=s3cret",
      "redis://host?retryStrategy=1",
      "redis://",
      "nothing",
    ]
  ) {
    assert.throws(() => parseRedisUrl(text), (error) => {
      assert.ok(error instanceof SkyError && error.code === "INVALID_STORE_NAME" && error.hint, text);
      assert.doesNotMatch(error.message, /s3cret/);
      return true;
    }, text);
  }
  assert.equal(parseRedisUrl(`redis://host?prefix=${"a".repeat(64)}`).prefix.length, 65);
});

/** What a follower of transports, and a listener to words, hear at `url` while others tell of theirs at `elsewhere`. */
async function heardAt(url: string, elsewhere: string): Promise<{ own: number; foreign: number }> {
  let heard = { own: 0, foreign: 0 };
  await withSystemWorld(async ({ clock }) => {
    await using here = await RedisTransportStore.open({ url });
    await using there = await RedisTransportStore.open({ url: elsewhere });
    await using bindings = await RedisBindingStore.open({ url });
    await using others = await RedisBindingStore.open({ url: elsewhere });
    const ids: string[] = [];
    const words: string[] = [];
    const began = Promise.withResolvers<void>();
    await using _following = here.follow({
      told: (word) => {
        ids.push(...("removed" in word ? word.removed : word.renewed));
        return true;
      },
      read: () => began.resolve(),
    }, { clock, log: silentLog });
    await using _hearing = bindings.hear((word) => words.push(word.key), { clock, log: silentLog });
    await began.promise;
    const foreign = transportOf(bob, pair("carol"));
    await there.put([foreign], { ttlMs });
    await others.say({ type: "bound", key: bob.publicKey, holder: "there" });
    await withTimeout(clock, { what: "own words", afterMs: 30_000 }, async (signal) => {
      while (!ids.includes(record.id) || !words.includes(alice.publicKey)) {
        await here.remove([record.id]);
        await here.put([record], { ttlMs });
        await bindings.say({ type: "bound", key: alice.publicKey, holder: "here" });
        await sleep(clock, 10, signal);
      }
    });
    heard = {
      own: Number(ids.includes(record.id)) + Number(words.includes(alice.publicKey)),
      foreign: Number(ids.includes(foreign.id)) + Number(words.includes(bob.publicKey)),
    };
  });
  return heard;
}

onRedis(
  "what one deployment tells is not heard in another data base, nor under another prefix",
  async (redis) => {
    assert.deepEqual(await heardAt(`${redis.url}/1`, `${redis.url}/0`), { own: 2, foreign: 0 });
    assert.deepEqual(await heardAt(redis.url, `${redis.url}?prefix=other`), { own: 2, foreign: 0 });
    assert.deepEqual(await heardAt(`${redis.url}/1?prefix=one`, `${redis.url}/1?prefix=two`), {
      own: 2,
      foreign: 0,
    });
    assert.deepEqual(await heardAt(redis.url, `${redis.url}/0`), { own: 2, foreign: 2 }, "the same one");
  },
);

onRedis(
  "every key has the prefix, and deployments with different ones know nothing of each other",
  async (redis) => {
    const url = `${redis.url}?prefix=one`;
    const entry = stored(key(1), { delegatedServers: [key(2)], isVisor: true });
    const gone = stored(key(3), { delegatedServers: [key(2)], isVisor: true });
    {
      await using entries = await RedisEntryStore.open({ url });
      await using transports = await RedisTransportStore.open({ url });
      await using bindings = await RedisBindingStore.open({ url });
      await using services = await RedisServiceStore.open({ url });
      await using uptimes = await RedisUptimeStore.open({ url });
      await entries.put(entry, { ttlMs, replaces: undefined });
      await entries.put(gone, { ttlMs, replaces: undefined });
      await transports.put([{ ...record, latency: { min: 1, max: 2, avg: 1 } }], { ttlMs });
      await bindings.put(
        "stcpr",
        alice.publicKey,
        { remoteAddress: "::1", port: "1", addresses: [] } as never,
        { ttlMs },
      );
      await bindings.put(
        "sudph",
        alice.publicKey,
        { remoteAddress: "::1", port: 1, addresses: [] } as never,
        { ttlMs },
      );
      await services.put(
        { publicKey: alice.publicKey, port: 3, type: "vpn", version: "1" } as never,
        { ttlMs, typesMax: 9 } as never,
      );
      await uptimes.beat({ key: alice.publicKey, intervalMs: 1, address: "::1" });
      for (const each of [transports, bindings, services, uptimes]) {
        assert.equal(
          await each.nonces.take(alice.publicKey, 0),
          true,
        );
      }

      await redis.client.del(`one:${key(3)}`); // its members leave the lists, and nobody else does
      assert.deepEqual(await entries.clientKeys(), [key(1)]);
      assert.deepEqual(await redis.client.smembers("one:clients"), [key(1)]);
      assert.deepEqual(await transports.all(), [{ ...record, latency: { min: 1, max: 2, avg: 1 } }]);
      assert.deepEqual(await bindings.keys("sudph"), [alice.publicKey]);
      assert.deepEqual(await services.keys("vpn"), [alice.publicKey]);
      assert.equal((await uptimes.visors()).length, 1);
      assert.equal((await uptimes.addresses()).length, 1);
    }
    const keys = await redis.client.keys("*");
    assert.ok(keys.length > 20, `${keys}`);
    assert.deepEqual(keys.filter((each) => !each.startsWith("one:")), []);
    for (const other of [redis.url, `${redis.url}?prefix=two`]) {
      await using entries = await RedisEntryStore.open({ url: other });
      await using transports = await RedisTransportStore.open({ url: other });
      assert.deepEqual([await entries.clientKeys(), await transports.all()], [[], []]);
      assert.equal(await transports.nonces.next(alice.publicKey), 0);
    }
  },
);

onRedis(
  "a connection that is silent is dropped: what was asked there fails once, what is asked later is answered",
  async (redis) => {
    await using proxy = await FreezingProxy.start(redis.port);
    const ledger = new Ledger();
    const store = await RedisTransportStore.open({ url: proxy.url, ledger, poolSize: 3 });
    await Promise.all(Array.from({ length: 200 }, () => store.nonces.next(alice.publicKey))); // all three are there
    assert.equal(proxy.accepted, 3);
    assert.equal(await store.nonces.take(alice.publicKey, 0), true);
    proxy.freeze();
    const sinceMs = performance.now();
    const asked = [store.nonces.take(alice.publicKey, 1), store.check(), store.all()];
    for (const answer of await Promise.allSettled(asked)) {
      assert.ok(answer.status === "rejected" && answer.reason instanceof StoreError);
    }
    const tookMs = performance.now() - sinceMs;
    assert.ok(tookMs > 4_000 && tookMs < 8_000, `${tookMs} ms`);
    const againMs = performance.now();
    await store.check();
    assert.equal(await store.nonces.next(alice.publicKey), 1, "nothing that failed is asked a second time");
    await Promise.all(Array.from({ length: 200 }, () => store.nonces.next(alice.publicKey))); // nor are the others silent
    assert.ok(performance.now() - againMs < 4_000);
    await store[Symbol.asyncDispose]();
    assertNothingAlive(ledger);
  },
);

onRedis("a close waits for an answer that does not come no longer than a moment", async (redis) => {
  await using proxy = await FreezingProxy.start(redis.port);
  const ledger = new Ledger();
  const store = await RedisEntryStore.open({ url: proxy.url, ledger });
  proxy.freeze();
  const asked = assert.rejects(store.check(), StoreError);
  const sinceMs = performance.now();
  await store[Symbol.asyncDispose]();
  assert.ok(performance.now() - sinceMs < 3_000, `${performance.now() - sinceMs} ms`);
  await asked;
  assertNothingAlive(ledger);
});

onRedis(
  "dials that fail are made ever less often, and questions meanwhile fail at once with their reason",
  async (redis) => {
    const clock = new VirtualClock();
    await using pool = await RedisPool.open({ url: redis.url, clock });
    await redis.kill();
    const listener = Deno.listen({ hostname: "127.0.0.1", port: redis.port });
    let dials = 0;
    const accepting = (async () => {
      for await (const conn of listener) {
        dials++;
        conn.close();
      }
    })();
    const after: number[] = [];
    await assert.rejects(pool.check(""), StoreError); // its connection's end may not be known yet
    for (const ms of [0, 25, 0, 49, 1, 99, 1, 200, 400, 800, 999, 1, 1_000]) {
      await clock.advance(ms);
      await assert.rejects(
        pool.check(""),
        (error) => error instanceof StoreError && error.hint !== undefined,
      );
      after.push(dials);
    }
    listener.close();
    await accepting;
    const first = after[0]!;
    assert.deepEqual(after.map((count) => count - first), [0, 1, 1, 1, 2, 2, 3, 4, 5, 6, 6, 7, 8]);
    await using again = await TestRedis.start(redis.port);
    await clock.advance(1_000);
    await pool.check("");
    assert.equal(await again.client.ping(), "PONG");
  },
);

onRedis("a Redis with a password, and one that permits less, say what to do about it", async (redis) => {
  await redis.client.call("CONFIG", "SET", "requirepass", "s3cret");
  await redis.client.call("ACL", "SETUSER", "poor", "on", ">pass", "~*", "resetchannels", "+@all", "-get");
  const at = (who: string) => `redis://${who}127.0.0.1:${redis.port}`;
  const open = (url: string) => openEntryStore(url, { clock: new VirtualClock(), ledger: new Ledger() });
  for (
    const [url, hint] of [
      [at(""), /wants a password/],
      [at(":wrong@"), /password in the URL is wrong/],
      [at("poor:wrong@"), /password in the URL is wrong/],
    ] as const
  ) {
    await assert.rejects(open(url), (error) => {
      assert.ok(error instanceof StoreError);
      assert.match(error.hint ?? "", hint, url);
      assert.doesNotMatch(`${error.message} ${(error.cause as Error).message}`, /s3cret|wrong@/);
      return true;
    });
  }
  await using poor = await open(at("poor:pass@"));
  await assert.rejects(poor.get(key(1)), (error) => /ACL SETUSER/.test((error as StoreError).hint ?? ""));
  await using transports = await RedisTransportStore.open({ url: at("poor:pass@") });
  await assert.rejects(
    transports.put([record], { ttlMs }),
    (error) => /ACL SETUSER/.test((error as StoreError).hint ?? ""),
  );
  await using own = await open(at(":s3cret@"));
  await own.check();
});

onRedis(
  "a user that is allowed the keys of its service alone can be asked whether it writes",
  async (redis) => {
    const services = ["transport-discovery", "address-resolver", "service-discovery", "uptime-tracker"];
    const opens = [RedisTransportStore, RedisBindingStore, RedisServiceStore, RedisUptimeStore];
    for (const [at, name] of services.entries()) {
      const keys = [`~skyctl:${name}:*`, "&*", "+@all"];
      await redis.client.call("ACL", "SETUSER", `of-${at}`, "on", ">pass", ...keys);
      await using store = await opens[at]!.open({ url: `redis://of-${at}:pass@127.0.0.1:${redis.port}` });
      await store.check();
      await redis.client.call("ACL", "SETUSER", `of-${at}`, "resetkeys", "~other:*");
      await assert.rejects(store.check(), (error) => (error as StoreError).state === "unwritable");
    }
    const rules = ["~02*", "~03*", "~servers", "~clients", "~visorClients", "+@all"];
    await redis.client.call("ACL", "SETUSER", "of-entries", "on", ">pass", ...rules);
    await using entries = await RedisEntryStore.open({
      url: `redis://of-entries:pass@127.0.0.1:${redis.port}`,
    });
    await entries.check();
    assert.deepEqual(await redis.client.keys("*"), [], "nothing is left by it");
  },
);

onRedis("rediss:// where no TLS is spoken says so, and tells nobody the password", async (redis) => {
  await redis.client.call("CONFIG", "SET", "requirepass", "s3cret");
  const url = `rediss://:s3cret@127.0.0.1:${redis.port}`;
  const infos = async () => { // commands that a client with the password begins with
    const stats = String(await redis.client.call("INFO", "commandstats"));
    return Number(/cmdstat_info:calls=([0-9]+),/.exec(stats)![1]);
  };
  const before = await infos();
  await assert.rejects(
    openEntryStore(url, { clock: new VirtualClock(), ledger: new Ledger() }),
    (error) => error instanceof StoreError && /speaks no TLS/.test(error.hint ?? ""),
  );
  assert.equal(await infos() - before, 1, "the test's own one");
});

Deno.test("redis:// where TLS is spoken says so", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const answering = (async () => {
    for await (const conn of listener) {
      await conn.read(new Uint8Array(1_024));
      await conn.write(new Uint8Array([0x15, 3, 3, 0, 2, 2, 70])); // an alert: no such version
      conn.close();
    }
  })();
  await assert.rejects(
    openEntryStore(`redis://127.0.0.1:${listener.addr.port}`, {
      clock: new VirtualClock(),
      ledger: new Ledger(),
    }),
    (error) => error instanceof StoreError && /rediss:/.test(error.hint ?? ""),
  );
  listener.close();
  await answering;
});

onRedis(
  "who listens notices a connection that is silent, and hears the others again on a new one",
  async (redis) => {
    await using proxy = await FreezingProxy.start(redis.port);
    const clock = new VirtualClock();
    await using store = await RedisBindingStore.open({ url: redis.url });
    await using far = await RedisBindingStore.open({ url: proxy.url });
    const words: string[] = [];
    await using _hearing = far.hear((word) => words.push(word.type), { clock, log: silentLog });
    const heard = () =>
      withSystemWorld((world) =>
        withTimeout(world.clock, { what: "a word", afterMs: 30_000 }, async (signal) => {
          const before = words.length;
          while (words.length === before) {
            await store.say({ type: "bound", key: alice.publicKey, holder: "there" });
            await clock.advance(100); // of pauses; the driver's own time is real
            await sleep(world.clock, 10, signal);
          }
        })
      );
    await heard();
    const { accepted } = proxy;
    proxy.freeze();
    await clock.advance(30_000);
    await heard();
    assert.equal(proxy.accepted, accepted + 1);
  },
);

onRedis(
  "a service whose Redis is silent stops in the time that it has",
  (redis) =>
    withSystemWorld(async (world) => {
      await using proxy = await FreezingProxy.start(redis.port);
      const settings = {
        address: { hostname: "127.0.0.1", port: 0 },
        store: proxy.url,
        mode: "http" as const,
      };
      const service = await runTransportDiscovery({ world, log: silentLog, settings });
      await using client = tcpHttpClient(world, "test/1");
      const url = `http://127.0.0.1:${service.address!.port}/security/nonces/${alice.publicKey}`;
      assert.equal((await client.fetch({ url })).status, 200);
      proxy.freeze();
      const asked = assert.rejects(client.fetch({ url }));
      await sleep(world.clock, 100);
      const sinceMs = performance.now();
      await service.close();
      const tookMs = performance.now() - sinceMs;
      assert.ok(tookMs < 3_000, `${tookMs} ms`);
      await asked;
    }),
);
