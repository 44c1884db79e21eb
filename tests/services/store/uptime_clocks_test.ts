/** Uptimes of instances on one Redis whose own clocks are wrong, or whose Redis' is: they count, tell and forget as one (SV-4, SV-7). */
import assert from "node:assert/strict";
import { type Log, type LogRecord, logTo, silentLog } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import {
  CLOCK_DIFFERENCE_MAX_MS,
  DAY_MS,
  dayOf,
  SLOTS_OF_DAY,
  SqliteUptimeStore,
  type UptimeStore,
} from "../../../lib/services/store/mod.ts";
import { ClockWatch } from "../../../lib/services/store/redis/_clock_watch.ts";
import { RedisUptimeStore } from "../../../lib/services/store/redis/mod.ts";
import { Beats } from "../../../lib/services/transport_discovery/_beats.ts";
import {
  forgetOld,
  REGISTRATION_BEAT_MS,
  type ToldVisor,
  Uptimes,
} from "../../../lib/services/uptimes/mod.ts";
import type { TestRedis } from "../../support/redis.ts";
import { setRedisNow } from "../../support/redis_time.ts";
import { pair, transportOf } from "../service_support.ts";
import { onRedis } from "./store_under_test.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const MIDNIGHT = Date.UTC(2026, 5, 11);

/** What one instance of a transport discovery has: a clock of its own, and what all of them share. */
class Instance implements AsyncDisposable {
  readonly beats: Beats;
  readonly uptimes: Uptimes;

  private constructor(
    readonly clock: VirtualClock,
    readonly visors: RedisUptimeStore,
    readonly transports: RedisUptimeStore<string>,
  ) {
    this.beats = new Beats({ visors, transports }, {
      transports: { byEdges: () => Promise.resolve([]) },
      clock,
      log: silentLog,
    });
    this.uptimes = new Uptimes({ store: visors, clock, beatsOfDay: 960, online: 2 * REGISTRATION_BEAT_MS });
  }

  static async on({ url }: TestRedis, log?: Log): Promise<Instance> {
    const clock = new VirtualClock();
    const visors = await RedisUptimeStore.open({ url, clock, log, of: "visor_uptime" });
    return new Instance(
      clock,
      visors,
      await RedisUptimeStore.open<string>({ url, clock, of: "transport_uptime" }),
    );
  }

  /** Everybody, with the days. */
  async told(): Promise<ToldVisor[]> {
    return (await this.uptimes.everybody()).map((visor) => ({ ...visor, days: visor.days }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [this.visors, this.transports]) await each[Symbol.asyncDispose]();
  }
}

const SKEWS = [0, 20, 100, 200, -200, 9 * 86_400].map((seconds) => seconds * SECOND);

onRedis("two instances whose clocks differ count, tell and forget as one does", async (redis) => {
  const [startMs, endMs] = [MIDNIGHT - 2 * HOUR, MIDNIGHT + HOUR];
  await using stack = new AsyncDisposableStack();
  const right = stack.use(await Instance.on(redis));
  const skewed = [];
  const gaps = [10 * SECOND, 30 * SECOND, 90 * SECOND];
  const other = pair("the other");
  for (const skewMs of SKEWS) {
    const visors = gaps.map((gapMs) => {
      const owner = pair(`${skewMs} each ${gapMs}`);
      return { gapMs, key: owner.publicKey, record: transportOf(owner, other) };
    });
    skewed.push({ skewMs, visors, wrong: stack.use(await Instance.on(redis)) });
  }
  for (let atMs = startMs; atMs < endMs; atMs += 10 * SECOND) {
    await setRedisNow(redis, atMs);
    right.clock.setWallMs(atMs);
    const told: Promise<void>[] = [];
    for (const { skewMs, visors, wrong } of skewed) {
      wrong.clock.setWallMs(atMs + skewMs);
      for (const { gapMs, key, record } of visors) {
        const turn = (atMs - startMs) / gapMs;
        if (!Number.isInteger(turn)) continue;
        told.push((turn % 2 === 0 ? right : wrong).beats.registered(key, [record], undefined));
      }
    }
    await Promise.all(told);
  }
  const days = [[dayOf(startMs), 2 * HOUR], [dayOf(MIDNIGHT), HOUR]] as const;
  for (const store of [right.visors, right.transports] as UptimeStore<string>[]) {
    for (const [day, upMs] of days) {
      const counted = await store.days(day, day);
      assert.equal(counted.length, SKEWS.length * gaps.length);
      for (const { key, beats, slots } of counted) {
        const truth = upMs / REGISTRATION_BEAT_MS;
        assert(beats <= truth && beats >= 0.98 * truth, `${key} on ${day}: ${beats} of ${truth}`);
        const set = [...slots].reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
        assert.equal(set, SLOTS_OF_DAY * upMs / DAY_MS, "all slots of that time, and no other");
      }
    }
    assert.deepEqual(
      (await store.days("0000", "9999")).length,
      2 * SKEWS.length * gaps.length,
      "no other day",
    );
  }
  const expected = await right.told();
  assert.equal(expected.length, SKEWS.length * gaps.length);
  assert(expected.every(({ isOnline, days }) => isOnline && days.length === 2));
  for (const { skewMs, wrong } of skewed) {
    assert.deepEqual(await wrong.told(), expected, `${skewMs}`);
    for (const store of [wrong.visors, wrong.transports]) await forgetOld(store, wrong.clock);
    assert.equal(
      (await right.visors.days("0000", "9999")).length,
      2 * SKEWS.length * gaps.length,
      `${skewMs}`,
    );
  }
});

onRedis("a day is over when it is for Redis, whatever an instance's clock says", async (redis) => {
  await using wrong = await Instance.on(redis);
  const key = pair("alice").publicKey;
  const daysAt = async (ms: number) => {
    await setRedisNow(redis, ms);
    return (await wrong.uptimes.told([key])).flatMap(({ days }) => days.map(({ day }) => day));
  };
  await setRedisNow(redis, MIDNIGHT - 60 * SECOND);
  await wrong.visors.beat({ key, intervalMs: REGISTRATION_BEAT_MS });
  assert.deepEqual(await daysAt(MIDNIGHT - 30 * SECOND), ["2026-06-10"]);
  await wrong.visors.beat({ key, intervalMs: REGISTRATION_BEAT_MS });
  await setRedisNow(redis, MIDNIGHT);
  await wrong.visors.beat({ key, intervalMs: REGISTRATION_BEAT_MS });
  assert.deepEqual(
    await daysAt(MIDNIGHT),
    ["2026-06-10", "2026-06-11"],
    "read anew, its own clock stands still",
  );
  wrong.clock.setWallMs(MIDNIGHT + 3 * DAY_MS);
  assert.deepEqual(await daysAt(MIDNIGHT + 1), ["2026-06-10", "2026-06-11"]);
});

onRedis("a clock that leaps forward, of Redis or of an instance, is the end of no day", async (redis) => {
  await using one = await Instance.on(redis);
  const key = pair("alice").publicKey;
  const beat = async (ms: number) => {
    await setRedisNow(redis, ms);
    return await one.visors.beat({ key, intervalMs: REGISTRATION_BEAT_MS, address: "203.0.113.7" });
  };
  const forgets = async (redisMs: number, ownMs: number) => {
    await setRedisNow(redis, redisMs);
    one.clock.setWallMs(ownMs);
    await forgetOld(one.visors, one.clock);
    return (await one.visors.days("0000", "9999")).map(({ day }) => day);
  };
  for (const at of [0, 1]) await beat(MIDNIGHT + at * DAY_MS);
  const nowMs = MIDNIGHT + DAY_MS + HOUR;
  const days = ["2026-06-11", "2026-06-12"];
  assert.deepEqual(await forgets(nowMs + 400 * DAY_MS, nowMs), days, "Redis'");
  assert.deepEqual(await forgets(nowMs, nowMs + 400 * DAY_MS), days, "its own");
  assert.deepEqual(await forgets(nowMs - 400 * DAY_MS, nowMs - 400 * DAY_MS), days);
  assert.equal((await one.visors.addresses()).length, 1);
  assert.equal(await beat(nowMs + 9 * DAY_MS), "counted");
  assert.equal(await beat(nowMs), "counted", "and it is set back");
  assert.equal(await beat(nowMs + 60 * SECOND), "seen");
  assert.deepEqual((await one.visors.days(days[0]!, days[1]!)).map(({ beats }) => beats), [1, 2]);
  const later = nowMs + 7 * DAY_MS;
  assert.deepEqual(await forgets(later, later), ["2026-06-12", "2026-06-21"], "too old by both");
});

/** Lines of a log: their level, and by how much a clock is ahead. */
function kept(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const sink = ({ level, fields }: LogRecord) => lines.push(`${level} ${fields.aheadMs ?? ""}`.trim());
  return { log: logTo(sink, () => 0), lines };
}

onRedis("a clock that is not that of Redis is told of once, and again when that changes", async (redis) => {
  const { log, lines } = kept();
  await using one = await Instance.on(redis, log);
  const asks = [
    () => one.visors.nowMs(),
    () => one.visors.clockAheadMs(),
    () => one.visors.beat({ key: pair("alice").publicKey, intervalMs: 1 }),
  ];
  let asked = 0;
  const ahead = async (ms: number) => {
    one.clock.setWallMs(MIDNIGHT + ms);
    for (let time = 0; time < 2; time++) await asks[asked++ % asks.length]!();
    return lines.splice(0);
  };
  await setRedisNow(redis, MIDNIGHT);
  assert.deepEqual(await ahead(CLOCK_DIFFERENCE_MAX_MS), []);
  assert.deepEqual(await ahead(CLOCK_DIFFERENCE_MAX_MS + 1), ["warn 5001"]);
  assert.deepEqual(await ahead(CLOCK_DIFFERENCE_MAX_MS - 1), [], "it does not flutter");
  assert.deepEqual(await ahead(2 * CLOCK_DIFFERENCE_MAX_MS + 2), ["warn 10002"]);
  assert.deepEqual(await ahead(-61_000), ["warn -61000"]);
  assert.equal(await one.visors.clockAheadMs(), -61_000);
  assert.deepEqual(await ahead(-58_000), []);
  assert.deepEqual(await ahead(1_000), ["info"]);
  assert.deepEqual(await ahead(0), []);
});

Deno.test("the time that an answer took is no difference of clocks", async () => {
  const { log, lines } = kept();
  let nowMs = MIDNIGHT;
  const watch = new ClockWatch({ clock: { wallMs: () => nowMs, monotonicMs: () => 0 }, log });
  const answered = async (redisMs: number, tookMs: number) => {
    nowMs = MIDNIGHT;
    assert.equal(
      await watch.asking(() => Promise.resolve(nowMs += tookMs), () => redisMs),
      MIDNIGHT + tookMs,
    );
    return watch.aheadMs;
  };
  assert.deepEqual([await answered(MIDNIGHT, 60_000), await answered(MIDNIGHT + 60_000, 60_000)], [0, 0]);
  assert.deepEqual(lines, []);
  assert.equal(await answered(MIDNIGHT - 7_000, 60_000), 7_000);
  assert.equal(await answered(MIDNIGHT + 70_000, 60_000), -10_000);
  assert.deepEqual(lines, ["warn 7000", "warn -10000"]);
  await assert.rejects(watch.asking(() => Promise.reject(new Error("silent")), () => 0), /silent/);
});

Deno.test("in SQLite it is this machine's clock", async () => {
  const clock = new VirtualClock({ wallMs: MIDNIGHT });
  await using store = new SqliteUptimeStore({ clock });
  clock.setWallMs(MIDNIGHT + 61_000);
  assert.deepEqual([await store.nowMs(), await store.clockAheadMs()], [MIDNIGHT + 61_000, 0]);
});
