/** Turns of long work, and text that is kept of it (SV-7). */
import assert from "node:assert/strict";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { StoreError } from "../../lib/services/store/mod.ts";
import { DayCache } from "../../lib/services/uptimes/_days.ts";
import { KeptText, TextRoom } from "../../lib/services/uptimes/_kept_text.ts";
import { PartsReader } from "../../lib/services/uptimes/_parts.ts";
import { Turns } from "../../lib/services/uptimes/_turns.ts";
import { jsonList, PART_VISORS, TURN_MS, Uptimes } from "../../lib/services/uptimes/mod.ts";
import { COUNT, keyOf, ManyVisors, NOON_MS, partsOf, soon } from "./many_visors.ts";

/** Turns by a clock that work moves on. */
function worked() {
  const clock = new VirtualClock();
  let workedMs = 0;
  const monotonicMs = clock.monotonicMs.bind(clock);
  clock.monotonicMs = () => monotonicMs() + workedMs;
  return { clock, turns: new Turns(clock), work: (ms: number) => workedMs += ms };
}

async function settled(): Promise<void> {
  for (let microtask = 0; microtask < 500; microtask++) await undefined;
}

Deno.test("a turn is 5 ms of work of all who wait together; then the loop goes round once", async () => {
  const { clock, turns, work } = worked();
  const done: string[] = [];
  const readers = Array.from({ length: 50 }, async (_, reader) => {
    for (let part = 0; part < 4; part++) {
      await turns.run(() => (work(2), done.push(`${reader}.${part}`)), { isLast: part === 3 });
    }
  });
  const perTurn = Math.ceil(TURN_MS / 2);
  await settled();
  assert.equal(done.length, perTurn);
  assert.deepEqual(done, ["0.0", "1.0", "2.0"], "each in turn");
  let rounds = 1;
  for (; done.length < 200; rounds++) {
    assert.equal(clock.pendingTimers, 1, "set when the turn began");
    await clock.advance(0);
  }
  await Promise.all(readers);
  assert.ok(rounds <= Math.ceil(200 / perTurn) + 1);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("work that takes no time gives no turn up, and what is alone leaves no timer", async () => {
  const { clock, turns, work } = worked();
  for (let part = 0; part < 100; part++) await turns.run(() => part, { isLast: part === 99 });
  assert.equal(clock.pendingTimers, 0);
  await turns.run(() => work(TURN_MS), { isLast: true });
  assert.equal(
    await turns.run(() => Promise.resolve("it is a turn of its own"), { isLast: true }),
    "it is a turn of its own",
  );
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("that the loop is round is found out while the work is done, not after it", async () => {
  const { clock, turns, work } = worked();
  await turns.run(() => work(TURN_MS), { isLast: false });
  assert.equal(clock.pendingTimers, 1);
  await clock.advance(0);
  await turns.run(() => work(TURN_MS), { isLast: true });
  assert.equal(clock.pendingTimers, 0, "nobody waited for another one");
});

Deno.test("a part that fails holds up nobody", async () => {
  const { turns } = worked();
  const fails = turns.run(() => {
    throw new StoreError("gone");
  }, { isLast: true });
  const next = turns.run(() => 1, { isLast: true });
  await assert.rejects(fails, StoreError);
  assert.equal(await next, 1);
});

/** Readers of one list with what is kept of it. */
function readers(bytesMax: number) {
  const clock = new VirtualClock();
  const room = new TextRoom(bytesMax);
  const kept = new KeptText(room);
  const list = { items: Array.from({ length: 10 }, (_, at) => ({ key: keyOf(at) as string })) };
  let made = 0;
  const text = jsonList<{ key: string }>((item) => (made++, item));
  const reader = () =>
    new PartsReader(text, { newest: () => list.items, turns: new Turns(clock), partItems: 2, kept });
  const all = async (from = reader(), before = "") =>
    JSON.parse(before + (await soon(clock, partsOf(from))).join("")) as { key: string }[];
  const next = async (from: PartsReader<{ key: string }>) =>
    new TextDecoder().decode((await soon(clock, from.read()))!);
  return { clock, room, kept, list, reader, all, next, made: () => made };
}

Deno.test("a list is made once for all who read it while its text is kept", async () => {
  const { all, made, room, kept, list } = readers(10_000);
  const [one, other] = await Promise.all([all(), all()]);
  assert.deepEqual([one, other, await all()], Array(3).fill(list.items));
  assert.equal(made(), 10);
  assert.equal(room.left, 10_000 - JSON.stringify(list.items).length - 1);
  kept.giveUp();
  kept.giveUp();
  assert.equal(room.left, 10_000);
  assert.deepEqual(await all(), list.items);
  assert.deepEqual([made(), room.left], [20, 10_000], "nothing is kept after it");
});

Deno.test("of text that has no room the beginning is kept, and the rest made anew for each", async () => {
  const partBytes = JSON.stringify([{ key: keyOf(0) }, { key: keyOf(1) }]).length;
  const { all, made, list, room } = readers(2 * partBytes);
  for (let time = 1; time <= 3; time++) {
    assert.deepEqual(await all(), list.items);
    assert.equal(made(), 4 + 6 * time);
  }
  assert.ok(room.left >= 0);
});

Deno.test("a reader whose list is given up goes on behind whom it was told of last", async () => {
  const { all, next, reader, kept, list } = readers(10_000);
  await all();
  const slow = reader();
  const begun = await next(slow);
  kept.giveUp();
  const told = list.items.slice(0, 2);
  list.items = list.items.filter(({ key }) => key !== keyOf(2) && key !== keyOf(1));
  assert.deepEqual(await all(slow, begun), [...told, ...list.items.slice(1)]);
});

Deno.test("a reader that made a part for itself takes none of what others keep behind theirs", async () => {
  const partBytes = JSON.stringify([{ key: keyOf(0) }, { key: keyOf(1) }]).length;
  const { all, next, reader, room, list } = readers(partBytes);
  const alone = reader();
  const begun = await next(alone) + await next(alone); // of the second nothing was kept
  const old = list.items;
  list.items = old.filter(({ key }) => key !== keyOf(2));
  room.give(10_000);
  assert.deepEqual(await all(), list.items, "its parts end elsewhere");
  assert.deepEqual(await all(alone, begun), old);
});

/** Two readings under way, of the days before and after midnight, that end when the test lets them. */
async function overMidnight() {
  const clock = new VirtualClock({ wallMs: NOON_MS });
  const visors = new ManyVisors(clock, COUNT);
  const held: PromiseWithResolvers<void>[] = [];
  const online = async () => {
    held.push(Promise.withResolvers<void>());
    await held.at(-1)!.promise;
    return () => true;
  };
  const uptimes = new Uptimes({ store: visors.store, clock, beatsOfDay: 288, online });
  const early = uptimes.everybody();
  await clock.advance(0);
  clock.setWallMs(NOON_MS + 12 * 3_600_000);
  const late = uptimes.everybody();
  await clock.advance(0);
  return { clock, held, uptimes, early, late };
}

Deno.test("a reading of before midnight that ends last does not replace the list of today", async () => {
  const { clock, held, uptimes, early, late } = await overMidnight();
  const joined = uptimes.everybody();
  held[0]!.resolve();
  await early;
  const again = uptimes.everybody(); // the reading of today is under way still
  await clock.advance(0);
  assert.equal(held.length, 2);
  held[1]!.resolve();
  assert.equal(await late, await joined);
  assert.equal(await late, await again);
  assert.equal(await uptimes.everybody(), await late);
});

Deno.test("the list of today stays though a reading of before midnight ends after it", async () => {
  const { held, uptimes, early, late } = await overMidnight();
  held[1]!.resolve();
  const today = await late;
  held[0]!.resolve();
  await early;
  assert.equal(await uptimes.everybody(), today);
  assert.equal(held.length, 2);
});

Deno.test("days that could not be read before midnight take nothing of those of today", async () => {
  const clock = new VirtualClock({ wallMs: NOON_MS });
  const visors = new ManyVisors(clock, PART_VISORS);
  const asked: PromiseWithResolvers<void>[] = [];
  const { days } = visors;
  visors.days = (async (first: string, last: string, keys?: readonly PublicKey[]) => {
    asked.push(Promise.withResolvers<void>());
    await asked.at(-1)!.promise;
    return await days.call(visors, first, last, keys);
  }) as typeof days;
  const cache = new DayCache(visors.store, clock, 288);
  const early = cache.days();
  await clock.advance(0);
  clock.setWallMs(NOON_MS + 12 * 3_600_000);
  const late = cache.days();
  await clock.advance(0);
  asked[0]!.reject(new StoreError("gone"));
  await assert.rejects(early, StoreError);
  asked[1]!.resolve();
  assert.equal(await cache.days(), await late);
  assert.equal(asked.length, 2);
});
