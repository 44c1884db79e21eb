/** Uptimes of several kinds in one SQLite file, and how many there are after a restart. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Ledger } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { dayOf, openUptimeStore } from "../../../lib/services/store/mod.ts";
import { setRedisNow } from "../../support/redis_time.ts";
import { onRedis } from "./store_under_test.ts";

const world = () => ({ clock: new VirtualClock({ wallMs: 1_795_245_178_000 }), ledger: new Ledger() });

Deno.test("a restart counts the visors that are there", async () => {
  const folder = await Deno.makeTempDir();
  const { clock, ledger } = world();
  const beat = { intervalMs: 1, visorsMax: 1 };
  for (const result of ["counted", "full"]) {
    await using store = await openUptimeStore<string>(`${folder}/store.db`, { clock, ledger });
    assert.equal(await store.beat({ ...beat, key: result }), result);
  }
  assert.deepEqual(ledger.live(), {});
  await Deno.remove(folder, { recursive: true });
});

Deno.test("uptimes of trackers, visors and transports share a file, and nothing else", async () => {
  const folder = await Deno.makeTempDir();
  const { clock, ledger } = world();
  for (const kind of ["uptime", "visor_uptime", "transport_uptime", "service_uptime"] as const) {
    await using store = await openUptimeStore<string>(`${folder}/store.db`, { clock, ledger }, { of: kind });
    assert.deepEqual(await store.visors(), []);
    assert.equal(
      await store.beat({ key: "a", intervalMs: 1_000, version: kind }),
      "counted",
    );
    assert.deepEqual((await store.visors()).map(({ version }) => version), [kind]);
  }
  assert.deepEqual(ledger.live(), {});
  await Deno.remove(folder, { recursive: true });
});

/** What a visor has that was counted at `atMs` before there was a rest, and goes on beating each 60 s. */
async function goesOn(
  name: string,
  atMs: number,
  setNow: (ms: number) => Promise<unknown> = () => Promise.resolve(),
): Promise<void> {
  const { clock, ledger } = world();
  const nowMs = atMs + 10 * 60_000;
  clock.setWallMs(nowMs);
  await setNow(nowMs);
  {
    await using store = await openUptimeStore<string>(name, { clock, ledger }, { of: "visor_uptime" });
    assert.deepEqual(await store.visors(), [{ key: "old", version: "v1", lastSeenMs: atMs + 30_000 }]);
    const beats = Array.from({ length: 10 }, (_, at) => {
      return { key: "old", agoMs: nowMs - (atMs + (at + 1) * 60_000), intervalMs: 90_000 };
    });
    await store.beats(beats);
    assert.equal((await store.days(dayOf(atMs), dayOf(atMs)))[0]!.beats, 6, "10 min");
    assert.deepEqual(await store.visors(), [{ key: "old", version: "v1", lastSeenMs: nowMs }]);
  }
  assert.deepEqual(ledger.live(), {});
}

Deno.test("a file of before all time was counted is taken as it is", async () => {
  const folder = await Deno.makeTempDir();
  const atMs = Date.UTC(2026, 5, 10, 12);
  const file = new DatabaseSync(`${folder}/store.db`);
  file.exec(`CREATE TABLE visor_uptime_visors (
    key TEXT PRIMARY KEY, version TEXT, seen_ms INTEGER NOT NULL, counted_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID`);
  file.prepare("INSERT INTO visor_uptime_visors VALUES (?, ?, ?, ?)").run("old", "v1", atMs + 30_000, atMs);
  file.close();
  await goesOn(`${folder}/store.db`, atMs);
  await Deno.remove(folder, { recursive: true });
});

onRedis("a Redis of before all time was counted is taken as it is", async (redis) => {
  const atMs = Date.UTC(2026, 5, 10, 12);
  await redis.client.call("SET", "skyctl:visor-uptime:visor:old", `${atMs + 30_000} ${atMs} =v1`);
  await redis.client.call("ZADD", "skyctl:visor-uptime:visors", `${atMs + 30_000}`, "old");
  await goesOn(redis.url, atMs, (ms) => setRedisNow(redis, ms));
});

onRedis(
  "an instance of before all time was counted goes on beside one of now, and each reads the other's",
  async (redis) => {
    const { ledger, clock } = world();
    const atMs = Date.UTC(2026, 5, 10, 12);
    const key = "skyctl:visor-uptime:visor:one";
    {
      await using store = await openUptimeStore<string>(redis.url, { clock, ledger }, { of: "visor_uptime" });
      const beat = async (second: number) => {
        await setRedisNow(redis, atMs + second * 1_000);
        return await store.beat({
          key: "one",
          intervalMs: 90_000,
          version: second === 0 ? "v2 =x\n3" : undefined,
        });
      };
      assert.deepEqual([await beat(0), await beat(60)], ["counted", "seen"]);
      assert.equal(await redis.client.get(key), `${atMs + 60_000} ${atMs + 60_000} =v2 =x\n3`);
      await redis.client.set(key, `${atMs + 70_000} ${atMs + 60_000} =v2 =x\n3`); // its beat, 10 s later
      assert.equal((await store.visors())[0]!.lastSeenMs, atMs + 70_000);
      assert.equal(await beat(90), "counted", "the minute before is not lost");
      assert.equal((await store.visors())[0]!.version, "v2 =x\n3");
      assert.equal(await redis.client.hget("skyctl:visor-uptime:rests", "one"), "0");
      await store.forget({ day: "2026-06-11", month: "2026-06" });
      assert.deepEqual(await redis.client.keys("skyctl:*"), [], "what was apart is forgotten, too");
    }
    assert.deepEqual(ledger.live(), {});
  },
);

onRedis("who makes room leaves nothing behind", async (redis) => {
  await using store = await openUptimeStore<string>(redis.url, world(), { of: "visor_uptime" });
  for (const key of ["one", "other"]) {
    assert.equal(await store.beat({ key, intervalMs: 90_000, visorsMax: 1, makesRoom: true }), "counted");
  }
  assert.deepEqual(await redis.client.hkeys("skyctl:visor-uptime:rests"), ["other"]);
});
