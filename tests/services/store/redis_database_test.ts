/** A number in the URL of a Redis is that of its data base, on every connection: without it nothing is asked. */
import assert from "node:assert/strict";
import { Ledger, silentLog } from "../../../lib/base/mod.ts";
import { sleep, withTimeout } from "../../../lib/runtime/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { StoreError } from "../../../lib/services/store/mod.ts";
import { RedisPool } from "../../../lib/services/store/redis/_pool.ts";
import {
  RedisBindingStore,
  RedisEntryStore,
  RedisServiceStore,
  RedisTransportStore,
  RedisUptimeStore,
} from "../../../lib/services/store/redis/mod.ts";
import { TestRedis } from "../../support/redis.ts";
import { assertNothingAlive, withSystemWorld } from "../../support/world.ts";
import { pair, transportOf } from "../service_support.ts";
import { withRefusingRedis } from "./_refusing_redis.ts";
import { onRedis } from "./store_under_test.ts";

const [alice, bob] = [pair("alice"), pair("bob")];
const records = [transportOf(alice, bob)];
const ttlMs = 60_000;

/** Until `isSo`, in real time: what ends a connection is not asked for. */
function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  return withSystemWorld(({ clock }) =>
    withTimeout(clock, { what, afterMs: 20_000 }, async (signal) => {
      while (!await isSo()) await sleep(clock, 5, signal);
    })
  );
}

/** Its data bases that hold anything. */
async function used({ client }: TestRedis): Promise<string[]> {
  return [...String(await client.call("INFO", "keyspace")).matchAll(/^db([0-9]+):/gm)].map(([, name]) =>
    name!
  );
}

/** Nobody but the test is connected. */
function nobodyIsLeft({ client }: TestRedis): Promise<void> {
  return until("the end of a connection", async () => {
    return String(await client.call("CLIENT", "LIST")).trim().split("\n").length === 1;
  });
}

function failure(hint: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StoreError);
    assert.match(error.message, /^Cannot connect to Redis at redis:\/\//);
    assert.match(error.hint ?? "", hint);
    return true;
  };
}

onRedis("a data base that a Redis does not have is told of, and no other one is used", async (redis) => {
  const ledger = new Ledger();
  for (
    const store of [
      RedisBindingStore,
      RedisEntryStore,
      RedisServiceStore,
      RedisTransportStore,
      RedisUptimeStore,
    ]
  ) {
    await assert.rejects(
      store.open({ url: `${redis.url}/99`, ledger }),
      failure(/data base of that number.*prefix=/),
    );
    await nobodyIsLeft(redis);
  }
  assertNothingAlive(ledger);
  await using store = await RedisTransportStore.open({ url: `${redis.url}/15` });
  await store.put(records, { ttlMs });
  assert.deepEqual(await used(redis), ["15"]);
});

onRedis("a user who may not select needs a URL without a number", async (redis) => {
  await redis.client.call("ACL", "SETUSER", "poor", "on", ">pass", "~*", "&*", "+@all", "-select");
  const at = `redis://poor:pass@127.0.0.1:${redis.port}`;
  await assert.rejects(RedisTransportStore.open({ url: `${at}/5` }), failure(/ACL SETUSER/));
  await nobodyIsLeft(redis);
  for (const place of ["", "/", "/0", "?prefix=own"]) {
    await using store = await RedisTransportStore.open({ url: `${at}${place}` });
    await store.put(records, { ttlMs });
  }
  assert.deepEqual(await used(redis), ["0"]);
});

Deno.test("a Redis without numbers says to leave them out", async () => {
  for (
    const words of [
      "SELECT is not allowed in cluster mode",
      "unknown command 'SELECT', with args beginning with: '5'",
    ]
  ) {
    await withRefusingRedis(
      { refused: "select", words: `ERR ${words}` },
      (place) =>
        assert.rejects(
          RedisTransportStore.open({ url: `redis://${place}/5` }),
          failure(/has no numbers.*prefix=/),
        ),
    );
  }
});

onRedis("a further connection is in the data base, too, or is none", async (redis) => {
  const poolSize = 3;
  await using pool = await RedisPool.open({ url: `${redis.url}/5`, poolSize });
  const puts = (from: number) =>
    Promise.allSettled(
      Array.from({ length: 99 }, (_, at) => pool.ask((each) => each.set(`key ${from + at}`, ""))),
    );
  const statuses = (settled: PromiseSettledResult<unknown>[]) => new Set(settled.map(({ status }) => status));
  await redis.client.call("ACL", "SETUSER", "default", "-select");
  const some = await puts(0);
  assert.deepEqual(statuses(some), new Set(["fulfilled", "rejected"]));
  for (const each of some) if (each.status === "rejected") failure(/ACL SETUSER/)(each.reason);
  assert.deepEqual(await used(redis), ["5"]);
  await redis.client.call("ACL", "SETUSER", "default", "+select");
  assert.deepEqual(statuses(await puts(1_000)), new Set(["fulfilled"]));
  assert.deepEqual(await used(redis), ["5"]);
  assert.equal(String(await redis.client.call("CLIENT", "LIST")).match(/ db=5 /g)?.length, poolSize);
});

onRedis("a Redis that comes back is asked in the same data base, or not at all", async (redis) => {
  const ledger = new Ledger();
  const store = await RedisTransportStore.open({ url: `${redis.url}/5`, ledger });
  await redis.kill();
  await assert.rejects(store.put(records, { ttlMs }), StoreError);
  await using again = await TestRedis.start(redis.port);
  await again.client.call("ACL", "SETUSER", "default", "-select");
  for (let at = 0; at < 3; at++) {
    await assert.rejects(store.check(), failure(/ACL SETUSER/));
    await assert.rejects(store.put(records, { ttlMs }), failure(/ACL SETUSER/));
  }
  assert.deepEqual(await used(again), []);
  await nobodyIsLeft(again);
  await again.client.call("ACL", "SETUSER", "default", "+select");
  assert.deepEqual(await store.put(records, { ttlMs }), records);
  assert.deepEqual(await used(again), ["5"]);
  await store[Symbol.asyncDispose]();
  assertNothingAlive(ledger);
});

onRedis("who listens does so in the data base, and tells once that he cannot", async (redis) => {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const note = (message: string) => void lines.push(message);
  const log = { ...silentLog, info: note, warn: note };
  await using store = await RedisBindingStore.open({ url: `${redis.url}/5` });
  const words: string[] = [];
  const listening = store.hear((word) => words.push(word.key), { clock, log });
  const subscribed = async () => {
    const list = String(await redis.client.call("CLIENT", "LIST", "TYPE", "pubsub"));
    return / db=5 /.test(list);
  };
  await until("a subscription", subscribed);
  await redis.client.call("ACL", "SETUSER", "default", "-select");
  await redis.client.call("CLIENT", "KILL", "TYPE", "pubsub");
  let tries = 0;
  const refused = async () =>
    Number(
      /cmdstat_select:.*rejected_calls=([0-9]+)/.exec(
        String(await redis.client.call("INFO", "commandstats")),
      )?.[1] ?? 0,
    );
  await until("three dials that were refused", async () => {
    await clock.advance(1_000);
    return (tries = await refused()) >= 3;
  });
  assert.ok(tries >= 3);
  assert.equal(String(await redis.client.call("CLIENT", "LIST", "TYPE", "pubsub")).trim(), "");
  await redis.client.call("ACL", "SETUSER", "default", "+select");
  await until("a subscription", async () => {
    await clock.advance(1_000);
    return await subscribed();
  });
  await until("a word", async () => {
    await store.say({ type: "bound", key: alice.publicKey, holder: "there" });
    return words.length > 0;
  });
  await listening[Symbol.asyncDispose]();
  assert.deepEqual(lines, ["Other instances cannot be heard", "Other instances are heard again"]);
});
