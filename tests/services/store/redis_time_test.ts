/** Redis' time as instances know it between two answers: what it saves, and what is told while Redis is away (SV-4, SV-7). */
import assert from "node:assert/strict";
import { type LogRecord, logTo, silentLog, unlessAborted } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { withTimeout } from "../../../lib/runtime/mod.ts";
import { StoreError } from "../../../lib/services/store/mod.ts";
import { RedisUptimeStore } from "../../../lib/services/store/redis/mod.ts";
import { ClockWatch } from "../../../lib/services/store/redis/_clock_watch.ts";
import { runServiceDiscovery } from "../../../lib/services/service_discovery/mod.ts";
import { Beats } from "../../../lib/services/transport_discovery/_beats.ts";
import type { Listing } from "../../../lib/services/transport_discovery/_listing.ts";
import { UptimeRoutes } from "../../../lib/services/transport_discovery/_uptime_routes.ts";
import { runTransportDiscovery } from "../../../lib/services/transport_discovery/mod.ts";
import { runUptimeTracker } from "../../../lib/services/uptime_tracker/mod.ts";
import { setRedisNow } from "../../support/redis_time.ts";
import { withSystemWorld } from "../../support/world.ts";
import { question } from "../many_visors.ts";
import { pair, transportOf } from "../service_support.ts";
import { onRedis } from "./store_under_test.ts";

const [alice, bob] = [pair("alice"), pair("bob")];
const SECOND = 1_000;
const NOON = Date.UTC(2026, 5, 11, 12);

Deno.test("Redis' time is that of its last answer and what passed since; it is asked when that is old", async () => {
  const clock = new VirtualClock();
  const watch = new ClockWatch({ clock });
  let [asked, redisMs] = [0, NOON];
  let failure: Error | undefined;
  const ask = () =>
    watch.asking(() => (asked++, failure ? Promise.reject(failure) : Promise.resolve(redisMs)), (ms) => ms);
  const present = () => watch.presentMs(ask);
  assert.deepEqual([await present(), asked], [NOON, 1]);
  await clock.advance(4_999);
  clock.setWallMs(0); // whatever this machine says
  redisMs = NOON + 3_600 * SECOND; // it was set
  assert.deepEqual([await present(), asked], [NOON + 4_999, 1]);
  await clock.advance(1);
  assert.deepEqual(await Promise.all([present(), present()]), [NOON + 5_000, NOON + 5_000]);
  await watch.settled();
  assert.deepEqual([await present(), asked], [redisMs, 2], "asked once, and nobody waited");
  await clock.advance(60 * SECOND);
  assert.deepEqual([await present(), asked], [redisMs, 3], "waited for");
  failure = new StoreError("gone");
  for (const [ms, ageMs] of [[59_999, 59_999], [1, 60_000]] as const) {
    await clock.advance(ms);
    assert.equal(await present(), redisMs + ageMs, "as well as it is known");
    await watch.settled();
  }
  failure = new Error("a bug");
  await assert.rejects(present(), /a bug/);
});

Deno.test("Redis' time of which nothing is known is asked for, and without a clock always", async () => {
  const clock = new VirtualClock();
  const gone = () => Promise.reject(new StoreError("gone"));
  await assert.rejects(new ClockWatch({ clock }).presentMs(gone), StoreError);
  const watch = new ClockWatch({});
  let asked = 0;
  const ask = () => watch.asking(() => Promise.resolve(NOON + asked++), (ms) => ms);
  assert.deepEqual([await watch.presentMs(ask), await watch.presentMs(ask)], [NOON, NOON + 1]);
});

onRedis("a registration asks for no time of its own", async (redis) => {
  const clock = new VirtualClock();
  await using visors = await RedisUptimeStore.open({ url: redis.url, clock, of: "visor_uptime" });
  await using transports = await RedisUptimeStore.open<string>({
    url: redis.url,
    clock,
    of: "transport_uptime",
  });
  const byEdges = () => Promise.resolve([]);
  const beats = new Beats({ visors, transports }, { transports: { byEdges }, clock, log: silentLog });
  const calls = async (command: string) => {
    const told = await redis.client.info("commandstats");
    return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(told)?.[1] ?? 0);
  };
  const register = () => beats.registered(alice.publicKey, [transportOf(alice, bob)], undefined);
  await setRedisNow(redis, NOON);
  await register();
  const [times, scripts] = [await calls("eval"), await calls("evalsha")]; // virtual times are evaluated
  for (let at = 1; at <= 20; at++) {
    await setRedisNow(redis, NOON + at * SECOND);
    await clock.advance(SECOND);
    await register();
  }
  assert.equal(
    await calls("evalsha") - scripts,
    20,
    "beats of the visor; those of the transport are held back",
  );
  assert.equal(await calls("eval"), times);
});

onRedis("lists that are kept are told while Redis is gone", async (redis) => {
  const clock = new VirtualClock();
  const open = { url: redis.url, clock };
  const visors = await RedisUptimeStore.open({ ...open, of: "visor_uptime" });
  const transports = await RedisUptimeStore.open<string>({ ...open, of: "transport_uptime" });
  await visors.beat({ key: alice.publicKey, intervalMs: SECOND });
  const live = { byId: new Map(), online: new Set([alice.publicKey]) };
  const listing = { live: () => Promise.resolve(live) } as unknown as Listing;
  const routes = new UptimeRoutes({ visors, transports }, { clock, listing });
  const asked = [["/uptimes", "v=v2"], ["/version", ""]] as const;
  const told = () =>
    Promise.all(asked.map(async ([path, query]) => (await routes.answer(question(path, query)))!.body));
  const before = await told();
  assert.match(before[0]!, new RegExp(alice.publicKey));
  await redis.kill();
  for (const ms of [0, 6 * SECOND, 20 * SECOND]) {
    await clock.advance(ms);
    assert.deepEqual(await told(), before);
  }
  await assert.rejects(visors.clockAheadMs(), StoreError);
  await assert.rejects(visors.nowMs(), StoreError);
  await clock.advance(4 * SECOND);
  await assert.rejects(told(), StoreError);
  for (const store of [visors, transports]) await store[Symbol.asyncDispose]();
});

onRedis(
  "services tell their log of a clock that is not that of their Redis",
  (redis) =>
    withSystemWorld(async (world) => {
      const clock = { ...world.clock, wallMs: () => world.clock.wallMs() + 61 * SECOND };
      const wrong = { ...world, clock };
      const address = { hostname: "127.0.0.1", port: 0 };
      const settings = { address, store: redis.url, mode: "http" as const };
      for (const run of [runUptimeTracker, runTransportDiscovery, runServiceDiscovery]) {
        const warned = Promise.withResolvers<string>();
        const sink = ({ level, message }: LogRecord) => {
          if (level === "warn" && message.startsWith("This machine's clock is not that of Redis")) {
            warned.resolve("warned");
          }
        };
        await using _ = await run({ world: wrong, log: logTo(sink, () => 0), settings });
        const signalled = (signal: AbortSignal) => unlessAborted(signal, warned.promise);
        const told = await withTimeout(world.clock, { what: "the warning", afterMs: 5 * SECOND }, signalled);
        assert.equal(told, "warned");
      }
    }),
);
