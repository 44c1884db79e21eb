/** The transport discovery beyond the recordings: routes of 2026, lives, limits, hostile input (SV-2, TP-1). */
import assert from "node:assert/strict";
import { type TransportRecord, wireTransport } from "../../lib/directory/mod.ts";
import {
  BATCH_RECORDS_MAX,
  EDGES_MAX,
  LIST_BYTES_MAX,
  RECORDS_OF_KEY_MAX,
  REGISTRATION_BYTES_MAX,
  TRANSPORT_TTL_MS,
  type TransportChange,
} from "../../lib/services/transport_discovery/mod.ts";
import { LATENCY_TTL_MS } from "../../lib/services/store/mod.ts";
import { monitored, pair, signed, TransportDiscoveryUnderTest, transportOf } from "./service_support.ts";

const [alice, bob, carol, monitor] = ["alice", "bob", "carol", "monitor"].map(pair) as [
  ReturnType<typeof pair>,
  ReturnType<typeof pair>,
  ReturnType<typeof pair>,
  ReturnType<typeof pair>,
];
const unlimited = { requestsPerMinute: 0 };

function register(
  service: TransportDiscoveryUnderTest,
  owner: typeof alice,
  records: readonly (TransportRecord | object)[],
  path = "/v3/transports/",
) {
  const body = JSON.stringify(
    records.map((each) => "id" in each ? wireTransport(each as TransportRecord) : each),
  );
  return service.askAs(owner, path, { method: "POST", body });
}

/** A transport of `owner` over HTTP, from that address. */
async function registerFrom(service: TransportDiscoveryUnderTest, owner: typeof alice, remote: string) {
  const body = JSON.stringify([wireTransport(transportOf(owner, bob))]);
  const headers = signed(owner, await service.nonceOf(owner), body);
  return await service.ask("/v3/transports/", { method: "POST", body, headers, remote });
}

async function idsOf(service: TransportDiscoveryUnderTest, owner: typeof alice): Promise<string[]> {
  const { body } = await service.ask(`/v3/transports/edge:${owner.publicKey}`);
  return (JSON.parse(body) ?? []).map(({ t_id }: { t_id: string }) => t_id);
}

Deno.test("a transport lives for 5 min after its last registration (SV-2)", async () => {
  await using service = new TransportDiscoveryUnderTest();
  const transport = transportOf(alice, bob);
  assert.equal((await register(service, alice, [transport])).status, 201);
  await service.clock.advance(200_000);
  assert.equal((await register(service, bob, [transport])).status, 201, "either edge renews it");
  await service.clock.advance(TRANSPORT_TTL_MS - 1);
  assert.deepEqual(await idsOf(service, alice), [transport.id]);
  assert.equal((await register(service, bob, [transport])).status, 201, "and again");
  await service.clock.advance(TRANSPORT_TTL_MS - 1);
  assert.deepEqual(await idsOf(service, alice), [transport.id]);
  await service.clock.advance(1);
  assert.deepEqual(await idsOf(service, alice), []);
  assert.equal((await service.ask("/all-transports")).body, "null\n");
  assert.equal((await service.askAs(alice, `/transports/id:${transport.id}`)).status, 404);
  assert.equal(TRANSPORT_TTL_MS, 300_000);
});

Deno.test("a transport lives for 5 min whoever sets the wall clock meanwhile", async () => {
  await using service = new TransportDiscoveryUnderTest();
  await register(service, alice, [transportOf(alice, bob)]);
  service.clock.setWallMs(service.clock.wallMs() + 3_600_000);
  assert.equal((await idsOf(service, alice)).length, 1);
  service.clock.setWallMs(0);
  await service.clock.advance(TRANSPORT_TTL_MS);
  assert.equal((await idsOf(service, alice)).length, 0);
});

Deno.test("one key registers so many live transports and no more, and takes nobody's place", async () => {
  await using service = new TransportDiscoveryUnderTest({ ...unlimited, recordsOfKeyMax: 3 });
  const types = ["stcpr", "sudph", "stcp", "dmsg", "quic"];
  const records = types.map((type) => transportOf(alice, bob, { type })); // of bob, who knows nothing of it
  assert.equal((await register(service, alice, records.slice(0, 2))).status, 201);
  for (const path of ["/v3/transports/", "/transports/"]) {
    const refused = await register(service, alice, records.slice(2), path);
    assert.equal(refused.status, 400);
    assert.deepEqual(JSON.parse(refused.body), { error: "more than 3 live transports of one key" });
  }
  assert.equal((await idsOf(service, alice)).length, 2, "nothing of it is stored");
  assert.equal(service.feed.entries().length, 2, "and nobody is told of it");
  assert.equal((await register(service, alice, records.slice(0, 3))).status, 201);
  assert.equal((await register(service, alice, records.slice(0, 3))).status, 201, "renewals go on");
  assert.equal((await register(service, alice, [records[3]!])).status, 400);
  assert.equal((await register(service, bob, [records[3]!])).status, 201, "bob's places are his own");
  await service.clock.advance(TRANSPORT_TTL_MS);
  assert.equal((await register(service, alice, records.slice(2))).status, 201);
});

Deno.test("the keys at one public address register so many live transports together, and take no other's place", async () => {
  await using service = new TransportDiscoveryUnderTest({ ...unlimited, recordsOfAddressMax: 3 });
  const keys = ["a", "b", "c", "d", "e"].map(pair);
  const from = (owner: typeof alice, remote: string) => registerFrom(service, owner, remote);
  const statuses: number[] = [];
  for (const key of keys.slice(0, 4)) statuses.push((await from(key, "203.0.113.7:1000")).status);
  assert.deepEqual(statuses, [201, 201, 201, 400]);
  assert.match((await from(keys[3]!, "203.0.113.7:1001")).body, /or 3 of one address/);
  assert.equal((await from(keys[0]!, "203.0.113.7:1002")).status, 201, "renewals go on");
  assert.equal(service.feed.entries().length, 3);
  assert.equal((await from(keys[3]!, "203.0.113.8:1000")).status, 201);
  for (const remote of ["127.0.0.1:1000", "10.0.0.7:1000", "[::1]:1000", "[fd00::1]:1000"]) { // may be a proxy's
    for (let number = 0; number < 5; number++) {
      assert.equal((await from(pair(`${remote} ${number}`), remote)).status, 201, remote);
    }
  }
  for (let number = 0; number < 4; number++) { // one network of 64 bits is one subscriber's
    const { status } = await from(pair(`v6 ${number}`), `[2001:db8:1:2::${number}]:1000`);
    assert.equal(status, number < 3 ? 201 : 400);
  }
  for (let number = 0; number < 5; number++) { // over dmsg there is no address but the caller's own word
    const caller = pair(`dmsg ${number}`);
    const headers = { "SW-PublicIP": "203.0.113.7" };
    const body = JSON.stringify([wireTransport(transportOf(caller, bob))]);
    const answer = await service.askAs(caller, "/v3/transports/", { method: "POST", body, headers });
    assert.equal(answer.status, 201, answer.body);
  }
  await service.clock.advance(TRANSPORT_TTL_MS);
  assert.equal((await from(keys[4]!, "203.0.113.7:1000")).status, 201, "places of what ended are free");
});

Deno.test("the maximum of a key holds without being set", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const records = Array.from(
    { length: RECORDS_OF_KEY_MAX + 1 },
    (_, number) => transportOf(alice, bob, { type: `t${number}` }),
  );
  for (let at = 0; at < RECORDS_OF_KEY_MAX; at += BATCH_RECORDS_MAX) {
    assert.equal((await register(service, alice, records.slice(at, at + BATCH_RECORDS_MAX))).status, 201);
  }
  assert.equal((await register(service, alice, records.slice(RECORDS_OF_KEY_MAX))).status, 400);
  assert.equal((await idsOf(service, alice)).length, RECORDS_OF_KEY_MAX);
});

Deno.test("entryTimeoutMs 0 keeps transports until they are deleted, for visors that register once", async () => {
  await using service = new TransportDiscoveryUnderTest({ entryTimeoutMs: 0 });
  await register(service, alice, [transportOf(alice, bob)]);
  await service.clock.advance(365 * 24 * 3_600_000);
  assert.equal((await idsOf(service, alice)).length, 1);
});

Deno.test("a latency is stored, comes with every read, outlives its transport, and the newest wins", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const measured = transportOf(alice, bob, { latency: { min: 10, max: 30, avg: 20 } });
  await register(service, alice, [measured]);
  const bare = transportOf(alice, bob);
  await register(service, bob, [bare]);
  assert.deepEqual(JSON.parse((await service.ask("/all-transports")).body)[0].latency, measured.latency);
  await service.clock.advance(TRANSPORT_TTL_MS);
  assert.deepEqual(await idsOf(service, alice), []);
  await register(service, bob, [bare]);
  await register(service, alice, [bare]);
  const again = JSON.parse((await service.askAs(bob, `/transports/id:${bare.id}`)).body);
  assert.deepEqual(again.latency, measured.latency, "it is there again");
  await register(service, bob, [transportOf(alice, bob, { latency: { min: 1, max: 3, avg: 2 } })]);
  assert.equal(JSON.parse((await service.askAs(bob, `/transports/id:${bare.id}`)).body).latency.avg, 2);
  await service.clock.advance(LATENCY_TTL_MS);
  await register(service, bob, [transportOf(bob, carol)]); // a put forgets what is too old
  await register(service, bob, [bare]);
  await register(service, alice, [bare]);
  assert.equal(JSON.parse((await service.askAs(bob, `/transports/id:${bare.id}`)).body).latency, undefined);
});

Deno.test("RT-1: a latency counts once both edges have registered the transport", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const told: TransportChange[] = [];
  service.feed.onChange((change) => told.push(change));
  const latency = { min: 1, max: 1, avg: 1 };
  const measured = transportOf(alice, bob, { latency });
  const bare = transportOf(alice, bob);
  const latencyAt = async (text: string) => JSON.parse((await service.ask(text)).body)[0].latency;
  for (let round = 0; round < 3; round++) await register(service, alice, [measured]);
  assert.equal(await latencyAt(`/v3/transports/edge:${bob.publicKey}`), undefined);
  assert.equal(await latencyAt("/all-transports"), undefined);
  assert.deepEqual(service.feed.entries(), [bare]);
  await register(service, bob, [bare]);
  assert.deepEqual(await latencyAt(`/v3/transports/edge:${bob.publicKey}`), latency);
  assert.deepEqual(await latencyAt("/all-transports"), latency);
  assert.deepEqual(
    told,
    [{ put: [bare], removed: [] }, { put: [measured], removed: [] }],
    "told with it at once",
  );
  assert.deepEqual(service.feed.entries(), [measured]);
  // Alone again, it is what one edge says: the other may not have it any more.
  await service.clock.advance(TRANSPORT_TTL_MS);
  await register(service, alice, [measured]);
  assert.equal(await latencyAt("/all-transports"), undefined);
  const self = transportOf(carol, carol, { type: "dmsg", latency });
  await register(service, carol, [self]);
  assert.deepEqual(
    await latencyAt(`/v3/transports/edge:${carol.publicKey}`),
    latency,
    "both edges are one key",
  );
});

Deno.test("POST /v3/transports/ takes bare entries, /transports/ signed and versioned ones; both take both", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const record = transportOf(alice, bob);
  const zeros = ["0".repeat(130), "0".repeat(130)];
  const forms = [
    wireTransport(record),
    { entry: wireTransport(record), version: "v1.3.29" },
    { entry: wireTransport(record), signatures: zeros },
    { entry: { ...wireTransport(record), extra: { deep: [1] } } },
  ];
  for (const path of ["/v3/transports/", "/transports/"]) {
    for (const form of forms) {
      const answer = await register(service, alice, [form], path);
      assert.equal(answer.status, 201, answer.body);
      const [echo] = JSON.parse(answer.body);
      if (path === "/transports/") {
        assert.deepEqual(echo, { entry: wireTransport(record), signatures: zeros });
      } else assert.deepEqual(echo, wireTransport(record));
    }
  }
  assert.equal((await register(service, alice, [])).body, "[]\n", "an empty list says that one is alive");
  assert.equal((await service.askAs(alice, "/v3/transports/", { method: "POST", body: "null" })).status, 201);
});

Deno.test("?sync=true answers with all transports of the caller", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const [first, second, foreign] = [
    transportOf(alice, bob),
    transportOf(alice, carol),
    transportOf(bob, carol),
  ];
  await register(service, alice, [first]);
  await register(service, bob, [foreign]);
  for (const path of ["/transports/?sync=true", "/v3/transports/?x=1&sync=true"]) {
    const answer = await register(service, alice, [second], path);
    assert.equal(answer.status, 201);
    assert.deepEqual(JSON.parse(answer.body), [first, second].map(wireTransport));
  }
});

Deno.test("a registration with one entry that is wrong is refused whole, with 400 and the reason", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const good = transportOf(alice, bob);
  const wire = wireTransport(good) as Record<string, unknown>;
  const other = transportOf(alice, carol);
  const wrong: [object | string | null, RegExp][] = [
    [{ ...wire, t_id: other.id }, /transport ID is invalid/],
    [{ ...wire, type: "sudph" }, /transport ID is invalid/],
    [{ ...wire, edges: [...good.edges].reverse() }, /ascending/],
    [wireTransport(transportOf(bob, carol)), /caller is no edge/],
    [{ ...wire, edges: [good.edges[0]] }, /entry is invalid/],
    [{ ...wire, edges: [good.edges[0], "02" + "f".repeat(64)] }, /entry is invalid/],
    [{ ...wire, edges: "both" }, /entry is invalid/],
    [{ ...wire, t_id: 7 }, /entry is invalid/],
    [{ ...wire, t_id: "no uuid" }, /entry is invalid/],
    [{ ...wire, type: "" }, /entry is invalid/],
    [{ ...wire, type: "x".repeat(100) }, /entry is invalid/],
    [{ ...wire, label: "a\nb" }, /entry is invalid/],
    [{ entry: null }, /entry is invalid/],
    [{ entry: wire, signatures: ["00"] }, /signature is invalid/],
    [{ entry: wire, signatures: ["zz", "zz"] }, /signature is invalid/],
    [null, /entry is invalid/],
    ["text", /entry is invalid/],
  ];
  for (const [item, reason] of wrong) {
    const body = JSON.stringify([wireTransport(transportOf(alice, carol, { type: "dmsg" })), item]);
    const answer = await service.askAs(alice, "/v3/transports/", { method: "POST", body });
    assert.equal(answer.status, 400, body);
    assert.match(JSON.parse(answer.body).error, reason, body);
    assert.deepEqual(await idsOf(service, alice), [], "nothing of it is stored");
  }
});

Deno.test("a latency that is no measurement is passed over", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const bad = [{}, { min: 1 }, { min: -1, max: 2, avg: 1 }, { min: 0, max: 0, avg: 0 }, "fast", [1], {
    min: "1",
    max: 2,
    avg: 1,
  }, { min: 1e300, max: 1e300, avg: 1e300 }];
  for (const latency of bad) {
    const answer = await register(service, alice, [{ ...wireTransport(transportOf(alice, bob)), latency }]);
    assert.equal(answer.status, 201);
    assert.equal(JSON.parse(answer.body)[0].latency, undefined, JSON.stringify(latency));
  }
});

Deno.test("delete-batch deletes the caller's, skips the rest, and says how many", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const [own, foreign] = [transportOf(alice, bob), transportOf(bob, carol)];
  await register(service, alice, [own]);
  await register(service, bob, [foreign]);
  const ids = [own.id.toUpperCase(), own.id, foreign.id, transportOf(alice, carol).id, "no id", 7, null];
  const batch = (body: string) => service.askAs(alice, "/transports/delete-batch", { method: "POST", body });
  const answer = await batch(JSON.stringify(ids));
  assert.deepEqual([answer.status, JSON.parse(answer.body)], [200, { deleted: 1, skipped: 6 }]);
  assert.deepEqual(await idsOf(service, bob), [foreign.id]);
  assert.equal((await batch("{}")).status, 500, "JSON of another type, as everywhere in this service");
  assert.equal((await batch("[")).status, 400);
  assert.equal((await batch(JSON.stringify(Array(BATCH_RECORDS_MAX + 1).fill("x")))).status, 400);
});

Deno.test("look-ups without authentication: edges, all, counts", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const self = transportOf(alice, alice, { type: "sudph" });
  const records = [transportOf(alice, bob), transportOf(alice, bob, { type: "dmsg" }), self];
  await register(service, alice, records);
  await register(service, bob, [transportOf(bob, carol)]);
  const edges = (keys: unknown) =>
    service.ask("/transports/edges", { method: "POST", body: JSON.stringify(keys) });
  const found = JSON.parse((await edges([alice.publicKey, bob.publicKey, alice.publicKey])).body);
  assert.equal(found.length, 4, "each once");
  assert.equal((await edges([])).body, "null\n");
  assert.equal((await edges(["02"])).status, 400);
  assert.equal((await edges([7])).status, 400);
  assert.equal((await edges(Array(EDGES_MAX + 1).fill(bob.publicKey))).status, 400);
  const json = async (path: string) => JSON.parse((await service.ask(path)).body);
  assert.equal((await json("/all-transports")).length, 4);
  assert.equal((await json("/all-transports?selfTransports=hide")).length, 3);
  await using lonely = new TransportDiscoveryUnderTest(unlimited);
  await register(lonely, alice, [self]);
  assert.equal(JSON.parse((await lonely.ask("/all-transports")).body).length, 1);
  const hidden = await lonely.ask("/all-transports?selfTransports=hide");
  assert.deepEqual([hidden.status, hidden.body], [404, `{"error":"transport not found"}\n`]);
  await using empty = new TransportDiscoveryUnderTest(unlimited);
  assert.equal((await empty.ask("/all-transports?selfTransports=hide")).status, 404);
  assert.deepEqual([(await empty.ask("/all-transports")).status, (await empty.ask("/all-transports")).body], [
    200,
    "null\n",
  ]);
  assert.deepEqual(await json("/all-transports/stats"), {
    total_transports: 4,
    by_type: { stcpr: 2, dmsg: 1, sudph: 1 },
    unique_visors: 3,
  });
  assert.deepEqual(await json("/all-transports/per-key-stats"), {
    [alice.publicKey]: { total: 3, stcpr: 1, dmsg: 1, sudph: 1 },
    [bob.publicKey]: { total: 3, stcpr: 2, dmsg: 1 },
    [carol.publicKey]: { total: 1, stcpr: 1 },
  });
  assert.deepEqual(await json(`/transports/stats/${bob.publicKey}`), {
    total: 3,
    by_type: { stcpr: 2, dmsg: 1 },
  });
  assert.equal((await service.ask("/transports/stats/02")).status, 400);
  assert.equal((await service.ask("/v3/transports/edge:02")).status, 400);
});

Deno.test("lists of everything follow each change at once", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const total = async () => JSON.parse((await service.ask("/all-transports/stats")).body).total_transports;
  assert.equal(await total(), 0);
  const transport = transportOf(alice, bob);
  await register(service, alice, [transport]);
  assert.equal(await total(), 1);
  await service.askAs(alice, `/transports/id:${transport.id}`, { method: "DELETE" });
  assert.equal(await total(), 0);
});

Deno.test("GET /v4/update is a heartbeat of whoever proves its key, and 401 for others", async () => {
  await using service = new TransportDiscoveryUnderTest();
  assert.deepEqual(JSON.parse((await service.askAs(alice, "/v4/update?version=v1")).body), { status: "ok" });
  const headers = signed(alice, 0);
  assert.equal((await service.ask("/v4/update", { headers })).status, 200);
  assert.equal(await service.nonceOf(alice), 1, "200 counts");
  assert.equal((await service.ask("/v4/update", { headers })).status, 401);
});

Deno.test("30 requests of a key in a minute, 10 at once; 429 says when, and does not count (services.md 1.3)", async () => {
  await using service = new TransportDiscoveryUnderTest();
  const beat = async (owner: typeof alice) => (await service.askAs(owner, "/v4/update")).status;
  for (let index = 0; index < 10; index++) assert.equal(await beat(alice), 200);
  const refused = await service.ask("/v4/update", { headers: signed(alice, 0) });
  assert.deepEqual([refused.status, refused.header("retry-after")], [429, "2"]);
  assert.equal(await service.nonceOf(alice), 0);
  assert.equal(await beat(bob), 200, "each key for itself");
  await service.clock.advance(2_000);
  assert.deepEqual([await beat(alice), await beat(alice)], [200, 429]);
  const forged = signed(alice, 0);
  for (let index = 0; index < 50; index++) {
    await service.ask("/v4/update", { headers: { ...forged, "SW-Public": carol.publicKey } });
  }
  assert.equal(await beat(carol), 200, "nobody spends another's requests");
});

Deno.test("deregistration: a listed monitor only, all ids or none", async () => {
  const settings = { ...unlimited, whitelistKeys: [monitor.publicKey] };
  await using service = new TransportDiscoveryUnderTest(settings);
  const transport = transportOf(alice, bob);
  await register(service, alice, [transport]);
  const drop = (headers: Record<string, string>, body: string) =>
    service.ask("/transports/deregister", { method: "DELETE", headers, body });
  const ids = JSON.stringify([transport.id]);
  assert.equal((await drop({}, ids)).status, 403);
  assert.equal((await drop(monitored(alice), ids)).status, 403);
  const impostor = { ...monitored(alice), "NM-PK": monitor.publicKey };
  assert.equal((await drop(impostor, ids)).status, 403);
  assert.equal((await drop({ ...monitored(monitor), "NM-Sign": "00" }, ids)).status, 400);
  assert.equal((await drop(monitored(monitor), JSON.stringify([transport.id, "no id"]))).status, 400);
  assert.equal((await idsOf(service, alice)).length, 1);
  assert.equal((await drop(monitored(monitor), ids)).body, "null");
  assert.deepEqual(await idsOf(service, alice), []);
});

Deno.test("bodies that are too large, too deep, or no text end in an answer", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const post = (body: string | Uint8Array) =>
    service.askAs(alice, "/v3/transports/", { method: "POST", body });
  assert.equal((await post("x".repeat(REGISTRATION_BYTES_MAX + 1))).status, 413);
  assert.equal((await post("[".repeat(REGISTRATION_BYTES_MAX))).status, 400);
  assert.equal((await post(Uint8Array.of(0xff, 0xfe, 0))).status, 400);
  const many = Array(BATCH_RECORDS_MAX + 1).fill(0);
  assert.equal((await post(JSON.stringify(many))).status, 400);
  const list = { method: "POST", body: "x".repeat(LIST_BYTES_MAX + 1) };
  assert.equal((await service.ask("/transports/edges", list)).status, 413);
  assert.equal((await service.askAs(alice, "/transports/delete-batch", list)).status, 413);
  assert.equal((await service.askAs(alice, "/v4/update", { body: "x".repeat(2_000) })).status, 413);
});

Deno.test("paths and methods that are none", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  for (
    const path of ["/", "", "/transports", "/v3/transports", "/transports/id", "/uptime", "/metrics/", "/x:y"]
  ) {
    assert.equal((await service.ask(path)).status, 404, path);
  }
  const allowed: [string, string, string][] = [
    ["PUT", "/transports/", "POST"],
    ["POST", "/all-transports", "GET"],
    ["POST", `/transports/id:${transportOf(alice, bob).id}`, "GET, DELETE"],
    ["DELETE", `/transports/edge:${alice.publicKey}`, "GET"],
    ["GET", "/transports/deregister", "DELETE"],
    ["GET", "/transports/edges", "POST"],
    ["POST", "/health", "GET"],
  ];
  for (const [method, path, allow] of allowed) {
    const answer = await service.ask(path, { method });
    assert.deepEqual([answer.status, answer.header("allow")], [405, allow], `${method} ${path}`);
  }
});

Deno.test("10,000 keys: each registers a transport, and every question stays quick", async () => {
  await using service = new TransportDiscoveryUnderTest();
  const keys = Array.from({ length: 100 }, (_, index) => pair(`visor ${index}`));
  const records = keys.flatMap((one, index) =>
    keys.slice(index + 1).flatMap((
      other,
    ) => [transportOf(one, other), transportOf(one, other, { type: "dmsg" })])
  );
  for (const owner of keys) {
    const own = records.filter(({ edges }) => edges[0] === owner.publicKey);
    assert.equal((await register(service, owner, own)).status, 201);
  }
  const stats = JSON.parse((await service.ask("/all-transports/stats")).body);
  assert.deepEqual([stats.total_transports, stats.unique_visors], [9_900, 100]);
  const startedMs = performance.now();
  for (const owner of keys) assert.equal((await idsOf(service, owner)).length, 198);
  const eachMs = (performance.now() - startedMs) / keys.length;
  assert.ok(eachMs < 50, `${eachMs.toFixed(1)} ms for the transports of one edge`);
});

Deno.test("the feed tells what came, what changed, what went and what ended, and nothing of renewals", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const told: TransportChange[] = [];
  const stop = service.feed.onChange((change) => told.push(change));
  const [first, second] = [transportOf(alice, bob), transportOf(alice, carol)];
  await register(service, alice, [first, second]);
  assert.deepEqual(told.splice(0), [{ put: [first, second], removed: [] }]);
  await service.clock.advance(60_000);
  await register(service, alice, [second]);
  assert.deepEqual(told, [], "a renewal changes nothing");
  const relabelled = transportOf(alice, carol, { label: "automatic", latency: { min: 1, max: 1, avg: 1 } });
  await register(service, carol, [relabelled]);
  assert.deepEqual(told.splice(0), [{ put: [relabelled], removed: [] }]);
  assert.deepEqual(service.feed.entries(), [first, relabelled]);
  await service.clock.advance(TRANSPORT_TTL_MS - 60_000);
  assert.deepEqual(
    told.splice(0),
    [{ put: [], removed: [first.id] }],
    "its end is told, without any question",
  );
  assert.deepEqual(service.feed.entries(), [relabelled]);
  await service.askAs(alice, "/transports/delete-batch", {
    method: "POST",
    body: JSON.stringify([second.id]),
  });
  assert.deepEqual(told.splice(0), [{ put: [], removed: [second.id] }]);
  await service.clock.advance(TRANSPORT_TTL_MS);
  assert.deepEqual(told, [], "what is removed does not end once more");
  await register(service, alice, [first]);
  stop();
  await register(service, alice, [second]);
  assert.equal(told.length, 1);
});

Deno.test("the feed tells each end in its time, whichever was renewed meanwhile", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  const removed: string[] = [];
  service.feed.onChange((change) => removed.push(...change.removed));
  const [first, second, third] = [
    transportOf(alice, bob),
    transportOf(alice, carol),
    transportOf(alice, alice),
  ];
  await register(service, alice, [first, second, third]);
  await service.clock.advance(60_000);
  await register(service, alice, [first]);
  await service.clock.advance(60_000);
  await register(service, alice, [third]);
  await service.clock.advance(TRANSPORT_TTL_MS - 120_000);
  assert.deepEqual(removed, [second.id]);
  await service.clock.advance(60_000);
  assert.deepEqual(removed, [second.id, first.id]);
  await service.clock.advance(60_000);
  assert.deepEqual(removed, [second.id, first.id, third.id]);
});

Deno.test("a reader of the feed that fails costs the writer and the other readers nothing", async () => {
  await using service = new TransportDiscoveryUnderTest(unlimited);
  let told = 0;
  service.feed.onChange(() => {
    throw new Error("a bug of the reader");
  });
  service.feed.onChange(() => told++);
  assert.equal((await register(service, alice, [transportOf(alice, bob)])).status, 201);
  assert.equal(told, 1);
});

Deno.test("a caller's text is answered as JSON, escaped", async () => {
  await using service = new TransportDiscoveryUnderTest();
  const headers = { "SW-Public": alice.publicKey, "SW-Sig": `<&"${"x".repeat(300)}`, "SW-Nonce": "0" };
  const answer = await service.ask("/v4/update", { headers });
  assert.equal(answer.status, 401);
  assert.ok(!answer.body.includes("<"));
  assert.ok(JSON.parse(answer.body).error.message.startsWith(`error parsing SW-Sig:'<&"xxx`));
  assert.ok(answer.body.length < 450);
});
