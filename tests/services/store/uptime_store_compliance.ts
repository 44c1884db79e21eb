/** What every UptimeStore does. */
import assert from "node:assert/strict";
import type { PublicKey } from "../../../lib/crypto/mod.ts";
import { type Beat, SLOTS_OF_DAY, StoreError, type UptimeStore } from "../../../lib/services/store/mod.ts";
import { pair } from "../service_support.ts";
import type { Compliance, StoreUnderTest } from "./store_under_test.ts";

const [alice, bob, carol] = ["alice", "bob", "carol"].map((name) => pair(name).publicKey).sort() as [
  PublicKey,
  PublicKey,
  PublicKey,
];
const MIDNIGHT = Date.UTC(2026, 5, 10);
const MINUTE = 60_000;

/** A beat, and when the store is told of it by its own clock. */
interface BeatAt extends Beat {
  readonly atMs: number;
}

/** A store whose clock stands at the time of each beat that it is told of. */
interface TimedStore extends Omit<UptimeStore, "beat" | "beats"> {
  beat(beat: BeatAt): ReturnType<UptimeStore["beat"]>;
  /** Of several all but the latest are told late. */
  beats(beats: readonly BeatAt[]): ReturnType<UptimeStore["beats"]>;
}

interface TimedStores {
  readonly store: TimedStore;
  readonly other: TimedStore;
  setNow(ms: number): Promise<void>;
}

function timed(store: UptimeStore, setNow: (ms: number) => Promise<void>): TimedStore {
  return {
    nonces: store.nonces,
    nowMs: () => store.nowMs(),
    presentMs: () => store.presentMs(),
    clockAheadMs: () => store.clockAheadMs(),
    check: () => store.check(),
    visors: (keys) => store.visors(keys),
    days: (first, last, keys) => store.days(first, last, keys),
    addresses: (month) => store.addresses(month),
    forget: (before) => store.forget(before),
    async beat({ atMs, ...beat }) {
      await setNow(atMs);
      return await store.beat(beat);
    },
    async beats(beats) {
      const nowMs = beats.reduce((latest, { atMs }) => Math.max(latest, atMs), 0);
      await setNow(nowMs);
      return await store.beats(beats.map(({ atMs, ...beat }) => ({ ...beat, agoMs: nowMs - atMs })));
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

const beatOf = (key: PublicKey, minute: number, more: Partial<Beat> = {}): BeatAt => ({
  key,
  atMs: MIDNIGHT + minute * MINUTE,
  intervalMs: 5 * MINUTE,
  ...more,
});

/** Numbers of the slots that are set. */
function slotsIn(slots: Uint8Array): number[] {
  return Array.from({ length: SLOTS_OF_DAY }, (_, slot) => slot)
    .filter((slot) => slots[slot >> 3]! & (0x80 >> (slot & 7)));
}

const SECOND = 1_000;
const HOUR = 60 * MINUTE;
/** As a registration beats, and as a visor does at an uptime tracker. */
const KINDS = [
  { intervalMs: 90 * SECOND, earlyMs: 5 * SECOND },
  { intervalMs: 5 * MINUTE, earlyMs: 10 * SECOND },
];
type Kind = typeof KINDS[number];

/** Times in ms after midnight, from 0 to before `untilMs`, with these gaps over and over. */
function timesOf(gaps: readonly number[], untilMs = 24 * HOUR): number[] {
  const times: number[] = [];
  for (let at = 0, next = 0; at < untilMs; at += gaps[next++ % gaps.length]!) times.push(at);
  return times;
}

/** Numbers from 0 to 1 that are the same each time. */
function* fractions(seed: number): Generator<number, never> {
  for (let state = seed;;) yield (state = state * 48_271 % 2_147_483_647) / 2_147_483_647;
}

/** Gaps in whole ms, any up to the longest. */
function anyGaps(count: number, longestMs: number, seed: number): number[] {
  const fraction = fractions(seed);
  return Array.from({ length: count }, () => 1 + Math.floor(longestMs * fraction.next().value));
}

/**
 * What beats at these times are worth, in intervals: at least the time in which somebody had beaten at most an interval
 * before, at most one for each beat, and for all the time that there was. By the times alone, not as a store counts.
 */
function worthOf(times: readonly number[], { intervalMs }: Kind): { least: number; most: number } {
  const sorted = [...times].sort((one, other) => one - other);
  let leastMs = intervalMs; // of the last
  for (const [at, time] of sorted.entries()) {
    if (at > 0) leastMs += Math.min(intervalMs, time - sorted[at - 1]!);
  }
  const mostMs = Math.min(times.length * intervalMs, sorted.at(-1)! - sorted[0]! + intervalMs);
  return { least: leastMs / intervalMs, most: mostMs / intervalMs };
}

/** Takes beats of `key` by turns in two instances, some at once (all but the last of them late), and tells what each day has in the end. */
async function countedOf(
  key: PublicKey,
  times: readonly number[],
  kind: Kind,
  { store, other }: TimedStores,
): Promise<number[]> {
  for (let at = 0, turn = 0; at < times.length; turn++) {
    const isSetBack = at > 0 && times[at]! < times[at - 1]!; // which no late beat tells of
    let end = at + 1;
    while (!isSetBack && end < times.length && end < at + 97 && times[end]! >= times[end - 1]!) end++;
    const some = times.slice(at, end).map((time) => ({ ...kind, key, atMs: MIDNIGHT + time }));
    await (turn % 2 === 0 ? store : other).beats(some);
    at = end;
  }
  const days = (await store.days("2026-06-01", "2026-06-30")).filter((day) => day.key === key);
  return days.map(({ beats }) => beats);
}

/** Within one interval, and no more than one of what is counted early. */
function assertWorth(counted: number, { least, most }: { least: number; most: number }, what: string): void {
  assert(counted > least - 1 && counted < most + 1, `${what}: ${counted} of ${least} to ${most}`);
}

const COMPLIANCE: Readonly<Record<string, (under: TimedStores) => Promise<void>>> = {
  "an empty store has nothing to say": async ({ store }) => {
    assert.deepEqual(await store.visors(), []);
    assert.deepEqual(await store.visors([alice]), []);
    assert.deepEqual(await store.days("2026-01-01", "2027-01-01"), []);
    assert.deepEqual(await store.addresses(), []);
    await store.forget({ day: "2026-06-10", month: "2026-06" });
  },

  "a beat counts when the last one that counted is an interval ago; every one sets its slot": async (
    { store, other },
  ) => {
    const counted: string[] = [];
    for (const minute of [0, 3, 5, 9.99, 12, 1_439]) counted.push(await store.beat(beatOf(alice, minute)));
    assert.deepEqual(counted, ["counted", "seen", "counted", "seen", "counted", "counted"]);
    const [day] = await other.days("2026-06-10", "2026-06-10");
    assert.deepEqual([day!.key, day!.day, day!.beats, slotsIn(day!.slots)], [
      alice,
      "2026-06-10",
      4,
      [0, 1, 2, 287],
    ]);
  },

  "of 30 beats at once exactly one counts": async ({ store, other }) => {
    const beats = Array.from(
      { length: 30 },
      (_, index) => (index % 2 ? store : other).beat(beatOf(alice, 1)),
    );
    assert.equal((await Promise.all(beats)).filter((did) => did === "counted").length, 1);
    assert.equal((await store.days("2026-06-10", "2026-06-10"))[0]!.beats, 1);
  },

  "there are no more visors than there may be, and those that are known go on": async ({ store, other }) => {
    const one = { visorsMax: 1, address: "203.0.113.7" };
    assert.equal(await store.beat(beatOf(alice, 0, one)), "counted");
    assert.equal(await other.beat(beatOf(bob, 0, one)), "full");
    assert.deepEqual([(await store.visors()).length, (await store.addresses()).length], [1, 1]);
    assert.equal(await store.beat(beatOf(alice, 5, one)), "counted");
    await store.forget({ day: "2026-06-11", month: "2026-07" });
    assert.equal(await store.beat(beatOf(bob, 10, one)), "counted");
  },

  "several at once are taken in their order, each as if it came alone": async ({ store, other }) => {
    await store.beat(beatOf(bob, 0));
    const one = { visorsMax: 2 };
    assert.deepEqual(
      await other.beats([beatOf(alice, 1, one), beatOf(bob, 1, one), beatOf(carol, 1, one)]),
      ["counted", "seen", "full"],
    );
    assert.deepEqual(await store.beats([]), []);
    assert.deepEqual((await store.visors()).map(({ key }) => key), [alice, bob]);
  },

  "a new one beyond the maximum takes the place of the one not seen for longest, where it may": async (
    { store, other },
  ) => {
    const room = { visorsMax: 2, makesRoom: true };
    for (const [key, minute] of [[alice, 0], [bob, 1], [alice, 1_440]] as const) {
      assert.equal(await store.beat(beatOf(key, minute, room)), "counted");
    }
    assert.equal(await other.beat(beatOf(carol, 1_450, room)), "counted");
    assert.deepEqual((await store.visors()).map(({ key }) => key), [alice, carol]);
    const days = await store.days("2026-06-10", "2026-06-11");
    assert.deepEqual(days.map(({ key, day }) => [key, day.slice(8)]), [[alice, "10"], [alice, "11"], [
      carol,
      "11",
    ]]);
    assert.equal(await store.beat(beatOf(bob, 1_451, room)), "counted", "alice was seen before carol");
    assert.deepEqual((await other.visors()).map(({ key }) => key), [bob, carol]);
    await store.forget({ day: "2026-06-12", month: "2026-06" });
    for (const key of [alice, bob]) await store.beat(beatOf(key, 3_000, room));
    assert.deepEqual(
      (await other.visors()).map(({ key }) => key),
      [alice, bob],
      "the forgotten have no place",
    );
  },

  "a clock that was set back starts the interval anew": async ({ store }) => {
    assert.equal(await store.beat(beatOf(alice, 60)), "counted");
    assert.equal(await store.beat(beatOf(alice, 10)), "counted");
    assert.equal(await store.beat(beatOf(alice, 12)), "seen");
  },

  "whoever beats at even times has all the time that it was there, an interval for each beat at most": async (
    under,
  ) => {
    const [registration, tracker] = KINDS as [Kind, Kind];
    for (const kind of [registration, tracker]) {
      for (const seconds of [10, 40, 60, 70, 80, 84, 85, 86, 89, 90, 91, 95, 100, 120, 179, 180, 300]) {
        const times = timesOf([seconds * SECOND]);
        const key = pair(`${kind.intervalMs} ${seconds}`).publicKey;
        const [counted] = await countedOf(key, times, kind, under);
        const due = Math.min(times.length, 24 * HOUR / kind.intervalMs);
        assert(Math.abs(counted! - due) <= 1, `each ${seconds} s: ${counted} of ${due}`);
      }
    }
  },

  "a late beat is worth an interval and the next one is on time, but nothing is saved up for later": async (
    under,
  ) => {
    const kind = KINDS[0]!;
    const [uneven] = await countedOf(alice, timesOf([60 * SECOND, 120 * SECOND]), kind, under);
    assert(Math.abs(uneven! - 960) <= 1, `${uneven} of 960`);
    const seldom = timesOf([179 * SECOND], 6 * HOUR);
    const often = timesOf([60 * SECOND], 6 * HOUR).map((time) => time + 6 * HOUR);
    const [counted] = await countedOf(bob, [...seldom, ...often], kind, under);
    assert(Math.abs(counted! - (seldom.length + 240)) <= 2, `${counted} of ${seldom.length + 240}`);
  },

  "nor does it matter how uneven its beats are": async (under) => {
    const gapsOf = (ms: number): Record<string, number[]> => ({
      "jitter": [ms - 2_000, ms + 2_000],
      "a burst at each interval": [1, 1, 900, ms - 902],
      "a burst more often": [1, 500, ms / 2],
      "two rounds, of two visors or two ends": [ms * 0.49, ms * 0.51],
      "each second one early, the next late": [ms * 0.9, ms * 1.1],
      "by a third": [ms * 2 / 3, ms * 4 / 3],
      "almost in time, and then late": [ms * 0.93, ms * 1.93],
      "away for long, with two at its return": [ms, ms, ms, 40 * ms, 2_000],
      "any up to an interval": anyGaps(300, ms, 7),
      "any up to two": anyGaps(300, 2 * ms, 8),
      "any up to four": anyGaps(300, 4 * ms, 9),
    });
    for (const kind of KINDS) {
      for (const [what, gaps] of Object.entries(gapsOf(kind.intervalMs))) {
        const times = timesOf(gaps.map(Math.floor));
        const key = pair(`${what} ${kind.intervalMs}`).publicKey;
        const [counted] = await countedOf(key, times, kind, under);
        assertWorth(counted!, worthOf(times, kind), what);
      }
    }
  },

  "a return after long is as a first beat: the next one counts an interval later": async ({ store }) => {
    const kind = KINDS[0]!;
    const did: string[] = [];
    for (const second of [0, 4_000, 4_001, 4_084, 4_085, 4_180, 4_300, 4_301]) {
      did.push(await store.beat({ ...kind, key: alice, atMs: MIDNIGHT + second * SECOND }));
    }
    // The seventh is late and in its place all the same; the eighth comes on time after that.
    assert.deepEqual(did, ["counted", "counted", "seen", "seen", "counted", "counted", "counted", "seen"]);
  },

  "midnight comes between two beats: each day has its own time within an interval": async (under) => {
    for (const seconds of [10, 60, 70, 85, 90]) {
      const times = timesOf([seconds * SECOND], 4 * HOUR).map((time) => time + 22 * HOUR);
      const counted = await countedOf(pair(`${seconds}`).publicKey, times, KINDS[0]!, under);
      assert.equal(counted.length, 2);
      for (const day of counted) assert(Math.abs(day - 80) <= 1, `each ${seconds} s: ${counted}`);
    }
  },

  "a clock that is set back costs an interval at most, and gives none by a little": async (under) => {
    const kind = KINDS[0]!;
    const before = timesOf([60 * SECOND], 2 * HOUR).map((time) => time + HOUR);
    const after = timesOf([60 * SECOND], 2 * HOUR).map((time) => time + 2 * HOUR);
    const [counted] = await countedOf(alice, [...before, ...after], kind, under);
    assert(Math.abs(counted! - 160) <= 1, `${counted} of 160`);
    const toAndFro = timesOf([1 * SECOND], HOUR / 6).flatMap((time) => [time + 20 * SECOND, time]);
    const [again] = await countedOf(bob, toAndFro, kind, under);
    assert(Math.abs(again! - 6.9) <= 1, `${again} of 6.9`);
  },

  "a beat that is told late gives nothing that was counted since, and is no clock that was set back": async (
    { store, other },
  ) => {
    const [{ intervalMs, earlyMs }] = KINDS as [Kind];
    const beat = { key: alice, intervalMs, earlyMs };
    for (let each = 0; each < 10; each++) {
      assert.equal(await store.beat({ ...beat, atMs: MIDNIGHT + each * intervalMs }), "counted");
    }
    const last = MIDNIGHT + 9 * intervalMs;
    assert.equal(await other.beat({ ...beat, atMs: last, agoMs: 3 * intervalMs }), "seen");
    assert.deepEqual((await store.visors()).map(({ lastSeenMs }) => lastSeenMs), [last], "seen later, too");
    assert.equal(await other.beat({ ...beat, key: bob, atMs: last, agoMs: -60_000 }), "counted");
    assert.deepEqual(
      (await store.visors([bob])).map(({ lastSeenMs }) => lastSeenMs),
      [last],
      "none is yet to come",
    );
    assert.equal(await store.beat({ ...beat, atMs: last + intervalMs / 3 }), "seen");
    assert.equal(await store.beat({ ...beat, atMs: last - 3 * intervalMs }), "counted"); // that one is
  },

  "visors have their last version and time, in the order of their keys or as asked for": async (
    { store, other },
  ) => {
    await store.beat(beatOf(carol, 1, { version: "v2" }));
    await store.beat(beatOf(alice, 2, { version: "v1" }));
    await other.beat(beatOf(alice, 3));
    await store.beat(beatOf(bob, 4));
    const seen = (await other.visors()).map((
      { key, version, lastSeenMs },
    ) => [key, version, lastSeenMs - MIDNIGHT]);
    assert.deepEqual(seen, [
      [alice, "v1", 3 * MINUTE],
      [bob, undefined, 4 * MINUTE],
      [carol, "v2", MINUTE],
    ]);
    const nobody = pair("nobody").publicKey;
    assert.deepEqual((await store.visors([carol, nobody, alice])).map(({ key }) => key), [carol, alice]);
  },

  "days are apart, by UTC, and given from the first to the last": async ({ store }) => {
    for (const day of [0, 1, 3]) await store.beat(beatOf(bob, day * 1_440));
    await store.beat(beatOf(alice, 1_440 - 0.001));
    const told = async (first: string, last: string, keys?: PublicKey[]) =>
      (await store.days(first, last, keys)).map((
        { key, day },
      ) => [key === alice ? "alice" : "bob", day.slice(8)]);
    assert.deepEqual(await told("2026-06-10", "2026-06-13"), [
      ["alice", "10"],
      ["bob", "10"],
      ["bob", "11"],
      ["bob", "13"],
    ]);
    assert.deepEqual(await told("2026-06-11", "2026-06-12"), [["bob", "11"]]);
    assert.deepEqual(await told("2026-06-10", "2026-06-11", [bob, carol, alice]), [
      ["bob", "10"],
      ["bob", "11"],
      ["alice", "10"],
    ], "in the order of those who are asked for");
    assert.deepEqual(await told("2026-06-10", "2026-06-13", [alice]), [["alice", "10"]]);
    assert.deepEqual(await told("2026-06-10", "2026-06-13", []), []);
    const of = async (key: PublicKey) => (await store.days("2026-06-10", "2026-06-13", [key]))[0];
    assert.deepEqual(
      await of(bob),
      (await store.days("2026-06-10", "2026-06-13")).find(({ key }) => key === bob),
    );
  },

  "the days of a calendar, and their slots, are those of the clock that the store counts by": async (
    { store, other },
  ) => {
    const dates = [
      "1970-01-01",
      "1999-12-31",
      "2000-02-29",
      "2000-03-01",
      "2026-11-21",
      "2028-02-28",
      "2028-02-29",
    ];
    const more = [
      "2028-03-01",
      "2028-12-31",
      "2029-01-01",
      "2100-02-28",
      "2100-03-01",
      "2400-02-29",
      "9998-12-31",
    ];
    for (const [at, date] of [...dates, ...more].entries()) {
      const [slot, key] = [20 * at, pair(date).publicKey];
      const atMs = Date.parse(date) + (slot + 1) * 5 * MINUTE - 1;
      const beat = { key, atMs, intervalMs: 5 * MINUTE, address: "" };
      assert.equal(await (at % 2 === 0 ? store : other).beat(beat), "counted");
      assert.equal(await other.nowMs(), atMs);
      const [day, ...rest] = await other.days(date, date);
      assert.deepEqual([day!.key, day!.day, slotsIn(day!.slots), rest.length], [key, date, [slot], 0]);
      assert.equal((await store.addresses(date.slice(0, 7))).filter((each) => each.key === key).length, 1);
    }
  },

  "each month has the last address of a key that counted; none is kept where none is told": async (
    { store },
  ) => {
    await store.beat(beatOf(alice, 0, { address: "203.0.113.7" }));
    await store.beat(beatOf(alice, 1, { address: "198.51.100.1" }));
    await store.beat(beatOf(bob, 0, { address: "203.0.113.7" }));
    await store.beat(beatOf(bob, 10, { address: "" }));
    await store.beat(beatOf(carol, 0));
    await store.beat(beatOf(alice, 30 * 1_440, { address: "198.51.100.9" }));
    assert.deepEqual(await store.addresses("2026-06"), [
      { key: alice, month: "2026-06", address: "203.0.113.7" },
      { key: bob, month: "2026-06", address: "" },
    ]);
    assert.deepEqual((await store.addresses()).map(({ month, address }) => [month, address]), [
      ["2026-06", "203.0.113.7"],
      ["2026-06", ""],
      ["2026-07", "198.51.100.9"],
    ]);
  },

  "what is older is forgotten: days, visors with their last one, months": async ({ store, other }) => {
    for (const day of [0, 1, 25]) await store.beat(beatOf(alice, day * 1_440, { address: "203.0.113.7" }));
    await store.beat(beatOf(bob, 0, { address: "203.0.113.8" }));
    await store.forget({ day: "2026-06-11", month: "2026-07" });
    assert.deepEqual((await other.visors()).map(({ key }) => key), [alice]);
    assert.deepEqual((await other.days("2026-01-01", "2027-01-01")).map(({ day }) => day), [
      "2026-06-11",
      "2026-07-05",
    ]);
    assert.deepEqual((await other.addresses()).map(({ month }) => month), ["2026-07"]);
    assert.equal(await store.beat(beatOf(bob, 1_440)), "counted", "who was forgotten begins anew");
  },

  "a closed store refuses with StoreError, and closes again in silence": async ({ store }) => {
    await store[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await assert.rejects(store.visors(), StoreError);
    await assert.rejects(store.beat(beatOf(alice, 0)), StoreError);
  },
};

/** Each with a clock that is set by the beats. */
export const uptimeStoreCompliance: Compliance<UptimeStore> = Object.fromEntries(
  Object.entries(COMPLIANCE).map(([claim, test]) => [
    claim,
    ({ store, other, setNow }: StoreUnderTest<UptimeStore>) =>
      test({ store: timed(store, setNow), other: timed(other, setNow), setNow }),
  ]),
);
