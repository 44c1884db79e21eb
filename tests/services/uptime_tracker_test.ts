/** The uptime tracker beyond the recordings: counting over days, lists, limits, its operator's side. */
import assert from "node:assert/strict";
import type { KeyPair } from "../../lib/crypto/mod.ts";
import { dayOf, SLOTS_OF_DAY } from "../../lib/services/store/mod.ts";
import { BEAT_MS, LISTS_PER_MINUTE, ONLINE_MS } from "../../lib/services/uptime_tracker/mod.ts";
import { ASKED_KEYS_MAX, forgetOld, HISTORY_DAYS } from "../../lib/services/uptimes/mod.ts";
import { ask, pair, signed, UptimeTrackerUnderTest } from "./service_support.ts";

const [alice, bob, carol] = [pair("alice"), pair("bob"), pair("carol")];
const DAY_MS = 24 * 60 * 60_000;
const unlimited = { listsPerMinute: 0 };

const beat = (tracker: UptimeTrackerUnderTest, owner: KeyPair, version = "v1.3.29") =>
  tracker.askAs(owner, `/v4/update?version=${version}`);

interface Told {
  readonly pk: string;
  readonly on: boolean;
  readonly version?: string;
  readonly daily?: Record<string, string>;
  readonly timeline?: Record<string, string>;
}

const askOperator = ({ privateApi }: UptimeTrackerUnderTest, query = "") =>
  ask(privateApi, { path: `/visor-ips${query}` });

const uptimes = async (tracker: UptimeTrackerUnderTest, query = "v=v2") =>
  JSON.parse((await tracker.ask(`/uptimes?${query}`)).body) as Told[];

/** To midnight, UTC. */
async function toMidnight({ clock }: UptimeTrackerUnderTest): Promise<string> {
  await clock.advance(DAY_MS - clock.wallMs() % DAY_MS);
  return dayOf(clock.wallMs());
}

Deno.test("a visor that beats all day has 100.00 percent and a dot in every slot; one of half a day 50.00", async () => {
  await using tracker = new UptimeTrackerUnderTest(unlimited);
  const day = await toMidnight(tracker);
  for (let slot = 0; slot < SLOTS_OF_DAY; slot++) {
    assert.equal((await beat(tracker, alice)).status, 200);
    if (slot % 2 === 0) await beat(tracker, bob);
    await tracker.clock.advance(BEAT_MS);
  }
  const [one, other] = (await uptimes(tracker, `v=v3&visors=${alice.publicKey};${bob.publicKey}`)) as [
    Told,
    Told,
  ];
  assert.deepEqual([one.daily, other.daily], [{ [day]: "100.00" }, { [day]: "50.00" }]);
  assert.deepEqual([one.timeline![day], other.timeline![day]], [".".repeat(288), ". ".repeat(144)]);
  assert.deepEqual([one.on, other.on], [true, false], "bob was last seen 10 min ago");
  const [v2] = await uptimes(tracker, `v=v2&visors=${alice.publicKey}`);
  assert.deepEqual(Object.keys(v2!), ["pk", "on", "version", "daily"]);
});

Deno.test("a beat that comes a little early or late counts, twice in one interval it does not", async () => {
  await using tracker = new UptimeTrackerUnderTest(unlimited);
  const day = await toMidnight(tracker);
  for (let number = 0; number < 144; number++) {
    const jitterMs = number % 2 === 0 ? 9_000 : -9_000;
    await beat(tracker, alice);
    await beat(tracker, bob);
    await tracker.clock.advance(60_000);
    assert.equal((await beat(tracker, bob)).status, 200);
    await tracker.clock.advance(BEAT_MS - 60_000 - jitterMs);
  }
  const daily = new Map((await uptimes(tracker)).map(({ pk, daily }) => [pk, daily![day]]));
  assert.deepEqual([daily.get(alice.publicKey), daily.get(bob.publicKey)], ["50.00", "50.00"]);
  const seen = (await tracker.store.days(day, day)).find(({ key }) => key === bob.publicKey)!;
  assert.equal(seen.beats, 144);
});

Deno.test("a visor that beats more often than each 5 min has all the time that it was up, one that beats less its beats", async () => {
  await using tracker = new UptimeTrackerUnderTest(unlimited);
  const day = await toMidnight(tracker);
  const steps = [[20, alice], [21, bob], [50, carol]] as const; // each 200, 210, 500 s
  for (let step = 0; step < 12 * 360; step++) {
    for (const [every, visor] of steps) {
      if (step % every === 0) await ask(tracker.api, { path: "/v4/update", remote: `${visor.publicKey}:1` });
    }
    await tracker.clock.advance(10_000);
  }
  const beats = new Map((await tracker.store.days(day, day)).map(({ key, beats }) => [key, beats]));
  assert.deepEqual(steps.map(([, { publicKey }]) => beats.get(publicKey)), [144, 144, 87]);
});

Deno.test("a clock that is set back an hour costs nobody an hour", async () => {
  await using tracker = new UptimeTrackerUnderTest(unlimited);
  const atMs = tracker.clock.wallMs();
  const beatAt = (ms: number) => {
    tracker.clock.setWallMs(atMs + ms);
    return tracker.store.beat({ key: alice.publicKey, intervalMs: BEAT_MS });
  };
  assert.deepEqual(
    [
      await beatAt(0),
      await beatAt(-3_600_000),
      await beatAt(-3_600_000 + BEAT_MS - 1),
      await beatAt(-3_600_000 + BEAT_MS),
    ],
    ["counted", "counted", "seen", "counted"],
  );
});

Deno.test("online is less than 6 min after the last beat, counted or not", async () => {
  await using tracker = new UptimeTrackerUnderTest(unlimited);
  await beat(tracker, alice);
  await tracker.clock.advance(60_000);
  await beat(tracker, alice, "");
  const online = async () => JSON.parse((await tracker.ask(`/uptime/${alice.publicKey}`)).body).online;
  await tracker.clock.advance(ONLINE_MS - 1);
  assert.equal(await online(), true);
  assert.deepEqual(await uptimes(tracker, "status=off"), null);
  await tracker.clock.advance(1);
  assert.equal(await online(), false);
  assert.deepEqual(await uptimes(tracker, "status=on"), []);
  const [off] = await uptimes(tracker, "v=v2&status=off");
  assert.deepEqual([off!.on, off!.version], [false, "v1.3.29"], "the version that was told before");
});

Deno.test("days are told for a week, then leave, and visors with their last one", async () => {
  await using tracker = new UptimeTrackerUnderTest(unlimited);
  const first = await toMidnight(tracker);
  await beat(tracker, alice);
  for (let day = 0; day < HISTORY_DAYS; day++) {
    await beat(tracker, bob);
    await tracker.clock.advance(DAY_MS);
  }
  await forgetOld(tracker.store, tracker.clock);
  const counts = new Map(
    (await uptimes(tracker)).map(({ pk, daily }) => [pk, Object.keys(daily ?? {}).length]),
  );
  assert.deepEqual([counts.get(alice.publicKey), counts.get(bob.publicKey)], [1, 7]);
  const seconds = Date.parse(first) / 1_000;
  assert.equal((await uptimes(tracker, `startDate=${seconds}&endDate=${seconds}`)).length, 2);
  assert.equal((await uptimes(tracker, `startDate=${seconds + 86_400}`)).length, 1);
  assert.deepEqual(await uptimes(tracker, `endDate=${seconds - 1}`), []);
  const [some] = await uptimes(tracker, `v=v2&startDate=${seconds + 86_400}&endDate=${seconds + 3 * 86_400}`);
  assert.equal(Object.keys(some!.daily!).length, 3);
  await tracker.clock.advance(DAY_MS);
  await forgetOld(tracker.store, tracker.clock);
  assert.deepEqual((await uptimes(tracker)).map(({ pk }) => pk), [bob.publicKey]);
  await tracker.clock.advance(400 * DAY_MS);
  await forgetOld(tracker.store, tracker.clock);
  assert.deepEqual([await uptimes(tracker), await tracker.store.addresses()], [[], []]);
});

Deno.test("so many visors are counted; those that are known go on", async () => {
  await using tracker = new UptimeTrackerUnderTest({ ...unlimited, visorsMax: 1 });
  assert.deepEqual([(await beat(tracker, alice)).status, (await beat(tracker, bob)).status], [200, 403]);
  await tracker.clock.advance(BEAT_MS);
  assert.equal((await beat(tracker, alice)).status, 200);
  assert.equal((await uptimes(tracker)).length, 1);
});

Deno.test("figures of days are up to 5 min old", async () => {
  await using tracker = new UptimeTrackerUnderTest(unlimited);
  assert.deepEqual(await uptimes(tracker), []);
  await beat(tracker, alice);
  assert.equal((await uptimes(tracker))[0]!.daily, undefined);
  await tracker.clock.advance(300_000);
  assert.deepEqual(Object.values((await uptimes(tracker))[0]!.daily!), ["0.35"]);
});

Deno.test("an address, or a key over dmsg, gets five lists in a minute; others are not held up", async () => {
  await using tracker = new UptimeTrackerUnderTest();
  const ask = (address: string, path = "/uptimes") =>
    tracker.ask(path, { headers: { "X-Real-IP": address } });
  for (let left = LISTS_PER_MINUTE; left > 0; left--) {
    const answer = await ask("198.51.100.1", left % 2 === 0 ? "/visors" : "/uptimes?v=v3");
    assert.deepEqual([answer.status, answer.header("x-ratelimit-remaining")], [200, `${left}`]);
  }
  for (const path of ["/uptimes", "/visors", "/dashboard"]) {
    const answer = await ask("198.51.100.1", path);
    assert.deepEqual([answer.status, answer.body.trim()], [429, "Too Many Requests"]);
    assert.deepEqual([answer.header("x-ratelimit-remaining"), answer.header("retry-after")], ["0", "12"]);
  }
  assert.equal((await ask("198.51.100.2")).status, 200);
  assert.equal((await ask("198.51.100.1", `/uptime/${alice.publicKey}`)).status, 500, "not limited");
  for (let time = 0; time < 5; time++) assert.equal((await tracker.askAs(alice, "/uptimes")).status, 200);
  const told = { headers: { "SW-PublicIP": "198.51.100.3" } };
  assert.equal(
    (await tracker.askAs(alice, "/uptimes", told)).status,
    429,
    "an address would be its own word",
  );
  assert.equal((await tracker.askAs(bob, "/uptimes")).status, 200);
  await tracker.clock.advance(60_000);
  assert.equal((await ask("198.51.100.1")).status, 200);
  for (let host = 1; host <= 5; host++) assert.equal((await ask(`2001:db8::${host}`)).status, 200);
  assert.equal((await ask("2001:db8::6")).status, 429, "one subscriber has a /64");
});

Deno.test("keys that are asked for: any separator, each once, nobody unknown, so many at most", async () => {
  await using tracker = new UptimeTrackerUnderTest(unlimited);
  for (const owner of [alice, bob]) await beat(tracker, owner);
  const [a, b, c] = [alice, bob, carol].map(({ publicKey }) => publicKey);
  const asked = async (visors: string) =>
    (await uptimes(tracker, `v=v2&visors=${visors}`)).map(({ pk }) => pk);
  assert.deepEqual(await asked(`${b},${a};${b},${c},nope,`), [b, a]);
  assert.deepEqual(await asked("nope"), []);
  assert.deepEqual(await asked(`${"x,".repeat(ASKED_KEYS_MAX)}${a}`), []);
  assert.equal((await uptimes(tracker, "visors=")).length, 2);
});

Deno.test("versions and dates that are none", async () => {
  await using tracker = new UptimeTrackerUnderTest(unlimited);
  for (const version of ["", "%00", "x".repeat(65), "%1B[2J", "%E0%A4%A"]) {
    assert.equal((await beat(tracker, alice, version)).status, 200, version);
  }
  assert.equal((await uptimes(tracker))[0]!.version, undefined);
  for (
    const [query, text] of [
      ["startDate=1e9", `invalid start date 1e9: strconv.ParseInt: parsing "1e9": invalid syntax`],
      ["startDate=1&endDate=x", `invalid end date x: strconv.ParseInt: parsing "x": invalid syntax`],
    ] as const
  ) {
    const answer = await tracker.ask(`/uptimes?${query}`);
    assert.deepEqual([answer.status, JSON.parse(answer.body).error], [500, text]);
  }
  for (const far of ["9".repeat(18), `-${"9".repeat(18)}`]) {
    assert.equal((await tracker.ask(`/uptimes?startDate=${far}&endDate=${far}`)).body, "[]\n");
  }
});

Deno.test("who is where is told to nobody: places without keys, and of those online alone", async () => {
  const locate = (address: string) =>
    address === "203.0.113.7"
      ? Promise.resolve({ latitude: 52.37, longitude: 4.89, country: "NL" })
      : Promise.reject(new Error("unknown"));
  await using tracker = new UptimeTrackerUnderTest(unlimited, { locate });
  for (
    const [owner, address] of [[alice, "203.0.113.7"], [bob, "198.51.100.9"], [carol, "10.0.0.1"]] as const
  ) {
    const headers = { ...signed(owner, 0), "X-Real-IP": address };
    assert.equal((await tracker.ask("/v4/update", { headers })).status, 200);
  }
  assert.equal((await tracker.ask("/visors")).body, `[{"lat":52.37,"lon":4.89}]\n`);
  await tracker.clock.advance(ONLINE_MS);
  assert.equal((await tracker.ask("/visors")).body, "[]\n");
  const ips = JSON.parse((await askOperator(tracker)).body);
  assert.deepEqual(Object.keys(ips), ["", "198.51.100.9", "203.0.113.7"]);
});

Deno.test("the operator's side: months apart, everything together, nothing else", async () => {
  await using tracker = new UptimeTrackerUnderTest(unlimited);
  const at = async (owner: KeyPair, address: string) => {
    const headers = { ...signed(owner, await tracker.nonceOf(owner)), "X-Real-IP": address };
    await tracker.ask("/v4/update", { headers });
  };
  await at(alice, "203.0.113.7");
  await at(bob, "203.0.113.7");
  await tracker.clock.advance(15 * DAY_MS); // into December
  await at(alice, "198.51.100.9");
  const november = JSON.parse((await askOperator(tracker, "?month=2026:11")).body);
  assert.deepEqual(november, {
    "203.0.113.7": { count: 2, public_keys: [alice.publicKey, bob.publicKey].sort() },
  });
  assert.deepEqual(Object.keys(JSON.parse((await askOperator(tracker, "?month=2026:12")).body)), [
    "198.51.100.9",
  ]);
  const all = JSON.parse((await askOperator(tracker, "?month=all")).body);
  assert.deepEqual(Object.entries(all).map(([ip, told]) => [ip, (told as { count: number }).count]), [
    ["198.51.100.9", 1],
    ["203.0.113.7", 2],
  ]);
  for (const month of ["2026", "2026:13", "2026:0", "2026:111", "26:1", "2026-11"]) {
    assert.match((await askOperator(tracker, `?month=${month}`)).body, /malformed month request/, month);
  }
  assert.equal((await tracker.ask("/visor-ips")).status, 404, "never on the public side");
});

Deno.test("the page for people: days asked for, and nothing of a visor's that could run there", async () => {
  await using tracker = new UptimeTrackerUnderTest(unlimited);
  await beat(tracker, alice, encodeURIComponent("<script>alert(1)</script>"));
  for (
    const [length, columns] of [["", 6], ["?length=3", 3], ["?length=99", 8], ["?length=x", 6], [
      "?length=-1",
      6,
    ]] as const
  ) {
    const answer = await tracker.ask(`/dashboard${length}`);
    assert.equal(answer.body.match(/<th>/g)?.length, 3 + columns, length);
    assert.ok(!answer.body.includes("<script"), "escaped");
    assert.match(answer.header("content-security-policy")!, /default-src 'none'/);
  }
});

Deno.test("places and days are those of the store's time, whatever this machine's clock says", async () => {
  const locate = () => Promise.resolve({ latitude: 52.37, longitude: 4.89, country: "NL" });
  await using tracker = new UptimeTrackerUnderTest(unlimited, { locate });
  await tracker.ask("/v4/update", { headers: { ...signed(alice, 0), "X-Real-IP": "203.0.113.7" } });
  const nowMs = tracker.clock.wallMs();
  tracker.store.presentMs = () => Promise.resolve(nowMs);
  tracker.clock.setWallMs(nowMs + 40 * DAY_MS);
  assert.equal((await tracker.ask("/visors")).body, `[{"lat":52.37,"lon":4.89}]\n`);
  const today = new Date(nowMs).toISOString().slice(0, 10);
  assert.match((await tracker.ask("/dashboard?length=1")).body, new RegExp(`<th>${today}\n`));
});

Deno.test("paths and methods that are none", async () => {
  await using tracker = new UptimeTrackerUnderTest();
  for (const path of ["/", "/v5/update", "/uptime", "/uptime/a/b", "/visor-ips", "/security/nonces/"]) {
    assert.ok([400, 404].includes((await tracker.ask(path)).status), path);
  }
  for (const path of ["/uptimes", "/v4/update", "/visors", "/health", `/uptime/${alice.publicKey}`]) {
    const answer = await tracker.ask(path, { method: "POST" });
    assert.deepEqual([answer.status, answer.header("allow")], [405, "GET"], path);
  }
});
