/** Hours of uptime: both tiers over the same time, 24 hours shown, 30 days kept, nothing else read back. */
import assert from "node:assert/strict";
import {
  HOUR_MS,
  PANEL_HOURS,
  parseUptimeFile,
  RETAINED_HOURS,
  sumOf,
  tiersNow,
  UptimeHistory,
} from "../../../lib/visor/uptime/mod.ts";

const T0 = 500_000 * HOUR_MS;
const MINUTE = 60_000;

Deno.test("both tiers are counted over the same time, and skynet without dmsg by itself (VI-4)", () => {
  const history = new UptimeHistory();
  const tiers = [[true, true], [true, false], [false, true], [false, false]] as const;
  for (const [index, [dmsg, skynet]] of tiers.entries()) {
    history.add({ dmsg, skynet }, { nowMs: T0 + index * MINUTE, spanMs: MINUTE });
  }
  assert.deepEqual(history.hours(T0, PANEL_HOURS), [{
    startMs: T0,
    runningMs: 4 * MINUTE,
    dmsgMs: 2 * MINUTE,
    skynetMs: 2 * MINUTE,
    skynetWithoutDmsgMs: MINUTE,
  }]);
});

Deno.test("skynet is a transport that could carry a packet now: none to oneself, none over dmsg without dmsg (VI-4)", () => {
  const of = (type: string, isSelf = false) => ({ type, isSelf });
  for (
    const [dmsg, transports, skynet] of [
      [true, [], false],
      [true, [of("dmsg")], true],
      [false, [of("dmsg")], false], // it has not noticed yet that its session is gone
      [false, [of("dmsg"), of("stcpr")], true],
      [true, [of("stcpr", true), of("dmsg", true)], false],
    ] as const
  ) assert.deepEqual(tiersNow({ dmsg, transports }), { dmsg, skynet });
});

Deno.test("the panel is the last 24 hours, and what is older than 30 days is forgotten", () => {
  const history = new UptimeHistory();
  for (let hour = 0; hour < RETAINED_HOURS + 50; hour++) {
    history.add({ dmsg: true, skynet: false }, { nowMs: T0 + hour * HOUR_MS, spanMs: HOUR_MS });
  }
  const nowMs = T0 + (RETAINED_HOURS + 49) * HOUR_MS;
  const panel = history.hours(nowMs, PANEL_HOURS);
  assert.equal(panel.length, PANEL_HOURS);
  assert.deepEqual([panel[0]!.startMs, panel.at(-1)!.startMs], [nowMs - 23 * HOUR_MS, nowMs]);
  assert.equal(sumOf(panel).dmsgMs, 24 * HOUR_MS);
  assert.equal(parseUptimeFile(history.render()).length, RETAINED_HOURS);
  assert.deepEqual(history.hours(nowMs + 40 * HOUR_MS, PANEL_HOURS), []);
});

/** Hours from `fromMs` on, in each of which dmsg was up. */
function hoursFrom(fromMs: number, count: number): UptimeHistory {
  const history = new UptimeHistory();
  for (let hour = 0; hour < count; hour++) {
    history.add({ dmsg: true, skynet: true }, { nowMs: fromMs + hour * HOUR_MS, spanMs: MINUTE });
  }
  return history;
}

const startsOf = (history: UptimeHistory) => parseUptimeFile(history.render()).map(({ startMs }) => startMs);

const YEAR_MS = 8_760 * HOUR_MS;
for (
  const [title, wrongMs] of [
    ["in 1970, as on a board without a clock of its own", 0],
    ["a year behind", T0 - YEAR_MS],
    ["a year ahead", T0 + YEAR_MS],
  ] as const
) {
  for (const kept of [RETAINED_HOURS, 48]) {
    Deno.test(`of ${kept} hours a clock that is ${title} ends none but for its own (VI-4)`, () => {
      const rightMs = T0 + kept * HOUR_MS; // the hour behind the last of them
      const history = new UptimeHistory();
      history.merge(parseUptimeFile(hoursFrom(T0, kept).render()), wrongMs);
      const before = startsOf(history);
      assert.equal(before.length, kept);
      for (let sample = 0; sample < 3; sample++) {
        history.add({ dmsg: true, skynet: false }, { nowMs: wrongMs, spanMs: MINUTE });
      }
      assert.equal(sumOf(history.hours(wrongMs, RETAINED_HOURS)).dmsgMs, 3 * MINUTE); // what is now counts
      const left = kept === RETAINED_HOURS ? before.slice(1) : before;
      assert.deepEqual(startsOf(history).filter((startMs) => startMs !== wrongMs), left);
      history.add({ dmsg: true, skynet: false }, { nowMs: rightMs, spanMs: MINUTE });
      const shown = history.hours(rightMs, RETAINED_HOURS).map(({ startMs }) => startMs);
      assert.deepEqual(shown, [...left, rightMs]);
    });
  }
}

Deno.test("an hour that a clock showed twice has 60 min (VI-4)", () => {
  const history = new UptimeHistory();
  for (let minute = 0; minute < 90; minute++) {
    history.add({ dmsg: minute % 2 === 0, skynet: true }, { nowMs: T0, spanMs: MINUTE });
  }
  const next = new UptimeHistory();
  next.merge(parseUptimeFile(history.render()), T0);
  next.merge(parseUptimeFile(history.render()), T0);
  assert.deepEqual(next.hours(T0, 1), [
    {
      startMs: T0,
      runningMs: HOUR_MS,
      dmsgMs: HOUR_MS,
      skynetMs: HOUR_MS,
      skynetWithoutDmsgMs: HOUR_MS,
    },
  ]);
  assert.deepEqual(history.hours(T0, 1), [
    {
      startMs: T0,
      runningMs: HOUR_MS,
      dmsgMs: 45 * MINUTE,
      skynetMs: HOUR_MS,
      skynetWithoutDmsgMs: 45 * MINUTE,
    },
  ]);
});

Deno.test("hours that a wrong clock left are not shown, and give way to those of now (VI-4)", () => {
  const history = hoursFrom(T0 + 9_000 * HOUR_MS, 600);
  for (let hour = 0; hour < RETAINED_HOURS; hour++) {
    const nowMs = T0 + hour * HOUR_MS;
    history.add({ dmsg: true, skynet: true }, { nowMs, spanMs: MINUTE });
    assert.equal(history.hours(nowMs, RETAINED_HOURS).length, hour + 1);
    assert.equal(startsOf(history).length, Math.min(601 + hour, RETAINED_HOURS));
  }
  assert.equal(startsOf(history).at(-1), T0 + (RETAINED_HOURS - 1) * HOUR_MS);
});

Deno.test("what was kept is read back, and adds to what came since", () => {
  const history = new UptimeHistory();
  history.add({ dmsg: true, skynet: false }, { nowMs: T0 + 1, spanMs: MINUTE });
  const next = new UptimeHistory();
  next.add({ dmsg: false, skynet: false }, { nowMs: T0 + MINUTE, spanMs: MINUTE });
  next.merge(parseUptimeFile(history.render()), T0 + MINUTE);
  assert.deepEqual(sumOf(next.hours(T0, 1)), {
    runningMs: 2 * MINUTE,
    dmsgMs: MINUTE,
    skynetMs: 0,
    skynetWithoutDmsgMs: 0,
  });
});

const good = { startMs: T0, runningMs: 10, dmsgMs: 5, skynetMs: 4, skynetWithoutDmsgMs: 1 };
for (
  const [title, content] of [
    ["nothing", ""],
    ["no object", "null"],
    ["another version", '{"version":2,"hours":[]}'],
    ["no hours", '{"version":1}'],
    [
      "too many hours",
      JSON.stringify({
        version: 1,
        hours: Array.from({ length: 721 }, (_, at) => ({ ...good, startMs: T0 + at * HOUR_MS })),
      }),
    ],
    ["an hour twice", JSON.stringify({ version: 1, hours: [good, good] })],
    ["null for an hour", '{"version":1,"hours":[null]}'],
    ["half an hour", JSON.stringify({ version: 1, hours: [{ ...good, startMs: T0 + 1 }] })],
    ["text for a number", JSON.stringify({ version: 1, hours: [{ ...good, dmsgMs: "5" }] })],
    ["a negative time", JSON.stringify({ version: 1, hours: [{ ...good, skynetMs: -1 }] })],
    ["more dmsg than time", JSON.stringify({ version: 1, hours: [{ ...good, dmsgMs: 11 }] })],
    ["more than all skynet", JSON.stringify({ version: 1, hours: [{ ...good, skynetWithoutDmsgMs: 5 }] })],
  ] as const
) {
  Deno.test(`a file with ${title} is refused whole`, () => {
    assert.throws(() => parseUptimeFile(content), { code: "BAD_UPTIME_FILE" });
  });
}
