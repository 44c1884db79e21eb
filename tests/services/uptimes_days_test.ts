/** DayCache: days are read seldom, and what is told of a day that is over is all of it (SV-7). */
import assert from "node:assert/strict";
import { Ledger } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { openUptimeStore } from "../../lib/services/store/mod.ts";
import { DAYS_CACHE_MS, Uptimes } from "../../lib/services/uptimes/mod.ts";
import { pair } from "./service_support.ts";

const BEFORE_MIDNIGHT_MS = Date.UTC(2026, 10, 20, 23, 57);

Deno.test("a day is told whole as soon as it is over, however lately it was read", async () => {
  const clock = new VirtualClock({ wallMs: BEFORE_MIDNIGHT_MS });
  await using store = await openUptimeStore("memory", { clock, ledger: new Ledger() });
  const uptimes = new Uptimes({ store, clock, beatsOfDay: 960, online: 60_000 });
  const { publicKey: key } = pair("alice");
  const told = async () => {
    const [visor] = await uptimes.told([key]);
    return visor!.days.map(({ day, percent }) => `${day} ${percent}`);
  };
  const beat = () => store.beat({ key, intervalMs: 60_000, visorsMax: 10 });
  await beat();
  assert.deepEqual(await told(), ["2026-11-20 0.10"]);
  await clock.advance(2 * 60_000);
  await beat();
  assert.deepEqual(await told(), ["2026-11-20 0.10"], "read a moment ago");
  await clock.advance(60_000);
  assert.deepEqual(await told(), ["2026-11-20 0.21"], "it is midnight");
  await beat();
  assert.deepEqual(await told(), ["2026-11-20 0.21"]);
  await clock.advance(DAYS_CACHE_MS);
  assert.deepEqual(await told(), ["2026-11-20 0.21", "2026-11-21 0.10"]);
});

Deno.test("whoever was seen last before the clock was set back is online no longer for that", async () => {
  const clock = new VirtualClock({ wallMs: BEFORE_MIDNIGHT_MS });
  await using store = await openUptimeStore("memory", { clock, ledger: new Ledger() });
  const onlineMs = 6 * 60_000;
  const uptimes = new Uptimes({ store, clock, beatsOfDay: 288, online: onlineMs });
  const keys = ["gone", "there"].map((name) => pair(name).publicKey);
  const online = async () => (await uptimes.told(keys)).map(({ isOnline }) => isOnline);
  const beat = (key: typeof keys[0]) => store.beat({ key, intervalMs: 60_000, visorsMax: 10 });
  for (const key of keys) await beat(key);
  assert.deepEqual(await online(), [true, true]);
  clock.setWallMs(clock.wallMs() - 60 * 60_000);
  await beat(keys[1]!);
  assert.deepEqual(await online(), [false, true]);
  await clock.advance(onlineMs);
  assert.deepEqual(await online(), [false, false]);
});
