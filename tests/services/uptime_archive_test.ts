/** archiveYesterday(): the file of a day is written once, and not before the day is surely over for everybody. */
import assert from "node:assert/strict";
import { Ledger } from "../../lib/base/mod.ts";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { DAY_MS, openUptimeStore } from "../../lib/services/store/mod.ts";
import { archiveYesterday } from "../../lib/services/uptime_tracker/_archive.ts";
import { BEAT_MS, BEATS_OF_DAY } from "../../lib/services/uptime_tracker/mod.ts";
import { DAYS_CACHE_MS, PART_VISORS, Uptimes } from "../../lib/services/uptimes/mod.ts";
import { keyOf, soon } from "./many_visors.ts";
import { pair } from "./service_support.ts";

const MIDNIGHT = Date.UTC(2026, 5, 11);

/** Files that are written once. */
function folder(): { files: World["files"]; written: Map<string, string> } {
  const written = new Map<string, string>();
  const files = {
    info: (path: string) => Promise.resolve(written.has(path) ? {} : undefined),
    makeDirectory: () => Promise.resolve(),
    write: (path: string, bytes: Uint8Array) => {
      assert(!written.has(path), "once");
      written.set(path, new TextDecoder().decode(bytes));
      return Promise.resolve();
    },
  } as unknown as World["files"];
  return { files, written };
}

const outside = <T>(work: () => Promise<T>) => work();

Deno.test("a day's file waits five minutes for what was held back", async () => {
  const clock = new VirtualClock({ wallMs: MIDNIGHT - 60_000 });
  await using store = await openUptimeStore("memory", { clock, ledger: new Ledger() });
  const { files, written } = folder();
  const world = { clock, files, outside };
  const uptimes = new Uptimes({ store, clock, beatsOfDay: BEATS_OF_DAY, online: 1_000 });
  const archive = () => archiveYesterday(uptimes, { world, folder: "days" });
  const path = "days/2026-06-10-uptime-data.json";

  const [early, late] = ["early", "late"].map((name) => pair(name).publicKey);
  await store.beat({ key: early!, intervalMs: BEAT_MS });
  await archive();
  await clock.advance(60_000);
  await archive();
  // One that an instance held back.
  await store.beat({ key: late!, agoMs: clock.wallMs() - MIDNIGHT + 1_000, intervalMs: BEAT_MS });
  await clock.advance(DAYS_CACHE_MS - 1);
  await archive();
  assert(!written.has(path), "not yet");
  await clock.advance(1);
  for (let time = 0; time < 2; time++) await archive();
  const told = JSON.parse(written.get(path)!) as { pk: string; daily: object }[];
  const daily = { "2026-06-10": "0.35" };
  assert.deepEqual(
    new Map(told.map((visor) => [visor.pk, visor.daily])),
    new Map([[early, daily], [late, daily]]),
  );
});

Deno.test("a day's file is JSON when hundreds in a row were not up on it", async () => {
  const clock = new VirtualClock({ wallMs: MIDNIGHT - DAY_MS - 60_000 });
  await using store = await openUptimeStore("memory", { clock, ledger: new Ledger() });
  const { files, written } = folder();
  const uptimes = new Uptimes({ store, clock, beatsOfDay: BEATS_OF_DAY, online: 1_000 });
  const beat = (keys: PublicKey[]) => store.beats(keys.map((key) => ({ key, intervalMs: BEAT_MS })));
  const keys = Array.from({ length: 3 * PART_VISORS }, (_, at) => keyOf(at));
  await beat(keys);
  clock.setWallMs(MIDNIGHT - 60_000);
  const there = [...keys.slice(0, 2), ...keys.slice(-2)];
  await beat(there);
  clock.setWallMs(MIDNIGHT + DAYS_CACHE_MS);
  await soon(clock, archiveYesterday(uptimes, { world: { clock, files, outside }, folder: "days" }));
  const told = JSON.parse(written.get("days/2026-06-10-uptime-data.json")!) as { pk: string }[];
  assert.deepEqual(told.map(({ pk }) => pk), there);
});

Deno.test("no day's file is written while the store's clock and the machine's are not of one day", async () => {
  const [clock, own] = [MIDNIGHT + 10 * DAYS_CACHE_MS, MIDNIGHT].map((wallMs) =>
    new VirtualClock({ wallMs })
  );
  await using store = await openUptimeStore("memory", { clock: clock!, ledger: new Ledger() });
  const { files, written } = folder();
  const uptimes = new Uptimes({ store, clock: own!, beatsOfDay: BEATS_OF_DAY, online: 1_000 });
  const days: string[] = [];
  for (const ownMs of [MIDNIGHT + 9 * DAY_MS, MIDNIGHT - 1, MIDNIGHT + DAY_MS, MIDNIGHT]) {
    own!.setWallMs(ownMs);
    await archiveYesterday(uptimes, { world: { clock: own!, files, outside }, folder: "days" });
    days.push([...written.keys()].join());
  }
  assert.deepEqual(days, ["", "", "", "days/2026-06-10-uptime-data.json"]);
});
