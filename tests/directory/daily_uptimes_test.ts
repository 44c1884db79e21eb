/** Files of uptimes in both forms, and who has enough of a day (services.md 12.1, SV-7). */
import assert from "node:assert/strict";
import {
  BadDailyUptimesError,
  dailyJson,
  dailyLines,
  eligibleOn,
  isDay,
  NoUptimeOfDayError,
  parseDailyUptimes,
  REWARD_PERCENT_MIN,
  UPTIME_DAYS_MAX,
} from "../../lib/directory/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import recorded from "../vectors/services/uptime-tracker.json" with { type: "json" };

const [A, B, C] = ["a", "b", "c"].map((name) =>
  `${keyPairFromSeed(new TextEncoder().encode(name)).publicKey}`
)
  .sort() as [string, string, string];
const DAY = "2026-06-10";
const JSON_TEXT = JSON.stringify([
  { pk: B, on: true, version: "v1.3.29", daily: { [DAY]: "97.22", "2026-06-09": "12.00" } },
  { pk: A, on: false, daily: { [DAY]: "75.00" } },
  { pk: C, on: true },
]);

Deno.test("SV-7: eligible is more than the minimum of the day, by key; exactly the minimum is not", () => {
  const visors = parseDailyUptimes(JSON_TEXT, "x.json");
  const keys = (percentMin?: number) =>
    eligibleOn(visors, { day: DAY, percentMin, source: "x" }).map(({ publicKey }) => publicKey);
  assert.deepEqual(keys(), [B]);
  assert.deepEqual(keys(74), [A, B]);
  assert.deepEqual(keys(100), []);
  assert.equal(REWARD_PERCENT_MIN, 75);
  assert.throws(
    () => eligibleOn(visors, { day: "2026-06-08", source: "x.json" }),
    (error: NoUptimeOfDayError) => {
      assert.equal(error.code, "NO_UPTIME_OF_DAY");
      assert.match(error.message, /x\.json has no uptime of 2026-06-08/);
      assert.match(error.hint!, /^it has days from 2026-06-09 to 2026-06-10: /);
      return true;
    },
  );
  for (const [isFile, hint] of [[true, /^no day is in it: .*--input$/], [false, /^services keep/]] as const) {
    assert.throws(
      () => eligibleOn([], { day: DAY, source: "x", isFile }),
      ({ hint: told }: NoUptimeOfDayError) => hint.test(told!),
    );
  }
});

Deno.test("what is written of a list is what was read, in the schema and the text of the daily JSON", () => {
  const visors = parseDailyUptimes(JSON_TEXT, "x.json");
  assert.equal(JSON.stringify(visors.map((visor) => dailyJson(visor))), JSON_TEXT);
  assert.equal(
    JSON.stringify(dailyJson(visors[0]!, DAY)),
    JSON.stringify({ pk: B, on: true, version: "v1.3.29", daily: { [DAY]: "97.22" } }),
  );
});

Deno.test("the long form: one line for each visor and day above the minimum, and back", () => {
  const visors = parseDailyUptimes(JSON_TEXT, "x.json");
  assert.equal(dailyLines(visors), `${B} ${DAY} 97.22\n`);
  const all = dailyLines(visors, { percentMin: 0 });
  assert.equal(all, `${B} 2026-06-09 12.00\n${B} ${DAY} 97.22\n${A} ${DAY} 75.00\n`);
  assert.equal(dailyLines(visors, { day: "2026-06-09", percentMin: 0 }), `${B} 2026-06-09 12.00\n`);
  const again = parseDailyUptimes(`\n${all.replaceAll("\n", "\r\n")}`, "x.txt");
  assert.equal(dailyLines(again, { percentMin: 0 }), all);
  assert.deepEqual(parseDailyUptimes("", "x.txt"), []);
  assert.deepEqual(parseDailyUptimes("null\n", "x.json"), []);
});

Deno.test("the lists that a real uptime tracker answered are read, in both of their versions", () => {
  let read = 0;
  for (const { request, response } of recorded.exchanges) {
    if (!request.path.startsWith("/uptimes") || response.status !== 200) continue;
    const visors = parseDailyUptimes(response.body, request.path);
    if (/v=v2/.test(request.path) && visors.length > 0) {
      assert.equal(JSON.stringify(visors.map((visor) => dailyJson(visor))), response.body.trim());
      read++;
    }
  }
  assert.equal(read, 2);
});

Deno.test("a day of more heartbeats than it has place for is a whole one", () => {
  const [visor] = parseDailyUptimes(
    JSON.stringify([{ pk: A, on: true, daily: { [DAY]: "100.35" } }]),
    "x.json",
  );
  const [line] = parseDailyUptimes(`${A} ${DAY} 100.35%`, "x.txt");
  assert.deepEqual([visor, line].map((each) => each!.daily.get(DAY)), [100, 100]);
});

Deno.test("a file that is wrong anywhere is refused, and says where", () => {
  const many = Object.fromEntries(
    Array.from(
      { length: UPTIME_DAYS_MAX + 1 },
      (_, day) => [new Date(day * 86_400_000).toISOString().slice(0, 10), "1.00"],
    ),
  );
  const item = (daily: unknown) =>
    JSON.stringify([{ pk: A, on: true, daily: { [DAY]: "1.00" } }, { pk: B, on: true, daily }]);
  const wrong: [string, RegExp][] = [
    ["[", /no JSON/],
    ["{}", /no list/],
    ["[".repeat(100_000), /no JSON/],
    ["[7]", /item 0 is no visor/],
    [`[{"pk":"x","on":true}]`, /item 0 is no visor/],
    [item([]), /item 1: daily/],
    [item("x"), /item 1: daily/],
    [item(many), /at most 400 days/],
    [item({ [DAY]: 97 }), /item 1: "2026-06-10" must be/],
    [item({ [DAY]: "101.01" }), /item 1: "2026-06-10" must be a date with a percent from 0 to 101/],
    [item({ [DAY]: "750.00" }), /item 1/],
    [item({ [DAY]: "-1.00" }), /item 1/],
    [item({ [DAY]: "" }), /item 1/],
    [item({ "2026-02-30": "1.00" }), /item 1: "2026-02-30"/],
    [JSON.stringify([{ pk: A, on: true }, { pk: A, on: true }]), /is in it twice/],
    [`${A} ${DAY}`, /line 1 is no key/],
    [`${A} ${DAY} 97.22\nx ${DAY} 1`, /line 2/],
    [`${A} ${DAY} -1`, /line 1/],
    [`${A} ${DAY} 101.5`, /line 1 is no key, date and percent from 0 to 101/],
    [`${A} ${DAY} 97%%`, /line 1/],
    [`${A} ${DAY} 1 2`, /line 1/],
    [`${A} 2026-13-01 1`, /line 1/],
    [`${A} ${DAY} 1\n${A} ${DAY} 1`, /line 2: .* a second time/],
    [Object.keys(many).map((day) => `${A} ${day} 1`).join("\n"), /line 401: more than 400 days/],
  ];
  for (const [text, problem] of wrong) {
    assert.throws(() => parseDailyUptimes(text, "x.txt"), (error: BadDailyUptimesError) => {
      assert.ok(error instanceof BadDailyUptimesError, text.slice(0, 80));
      assert.match(error.message, problem);
      assert.match(error.message, /^x\.txt: /);
      return true;
    }, text.slice(0, 80));
  }
});

Deno.test("days of the calendar", () => {
  for (const day of ["2026-06-10", "2024-02-29", "2026-12-31"]) assert.equal(isDay(day), true, day);
  for (const day of ["2026-02-29", "2026-6-10", "2026-13-01", "2026-00-10", "x", "", "2026-06-10T"]) {
    assert.equal(isDay(day), false, day);
  }
});
