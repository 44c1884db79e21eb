/** Uptimes that a transport discovery counts by what is registered (services.md 3.3, 3.4, SV-7). */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import type { KeyPair } from "../../lib/crypto/mod.ts";
import { type TransportRecord, wireTransport } from "../../lib/directory/mod.ts";
import { dayOf, SLOTS_OF_DAY, StoreError } from "../../lib/services/store/mod.ts";
import {
  METRICS_DAYS_MAX,
  TRANSPORT_TTL_MS,
  TRANSPORTS_KEPT_MAX,
  UPTIME_LISTS_MS,
} from "../../lib/services/transport_discovery/mod.ts";
import {
  ASKED_KEYS_MAX,
  DAYS_CACHE_MS,
  REGISTRATION_BEAT_MS,
  REGISTRATION_BEATS_OF_DAY,
  VISORS_KEPT_MAX,
} from "../../lib/services/uptimes/mod.ts";
import { Registration } from "../../lib/transport/_registration.ts";
import type { TransportId } from "../../lib/transport/mod.ts";
import { ask, pair, TransportDiscoveryUnderTest, transportOf } from "./service_support.ts";

const [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(pair) as [
  KeyPair,
  KeyPair,
  KeyPair,
  KeyPair,
];
const DAY_MS = 24 * 60 * 60_000;
const unlimited = { requestsPerMinute: 0 };

interface Told {
  readonly pk: string;
  readonly id: string;
  readonly on: boolean;
  readonly version?: string;
  readonly daily?: Record<string, string>;
  readonly timeline?: Record<string, string>;
}

function register(
  service: TransportDiscoveryUnderTest,
  owner: KeyPair,
  records: readonly TransportRecord[],
  { version, path = "/v3/transports/" }: { version?: string; path?: string } = {},
) {
  const headers: Record<string, string> = version === undefined ? {} : { "SW-Visor-Version": version };
  const body = JSON.stringify(records.map(wireTransport));
  return service.askAs(owner, path, { method: "POST", headers, body });
}

/** A list that is made anew, whatever was kept of it. */
async function list(service: TransportDiscoveryUnderTest, path: string): Promise<Told[]> {
  await service.clock.advance(Math.max(UPTIME_LISTS_MS, DAYS_CACHE_MS));
  return JSON.parse((await service.ask(path)).body);
}

const post = (service: TransportDiscoveryUnderTest, path: string, body: unknown) =>
  service.ask(path, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) });

/** To midnight, UTC. */
async function toMidnight({ clock }: TransportDiscoveryUnderTest): Promise<string> {
  await clock.advance(DAY_MS - clock.wallMs() % DAY_MS);
  return dayOf(clock.wallMs());
}

Deno.test("SV-7: a visor that only says that it is there is not credited, not in any list", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  await register(service, alice, [transportOf(alice, bob)], { version: "v1.3.30" });
  for (let time = 0; time < 3; time++) {
    assert.equal((await service.askAs(carol, "/v4/update?version=v1.3.30")).body, `{"status":"ok"}\n`);
    assert.equal((await service.askAs(bob, "/v4/update?version=v1.3.30")).status, 200);
    assert.equal((await register(service, carol, [], { version: "v1.3.30" })).status, 201);
    await service.clock.advance(REGISTRATION_BEAT_MS);
  }
  for (const version of ["v1", "v2", "v3"]) {
    const told = JSON.parse((await service.ask(`/uptimes?v=${version}`)).body) as (Told & { key: string })[];
    assert.deepEqual(told.map(({ pk, key }) => pk ?? key), [alice.publicKey], `${version}: nobody else`);
  }
  assert.deepEqual(
    await service.uptimes.visors.visors([bob.publicKey]),
    [],
    "named by another is not registered",
  );
});

Deno.test("SV-7: a heartbeat counts for who registered, as long as a transport of its own lives", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const day = await toMidnight(service);
  const beats = async () => (await service.uptimes.visors.days(day, day))[0]?.beats;
  await register(service, alice, [transportOf(alice, bob)]);
  await service.clock.advance(REGISTRATION_BEAT_MS);
  await service.askAs(alice, "/v4/update");
  assert.equal(await beats(), 2);
  await service.clock.advance(REGISTRATION_BEAT_MS);
  await register(service, alice, []);
  assert.equal(await beats(), 3, "an empty registration says the same");
  await service.clock.advance(TRANSPORT_TTL_MS - 2 * REGISTRATION_BEAT_MS);
  await service.askAs(alice, "/v4/update?version=v9");
  assert.equal(await beats(), 3, "the transport has ended");
  const [visor] = await service.uptimes.visors.visors();
  assert.equal(visor!.version, undefined);
});

Deno.test("a day of registrations each 90 s is 960 beats and 100.00 percent, half of it 50.00, and no more than that", async () => {
  assert.equal(REGISTRATION_BEATS_OF_DAY, 960);
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const day = await toMidnight(service);
  const [own, other] = [transportOf(alice, bob), transportOf(bob, carol)];
  for (let beat = 0; beat < 960; beat++) {
    await register(service, alice, [own]);
    if (beat % 2 === 0) await register(service, bob, [other]);
    await service.clock.advance(REGISTRATION_BEAT_MS / 2);
    await register(service, carol, [other]);
    await service.clock.advance(REGISTRATION_BEAT_MS / 2);
    await register(service, carol, [other]); // twice as often as it counts
  }
  const told = await list(service, `/uptimes?v=v3`);
  const of = (owner: KeyPair) => told.find(({ pk }) => pk === owner.publicKey)!;
  assert.equal(of(alice).daily![day], "100.00");
  assert.equal(of(bob).daily![day], "50.00");
  assert.equal(of(carol).daily![day], "100.00");
  assert.equal(of(alice).timeline![day], ".".repeat(SLOTS_OF_DAY));
  assert.ok((await service.uptimes.visors.days(day, day)).every(({ beats }) => beats <= 960));
});

/** Registers without a signature, as over dmsg: much of it in little time. */
async function registerOverDmsg(
  { api }: TransportDiscoveryUnderTest,
  owner: KeyPair,
  record: TransportRecord,
): Promise<void> {
  const body = JSON.stringify([wireTransport(record)]);
  const question = { method: "POST", path: "/v3/transports/", body, remote: `${owner.publicKey}:1` };
  assert.equal((await ask(api, question)).status, 201);
}

Deno.test("SV-7: a visor that is up all day has the whole day, however often it opens transports besides", async () => {
  for (const everyMs of [40_000, 60_000, 70_000, 80_000, 120_000]) {
    await using service = new TransportDiscoveryUnderTest(unlimited);
    const day = await toMidnight(service);
    const own = transportOf(alice, bob);
    const registration = new Registration({
      clock: service.clock,
      log: silentLog,
      transports: () => [],
      registrar: {
        register: () => registerOverDmsg(service, alice, own),
        remove: () => Promise.resolve(),
      },
    });
    for (let atMs = everyMs; atMs < DAY_MS; atMs += everyMs) {
      await service.clock.advance(everyMs);
      registration.onOpened(own.id as TransportId);
    }
    await registration.close();
    const [{ daily, timeline }] = await list(service, "/uptimes?v=v3") as [Told];
    assert(Number(daily![day]) >= 99.85, `a transport each ${everyMs / 1_000} s: ${daily![day]}`);
    assert.equal(timeline![day], ".".repeat(SLOTS_OF_DAY));
  }
});

Deno.test("SV-7: a transport has the time in which either of its ends registered it, whenever they do", async () => {
  for (
    const [everyMs, otherMs] of [[90_000, 44_000], [90_000, 84_000], [60_000, 30_000], [70_000, 0]] as const
  ) {
    await using service = new TransportDiscoveryUnderTest(unlimited);
    const day = await toMidnight(service);
    const own = transportOf(alice, bob);
    const writes: number[] = [];
    const beats = service.uptimes.transports.beats.bind(service.uptimes.transports);
    service.uptimes.transports.beats = (some) => (writes.push(some.length), beats(some));
    const untilMs = 6 * 3_600_000;
    for (let atMs = 0; atMs < untilMs; atMs += everyMs) {
      await registerOverDmsg(service, alice, own);
      await service.clock.advance(otherMs);
      await registerOverDmsg(service, bob, own);
      await service.clock.advance(everyMs - otherMs);
    }
    const [counted] = await service.uptimes.transports.days(day, day);
    const what = `each ${everyMs} ms, the other ${otherMs} ms later`;
    assert(Math.abs(counted!.beats - untilMs / 90_000) <= 1, `${what}: ${counted!.beats}`);
    assert(writes.length < 0.75 * 2 * untilMs / everyMs, `${what}: ${writes.length} writes`);
  }
});

Deno.test("SV-7: a list of everybody that was kept before midnight is made anew after it", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const day = await toMidnight(service);
  await service.clock.advance(DAY_MS - 60_000);
  const own = transportOf(alice, bob);
  const told = async (query = "") => JSON.parse((await service.ask(`/uptimes?v=v2${query}`)).body) as Told[];
  assert.deepEqual(await told(), []);
  await service.clock.advance(UPTIME_LISTS_MS + 15_000);
  assert.deepEqual(await told(), []);
  await service.clock.advance(5_000);
  await registerOverDmsg(service, alice, own);
  assert.deepEqual(await told(), [], "made a moment ago");
  await service.clock.advance(12_000); // two seconds past midnight
  const [visor] = await told();
  assert.deepEqual(visor!.daily, { [day]: "0.10" });
  assert.deepEqual(await told(`&visors=${alice.publicKey}`), [visor]);
});

Deno.test("a registration a little early counts, as clocks and networks have it", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const day = await toMidnight(service);
  for (let beat = 0; beat < 10; beat++) {
    await register(service, alice, [transportOf(alice, bob)]);
    await service.clock.advance(REGISTRATION_BEAT_MS + (beat % 2 === 0 ? -4_000 : 4_000));
  }
  assert.equal((await service.uptimes.visors.days(day, day))[0]!.beats, 10);
});

Deno.test("v2 of a transport discovery is byte for byte that of an uptime tracker", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const day = await toMidnight(service);
  await register(service, alice, [transportOf(alice, bob)], { version: "v1.3.29" });
  const expected = `[{"pk":"${alice.publicKey}","on":false,"version":"v1.3.29","daily":{"${day}":"0.10"}}]\n`;
  const answer = await service.ask("/uptimes?v=v2");
  assert.equal(answer.body, expected);
  assert.equal(answer.header("content-type"), "application/json");
  const { body } = await service.ask("/uptimes");
  assert.equal(body, `[{"key":"${alice.publicKey}","online":false}]\n`);
});

Deno.test("online is two live transports that need no dmsg server, to others; it ends with the second", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const isOn = async () => (await list(service, `/uptimes?v=v2&visors=${alice.publicKey}`))[0]!.on;
  const renewed = async (records: TransportRecord[]) => {
    const told = async () =>
      JSON.parse((await service.ask(`/uptimes?v=v2&visors=${alice.publicKey}`)).body)[0].on;
    assert.equal((await register(service, alice, records)).status, 201);
    await service.clock.advance(1_000);
    return await told();
  };
  const first = transportOf(alice, bob);
  assert.equal(await renewed([first]), false, "one");
  assert.equal(await renewed([transportOf(alice, carol, { type: "dmsg" })]), false, "and one over dmsg");
  assert.equal(await renewed([transportOf(alice, alice)]), false, "and one to itself");
  assert.equal(await renewed([transportOf(alice, bob, { type: "sudph" })]), true, "a second");
  assert.equal(await isOn(), false, "both have ended");
  await service.clock.advance(1);
  assert.equal(
    await renewed([first, transportOf(alice, dave, { type: "quic" })]),
    true,
    "also of a type to come",
  );
  const drop = { method: "POST", body: JSON.stringify([first.id]) };
  await service.askAs(alice, "/transports/delete-batch", drop);
  assert.equal(JSON.parse((await service.ask(`/uptimes?visors=${alice.publicKey}`)).body)[0].online, false);
});

Deno.test("days are told for a week, and a timeline has 288 slots of five minutes", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const first = await toMidnight(service);
  for (let day = 0; day < 8; day++) {
    await register(service, alice, [transportOf(alice, bob)]);
    await service.clock.advance(DAY_MS);
  }
  await service.clock.advance(5 * 60_000);
  await register(service, alice, [transportOf(alice, bob)]);
  const [visor] = await list(service, "/uptimes?v=v3");
  const days = Object.keys(visor!.daily!);
  assert.deepEqual([days.length, days.includes(first)], [8, false]);
  assert.equal(visor!.timeline![days.at(-1)!], ` .${" ".repeat(286)}`);
  const seconds = Date.parse(days[1]!) / 1_000;
  const [some] = await list(service, `/uptimes?v=v2&startDate=${seconds}&endDate=${seconds}`);
  assert.deepEqual(Object.keys(some!.daily!), [days[1]]);
});

Deno.test("POST /uptimes: keys of the body, in its version; anything else is refused", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  for (const owner of [alice, bob]) await register(service, owner, [transportOf(alice, bob)]);
  const answer = await post(service, "/uptimes", {
    pks: [bob.publicKey, carol.publicKey, bob.publicKey],
    v: "v2",
  });
  assert.deepEqual(JSON.parse(answer.body).map(({ pk }: Told) => pk), [bob.publicKey]);
  assert.deepEqual(JSON.parse((await post(service, "/uptimes", { pks: [] })).body), []);
  const many = Array.from({ length: ASKED_KEYS_MAX + 1 }, () => alice.publicKey);
  for (
    const body of [
      "",
      "null",
      "[]",
      {},
      { pks: "x" },
      { pks: ["x"] },
      { pks: [7] },
      { pks: many },
      "[".repeat(9_000),
    ]
  ) {
    assert.equal((await post(service, "/uptimes", body)).status, 400, JSON.stringify(body).slice(0, 40));
  }
  assert.equal((await post(service, "/uptimes", `"${"x".repeat(200_000)}"`)).status, 413);
});

Deno.test("uptimes of transports: those that need no dmsg server, by id, visor and type, while they live and after", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const day = await toMidnight(service);
  const [direct, punched, over] = [
    transportOf(alice, bob),
    transportOf(bob, carol, { type: "sudph" }),
    transportOf(alice, carol, { type: "dmsg" }),
  ];
  await register(service, alice, [direct, over]);
  await service.clock.advance(REGISTRATION_BEAT_MS);
  await register(service, bob, [direct, punched]);
  const ids = async (query: string) =>
    JSON.parse((await service.ask(`/uptimes/transports${query}`)).body).map(({ id }: Told) => id).sort();
  assert.deepEqual(await ids(""), [direct.id, punched.id].sort());
  assert.deepEqual(await ids(`?tp=${punched.id.toUpperCase()},${over.id},x`), [punched.id]);
  assert.deepEqual(await ids(`?visors=${alice.publicKey}`), [direct.id]);
  assert.deepEqual(await ids(`?type=sudph`), [punched.id]);
  assert.deepEqual(await ids(`?visors=x`), []);
  const [edge_a, edge_b] = direct.edges;
  const full = await service.ask(`/uptimes/transports?v=v2&edges=true&tp=${direct.id}`);
  assert.deepEqual(JSON.parse(full.body), [
    { id: direct.id, on: true, type: "stcpr", edge_a, edge_b, daily: { [day]: "0.21" } },
  ]);
  const [v3] = JSON.parse(
    (await post(service, "/uptimes/transports", { ids: [direct.id], v: "v3" })).body,
  ) as [Told];
  assert.deepEqual(Object.keys(v3), ["id", "on", "type", "daily", "timeline"]);
  assert.equal(v3.timeline![day], `.${" ".repeat(287)}`);
  const own = await post(service, "/uptimes/transports", {
    pks: [carol.publicKey],
    type: "sudph",
    edges: true,
  });
  assert.deepEqual(JSON.parse(own.body).map(({ id }: Told) => id), [punched.id]);
  await service.clock.advance(TRANSPORT_TTL_MS);
  assert.deepEqual(JSON.parse((await service.ask("/uptimes/transports")).body).map(({ on }: Told) => on), [
    false,
    false,
  ]);
  for (const body of [[], "x", { pks: "x" }, { ids: ["x"] }, { ids: "x" }, { type: 7 }, { edges: 1 }]) {
    assert.equal((await post(service, "/uptimes/transports", body)).status, 400, JSON.stringify(body));
  }
});

Deno.test("both edges register a transport, and it beats once in an interval", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const day = await toMidnight(service);
  const transport = transportOf(alice, bob);
  for (let beat = 0; beat < 10; beat++) {
    await register(service, alice, [transport]);
    await service.clock.advance(REGISTRATION_BEAT_MS / 2);
    await register(service, bob, [transport]);
    await service.clock.advance(REGISTRATION_BEAT_MS / 2);
  }
  const [counted] = await service.uptimes.transports.days(day, day);
  assert.equal(counted!.beats, 10);
  assert.equal([...counted!.slots].filter((byte) => byte !== 0).length, 1, "15 min, three slots");
  assert.equal(counted!.slots[0], 0b1110_0000);
});

Deno.test("a transport was up in a slot that only the beat of its other edge is in", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const day = await toMidnight(service);
  await service.clock.advance(280_000);
  await register(service, alice, [transportOf(alice, bob)]);
  await service.clock.advance(30_000);
  await register(service, bob, [transportOf(alice, bob)]);
  const [counted] = await service.uptimes.transports.days(day, day);
  assert.deepEqual([counted!.beats, counted!.slots[0]], [1, 0b1100_0000]);
});

Deno.test("whoever is up keeps its place: beats make room, for visors and for transports", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const given: object[] = [];
  for (const store of Object.values(service.uptimes) as { beats(beats: object[]): Promise<unknown> }[]) {
    const beats = store.beats.bind(store);
    store.beats = (each) => {
      given.push(...each);
      return beats(each);
    };
  }
  await register(service, alice, [transportOf(alice, bob)]);
  await service.askAs(alice, "/v4/update");
  const [visor, transport, heartbeat] = given as { visorsMax: number; makesRoom: boolean }[];
  assert.deepEqual([visor!.visorsMax, visor!.makesRoom], [VISORS_KEPT_MAX, true]);
  assert.deepEqual([transport!.visorsMax, transport!.makesRoom], [TRANSPORTS_KEPT_MAX, true]);
  assert.deepEqual([heartbeat!.visorsMax, heartbeat!.makesRoom], [VISORS_KEPT_MAX, true]);
});

Deno.test("totals and lists of the uptimes of transports", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const [ended, alive] = [transportOf(alice, bob), transportOf(bob, carol, { type: "sudph" })];
  await register(service, alice, [ended]);
  await service.clock.advance(TRANSPORT_TTL_MS);
  await register(service, bob, [alive]);
  assert.deepEqual(JSON.parse((await service.ask("/metrics/uptime")).body), {
    total_transports: 2,
    online: 1,
    by_type: { stcpr: 1, sudph: 1 },
  });
  const byId = JSON.parse((await service.ask(`/metrics/uptime/${ended.id},${alive.id}`)).body) as Told[];
  assert.deepEqual(byId.map(({ id, on }) => [id, on]), [[ended.id, false], [alive.id, true]]);
  const byKey = JSON.parse((await service.ask(`/metrics/uptime/visor/${carol.publicKey}`)).body) as Told[];
  assert.deepEqual(byKey.map(({ id }) => id), [alive.id]);
});

Deno.test("versions: from the header, an entry of 2026 or a heartbeat; counted, listed, asked for", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  await register(service, alice, [transportOf(alice, bob), transportOf(alice, carol)], {
    version: "v1.3.30",
  });
  const wrapped = JSON.stringify([{ entry: wireTransport(transportOf(bob, carol)), version: "v1.3.29" }]);
  await service.askAs(bob, "/transports/", { method: "POST", body: wrapped });
  await register(service, carol, [transportOf(bob, carol)], { version: "\u001b[2J" });
  const ask = async (path: string) => JSON.parse((await service.ask(path)).body);
  assert.deepEqual(await ask("/version"), { "v1.3.30": 1, "v1.3.29": 1, unknown: 1 });
  await service.askAs(carol, "/v4/update?version=v1.3.29");
  await service.clock.advance(UPTIME_LISTS_MS);
  assert.deepEqual(await ask("/version"), { "v1.3.30": 1, "v1.3.29": 2 });
  assert.deepEqual(await ask("/version?on=true"), { "v1.3.30": 1, "v1.3.29": 2 }, "all three have two");
  assert.deepEqual(await ask("/version?on=false"), {});
  const pks = (told: Told[]) => told.map(({ pk, version }) => [pk, version]);
  assert.deepEqual(pks(await ask(`/versions/${bob.publicKey},${dave.publicKey}`)), [[
    bob.publicKey,
    "v1.3.29",
  ]]);
  assert.deepEqual(Object.keys((await ask("/versions"))[0]), ["pk", "version"]);
  assert.deepEqual((await ask("/versions?status=true&on=true")).map(({ on }: Told) => on), [
    true,
    true,
    true,
  ]);
});

Deno.test("metrics tell latencies and who lives, and of bandwidth honestly nothing", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const latency = { min: 1, max: 3, avg: 2 };
  const [ended, alive] = [transportOf(alice, bob), transportOf(bob, carol, { type: "sudph" })];
  await register(service, alice, [ended]);
  await service.clock.advance(TRANSPORT_TTL_MS);
  await register(service, bob, [{ ...alive, latency }]);
  await register(service, carol, [alive]);
  const ask = async (path: string) => JSON.parse((await service.ask(path)).body);
  const [living, gone] = [
    { id: alive.id, type: "sudph", live: true, latency, daily: [] },
    { id: ended.id, type: "stcpr", live: false, daily: [] },
  ];
  assert.deepEqual(await ask("/metrics?days=7"), [living, gone]);
  assert.deepEqual(await ask("/metrics?live=true&latency=false&bandwidth=false&edges=true"), [
    { id: alive.id, type: "sudph", live: true, edges: alive.edges },
  ]);
  assert.deepEqual(await ask("/metrics?live=false"), [gone]);
  assert.deepEqual(await ask("/metrics?type=sudph"), [living]);
  assert.deepEqual(await ask(`/metrics/${ended.id},${alive.id}`), [living, gone]);
  assert.deepEqual(await ask(`/metrics/visor/${alice.publicKey}`), [gone]);
  for (const days of ["0", `${METRICS_DAYS_MAX + 1}`, "x", "-1"]) {
    assert.equal((await service.ask(`/metrics?days=${days}`)).status, 400, days);
  }
  assert.deepEqual(await ask("/metric"), { daily: [], cumulative: null });
  assert.deepEqual(await ask(`/metric/visor/${alice.publicKey}`), { daily: [], cumulative: null });
  assert.deepEqual(await ask(`/bandwidth/transport/${alive.id}?period=daily&limit=7`), []);
  assert.deepEqual(await ask(`/bandwidth/visor/${bob.publicKey}`), []);
  for (const path of ["/bandwidth/transport/x", "/bandwidth/visor/x", "/bandwidth/visor"]) {
    assert.equal((await service.ask(path)).status, 400, path);
  }
});

Deno.test("methods and paths beside these are none", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const allowed: [string, string, string][] = [
    ["PUT", "/uptimes", "GET, POST"],
    ["DELETE", "/uptimes/transports", "GET, POST"],
    ["POST", "/metrics/uptime", "GET"],
    ["POST", "/version", "GET"],
    ["POST", "/metrics", "GET"],
    ["POST", "/bandwidth/visor/x", "GET"],
  ];
  for (const [method, path, allow] of allowed) {
    const answer = await service.ask(path, { method });
    assert.deepEqual([answer.status, answer.header("allow")], [405, allow], `${method} ${path}`);
  }
  for (
    const path of [
      "/uptimes/",
      "/uptimes/x",
      "/versions/a/b",
      "/metrics/a/b/c",
      "/metric/x",
      "/bandwidth",
      "/bandwidth/x",
    ]
  ) {
    assert.equal((await service.ask(path)).status, 404, path);
  }
});

Deno.test("lists of everybody are made once in 30 s, whoever asks", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  assert.equal((await service.ask("/uptimes?v=v2")).body, "[]\n");
  await register(service, alice, [transportOf(alice, bob)]);
  assert.equal((await service.ask("/uptimes?v=v2")).body, "[]\n");
  assert.equal(JSON.parse((await service.ask(`/uptimes?v=v2&visors=${alice.publicKey}`)).body).length, 1);
  await service.clock.advance(UPTIME_LISTS_MS);
  assert.equal(JSON.parse((await service.ask("/uptimes?v=v2")).body).length, 1);
});

Deno.test("uptimes that cannot be kept cost nobody a registration, and lists say so", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  await service.uptimes.visors[Symbol.asyncDispose]();
  await service.uptimes.transports[Symbol.asyncDispose]();
  await assert.rejects(service.uptimes.visors.visors(), StoreError);
  assert.equal((await register(service, alice, [transportOf(alice, bob)])).status, 201);
  assert.equal((await register(service, alice, [])).status, 201);
  assert.equal(JSON.parse((await service.ask("/all-transports")).body).length, 1);
  for (const path of ["/uptimes", "/uptimes/transports", "/metrics/uptime", "/version"]) {
    assert.equal((await service.ask(path)).status, 500, path);
  }
});
