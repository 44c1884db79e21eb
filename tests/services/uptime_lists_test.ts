/** Lists of many visors: read and told in parts, between which the process does whatever else there is (SV-7). */
import assert from "node:assert/strict";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { SLOTS_OF_DAY, StoreError, type UptimeStore } from "../../lib/services/store/mod.ts";
import { createUptimeTracker } from "../../lib/services/uptime_tracker/mod.ts";
import { PackedDays } from "../../lib/services/uptimes/_packed_days.ts";
import {
  answerUptimes,
  LIST_KEPT_MS,
  PART_VISORS,
  TURN_MS,
  Uptimes,
} from "../../lib/services/uptimes/mod.ts";
import * as support from "./many_visors.ts";
import {
  COUNT,
  DAYS,
  keyOf,
  ManyVisors,
  NOON_MS,
  numberOf,
  partsOf,
  question,
  same,
  whole,
} from "./many_visors.ts";

/** Counts the turns of the event loop that are waited for: each is a timer of no time. */
function turnsOf(clock: VirtualClock): { count: number } {
  const turns = { count: 0 };
  const timer = clock.timer.bind(clock);
  clock.timer = (delayMs, fire) => (turns.count += delayMs === 0 ? 1 : 0, timer(delayMs, fire));
  return turns;
}

/** A clock by which each look at it comes so much later: as if there had been work. */
function working(clock: VirtualClock, work: { msPerLook: number }): void {
  let workedMs = 0;
  const monotonicMs = clock.monotonicMs.bind(clock);
  clock.monotonicMs = () => monotonicMs() + (workedMs += work.msPerLook);
}

function many(count = COUNT) {
  const clock = new VirtualClock({ wallMs: NOON_MS });
  const visors = new ManyVisors(clock, count);
  const turns = turnsOf(clock);
  const work = { msPerLook: 0 };
  working(clock, work);
  const uptimes = new Uptimes({ store: visors.store, clock, beatsOfDay: 288, online: 360_000 });
  const soon = <T>(work: Promise<T>) => support.soon(clock, work);
  const ask = (query = "") => soon(answerUptimes(uptimes, query));
  return { clock, visors, turns, work, uptimes, soon, ask };
}

Deno.test("a list of many visors is what one of a few is, in each version, whoever is wanted of them", async () => {
  const { visors, ask, soon } = many();
  const told = async (query: string) => await soon(whole(await ask(query)));
  for (const version of ["v1", "v2", "v3"] as const) {
    same(await told(`v=${version}`), visors.listed(version));
  }
  const on = visors.keys.filter((key) => visors.isOn(key));
  const off = visors.keys.filter((key) => !visors.isOn(key));
  same(await told("v=v2&status=on"), visors.listed("v2", on));
  same(await told("v=v2&status=off"), visors.listed("v2", off));
  const startDate = Date.UTC(2026, 10, 20) / 1_000;
  const [first] = JSON.parse(await told(`v=v3&startDate=${startDate}`));
  assert.deepEqual(Object.keys(first.daily), ["2026-11-20"]);
  assert.deepEqual(Object.keys(first.timeline), ["2026-11-20"]);
  assert.equal(await told(`v=v3&endDate=${startDate - 30 * 86_400}`), "[]\n");
  visors.keys = on;
  assert.equal((await told("v=v2")).length > 3, true);
});

Deno.test("of many visors none is off: null, as of a few; and each of the others comes once when the first parts have none", async () => {
  const { visors, uptimes, clock, ask, soon } = many();
  visors.isOn = () => true;
  assert.equal(await soon(whole(await ask("status=off"))), "null\n");
  visors.isOn = (key) => numberOf(key) < 2 * (COUNT - 1);
  await clock.advance(LIST_KEPT_MS);
  same(await soon(whole(await ask("status=off"))), visors.listed("v1", visors.keys.slice(-1)));
  assert.equal((await uptimes.everybody()).length, COUNT);
});

Deno.test("a short list is one text, made of what is there now", async () => {
  const { visors, ask, turns } = many(PART_VISORS);
  for (const version of ["v1", "v2", "v3"] as const) {
    const { body, parts } = await ask(`v=${version}`);
    assert.deepEqual([body, parts], [visors.listed(version), undefined]);
  }
  assert.deepEqual([turns.count, visors.readings], [0, 4], "of days, and of each list");
});

Deno.test("days of many are read some at a time, each in a turn of its own, and kept in 38 bytes", async () => {
  const { visors, uptimes, turns, work, soon } = many();
  work.msPerLook = TURN_MS;
  await soon(uptimes.everybody());
  assert.deepEqual(visors.pages, [...Array(5).fill(PART_VISORS), 7]);
  assert.equal(turns.count, 5);
  const days = new PackedDays(visors.keys, visors.names(), 288);
  for (const day of await visors.days("2000-01-01", "3000-01-01")) days.add(day);
  assert.equal(days.bytes, COUNT * DAYS * 38);
  assert.equal(days.of(keyOf(1)).length, 0);
  days.add({ key: keyOf(1), day: "2026-11-20", beats: 1, slots: new Uint8Array(36) });
  days.add({ key: keyOf(0), day: "2026-11-01", beats: 1, slots: new Uint8Array(36) });
  assert.deepEqual(
    [days.of(keyOf(1)).length, days.of(keyOf(0)).length],
    [0, DAYS],
    "strangers are passed over",
  );
});

Deno.test("beats of a day: none is a day, more than there are in one are all of it, a day without any is none", () => {
  const slots = new Uint8Array(SLOTS_OF_DAY / 8);
  const days = new PackedDays([keyOf(0)], ["2026-11-18", "2026-11-19", "2026-11-20"], 960);
  days.add({ key: keyOf(0), day: "2026-11-18", beats: 0, slots });
  days.add({ key: keyOf(0), day: "2026-11-20", beats: 0xffff, slots: slots.with(35, 1) });
  assert.deepEqual(days.of(keyOf(0)), [
    { day: "2026-11-18", percent: "0.00", slots },
    { day: "2026-11-20", percent: "100.00", slots: slots.with(35, 1) },
  ]);
});

Deno.test("while a long list is read, and while it is told, the service answers others", async () => {
  const { clock, visors } = many();
  const check = () => Promise.resolve();
  const store = Object.assign(visors, { check }) as unknown as UptimeStore;
  const api = createUptimeTracker({ store, world: { clock }, settings: { listsPerMinute: 0 } });
  let isAnswered = false;
  const list = api(question("/uptimes", "v=v2")).finally(() => isAnswered = true);
  assert.equal((await api(question("/health"))).status, 200);
  assert.equal(isAnswered, false);
  await clock.advance(0);
  const reader = (await list).parts!();
  let isTold = false;
  const told = partsOf(reader).finally(() => isTold = true);
  assert.equal((await api(question("/health"))).status, 200);
  assert.equal(isTold, false);
  await clock.advance(0);
  assert.equal((await told).length, Math.ceil(COUNT / PART_VISORS));
});

Deno.test("parts that take a turn each are made in turns of their own, however many read lists", async () => {
  const { clock, turns, work, soon, ask } = many();
  const answer = await ask("v=v3");
  turns.count = 0;
  work.msPerLook = TURN_MS;
  const readers = [answer.parts!(), answer.parts!(), answer.parts!()];
  let parts = 0;
  for (const reader of readers) void reader.read().then(() => parts++);
  await settled(() => parts === 1);
  assert.equal(clock.pendingTimers, 1, "that the loop is round");
  for (let microtask = 0; microtask < 100; microtask++) await undefined;
  assert.equal(parts, 1, "the next one is not made before");
  await clock.advance(0);
  assert.deepEqual([turns.count, parts], [3, 3]);
  const lists = await soon(Promise.all(readers.map(partsOf)));
  assert.ok(lists.every((list) => list.join("") === lists[0]!.join("")));
  assert.equal(turns.count, 3 * Math.ceil(COUNT / PART_VISORS) - 1, "nothing follows the last one");
});

Deno.test("requests at once share one reading; a long list is kept for a moment, a failed one is not", async () => {
  const { clock, visors, soon, ask, uptimes } = many();
  await soon(
    Promise.all(
      ["v=v1", "v=v2", "v=v3", "status=on", "startDate=1"].map((query) => answerUptimes(uptimes, query)),
    ),
  );
  assert.equal(visors.readings, 2, "one of the days, one of who is there");
  await clock.advance(LIST_KEPT_MS - 1);
  await ask("v=v2&status=off");
  assert.equal(visors.readings, 2);
  await clock.advance(1);
  await ask("v=v2");
  assert.equal(visors.readings, 3);
  await clock.advance(LIST_KEPT_MS);
  visors.failure = new StoreError("gone");
  await assert.rejects(ask(), StoreError);
  visors.failure = undefined;
  visors.keys = visors.keys.slice(0, -1);
  same(await soon(whole(await ask())), visors.listed("v1"));
});

Deno.test("a long list is read anew at midnight", async () => {
  const { clock, visors, ask } = many();
  await clock.advance(12 * 3_600_000 - 2);
  await ask();
  const { readings } = visors;
  await clock.advance(1);
  await ask();
  assert.equal(visors.readings, readings);
  await clock.advance(1);
  await ask();
  assert.equal(visors.readings, readings + 2);
});

Deno.test("whoever asks after midnight is not told what is read since before", async () => {
  const { clock, visors, uptimes } = many();
  const early = uptimes.everybody();
  await settled(() => visors.pages.length === 1);
  clock.setWallMs(NOON_MS + 12 * 3_600_000);
  const late = uptimes.everybody();
  await clock.advance(0);
  const lastDays = [];
  for (const list of [await early, await late]) lastDays.push(list[0]!.days.at(-1)!.day);
  assert.deepEqual(lastDays, ["2026-11-20", "2026-11-21"]);
  assert.equal((await uptimes.everybody())[0]!.days.at(-1)!.day, "2026-11-21");
});

/** Until `isSo`, by microtasks alone. */
async function settled(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100 && !isSo(); turn++) await undefined;
  assert.ok(isSo());
}

Deno.test("a slow reader goes on in the newest list behind whom it was told of last", async () => {
  const { clock, visors, soon, ask } = many();
  const reader = (await ask()).parts!();
  const first = await soon(reader.read());
  const told = visors.keys.slice(0, PART_VISORS);
  const [gone, goneLast] = [visors.keys[3]!, told.at(-1)!];
  const [early, late] = [keyOf(1), keyOf(2 * PART_VISORS + 1)];
  visors.keys = [...visors.keys, early, late].filter((key) => key !== gone && key !== goneLast).sort();
  await clock.advance(LIST_KEPT_MS);
  await ask();
  const rest = await soon(partsOf(reader));
  const list = JSON.parse([new TextDecoder().decode(first!), ...rest].join("")) as { key: PublicKey }[];
  assert.deepEqual(
    list.map(({ key }) => key),
    [...told, ...visors.keys.filter((key) => key > goneLast)],
  );
  assert.equal(list.filter(({ key }) => key === late).length, 1);
});

Deno.test("a slow reader of a list that has become short comes to its end", async () => {
  const { clock, visors, soon, ask } = many();
  const reader = (await ask()).parts!();
  const first = new TextDecoder().decode((await soon(reader.read()))!);
  visors.keys = [];
  await clock.advance(LIST_KEPT_MS);
  await ask();
  same(first + (await soon(partsOf(reader))).join(""), visors.listed("v1", manyKeys(PART_VISORS)));
});

const manyKeys = (count: number) => Array.from({ length: count }, (_, at) => keyOf(2 * at));
