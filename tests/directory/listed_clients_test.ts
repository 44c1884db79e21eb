/** ServiceDiscoveryClient, UptimeTrackerClient, ConfigBootstrapperClient, LocationClient: our services, recordings, liars. */
import assert from "node:assert/strict";
import { parsePublicKey } from "../../lib/crypto/mod.ts";
import { embeddedDeployment } from "../../lib/deployment/mod.ts";
import {
  ConfigBootstrapperClient,
  HttpServices,
  isUnreachableVisor,
  LocationClient,
  readService,
  readUptime,
  ServiceAnswerError,
  ServiceDiscoveryClient,
  type ServiceRecord,
  ServiceRefusedError,
  ServiceUnreachableError,
  UPTIME_KEYS_MAX,
  UptimeTrackerClient,
  wireService,
} from "../../lib/directory/mod.ts";
import type { AskService } from "../../lib/dmsg/mod.ts";
import { silentLog } from "../../lib/base/mod.ts";
import {
  askAs,
  pair,
  ServiceDiscoveryUnderTest,
  UptimeTrackerUnderTest,
} from "../services/service_support.ts";
import { withSystemWorld } from "../support/world.ts";
import bootstrapping from "../vectors/services/config-bootstrapper.json" with { type: "json" };
import services from "../vectors/services/service-discovery.json" with { type: "json" };
import uptimes from "../vectors/services/uptime-tracker.json" with { type: "json" };

const [alice, bob] = [pair("alice"), pair("bob")];
type Question = Parameters<AskService>[0];

/** A service that answers every question with one text. */
const saying = (text: string, status = 200, log: Question[] = []): AskService => (question) => {
  log.push(question);
  return Promise.resolve({ status, text });
};

const answerTo = (exchanges: readonly { name: string; response: { body: string } }[], name: string) =>
  exchanges.find((each) => each.name === name)!.response.body;

for (const way of ["http", "dmsg"] as const) {
  Deno.test(`a service is registered, found, looked up and removed (${way})`, async () => {
    await using service = new ServiceDiscoveryUnderTest();
    const client = new ServiceDiscoveryClient(askAs(service.api, alice, way));
    const record: ServiceRecord = {
      publicKey: alice.publicKey,
      port: 5505,
      type: "visor",
      version: "v1.3.90",
      localIps: ["10.0.0.1", "203.0.113.7"],
      place: { latitude: 52.37, longitude: 4.89, country: "NL", region: "NH" },
      displayNodeIp: true,
    };
    const { displayNodeIp: _, ...shown } = record;
    assert.deepEqual(await client.register(record, { publicAddress: "203.0.113.7" }), record);
    await client.register(record, { publicAddress: "203.0.113.7" });
    assert.deepEqual(await client.find({ type: "visor" }), [shown]);
    assert.deepEqual(await client.find({ type: "visor", version: "v1.3.90", country: "NL", quantity: 3 }), [
      shown,
    ]);
    assert.deepEqual(await client.find({ type: "visor", country: "FR" }), []);
    assert.deepEqual(await client.one(record), shown);
    assert.equal(await client.one({ ...record, port: 1 }), undefined);
    await client.remove(record);
    await client.remove(record);
    assert.deepEqual(await client.find({ type: "visor" }), []);
    const unreachable = client.register({ ...record, localIps: ["198.51.100.1"] }, {
      publicAddress: "203.0.113.7",
    });
    await assert.rejects(unreachable, (error) => {
      assert.ok(error instanceof ServiceRefusedError && error.status === 403);
      return isUnreachableVisor(error);
    });
    await assert.rejects(
      client.register({ ...record, publicKey: bob.publicKey }),
      (error) => !isUnreachableVisor(error),
    );
  });

  Deno.test(`a visor beats, and its uptimes are read (${way})`, async () => {
    await using service = new UptimeTrackerUnderTest({ listsPerMinute: 0 });
    const client = new UptimeTrackerClient(askAs(service.api, alice, way));
    assert.equal(await client.heartbeat("v1.3.90"), true);
    assert.equal(await client.heartbeat(), true);
    const [seen] = await client.uptimes({ timeline: true });
    assert.deepEqual([seen?.publicKey, seen?.isOnline, seen?.version], [alice.publicKey, true, "v1.3.90"]);
    assert.deepEqual([...seen!.daily.values()], [0.35]);
    assert.deepEqual([...seen!.timeline.values()].map((text) => text.trim()), ["."]);
    assert.deepEqual(await client.uptimes({ keys: [bob.publicKey] }), []);
    assert.deepEqual(await client.uptimes({ keys: [] }), []);
  });
}

Deno.test("the bodies that are signed are those of the recording, byte for byte", async () => {
  let compared = 0;
  for (const { request, response } of services.exchanges) {
    if (request.method !== "POST" || response.status !== 200) continue;
    const log: Question[] = [];
    const client = new ServiceDiscoveryClient(saying(response.body, 200, log));
    const record = readService(JSON.parse(request.body!))!;
    assert.deepEqual(await client.register(record), record);
    assert.deepEqual([log[0]!.path, log[0]!.body], [request.path, request.body]);
    compared++;
  }
  assert.equal(compared, 6);
});

Deno.test("recorded lists of 2024 and 2025 are read: services, null, uptimes of both versions", async () => {
  const list = answerTo(services.exchanges, "list visor (local_ips only shown with display_node_ip)");
  const [one, other] = await new ServiceDiscoveryClient(saying(list)).find({ type: "visor" });
  assert.deepEqual([one?.localIps, other?.localIps, other?.place?.country], [
    undefined,
    ["198.51.100.9"],
    "FR",
  ]);
  assert.deepEqual(await new ServiceDiscoveryClient(saying("null\n")).find({ type: "vpn" }), []);
  assert.deepEqual(await new ServiceDiscoveryClient(saying("[]\n")).find({ type: "vpn" }), []);
  assert.deepEqual(await new ServiceDiscoveryClient(saying("", 404)).find({ type: "vpn" }), []);
  const missing = answerTo(services.exchanges, "one entry, other port");
  const name = { publicKey: alice.publicKey, port: 1, type: "vpn" };
  assert.equal(await new ServiceDiscoveryClient(saying(missing, 500)).one(name), undefined);
  await assert.rejects(new ServiceDiscoveryClient(saying("{}", 500)).one(name), ServiceRefusedError);
  for (const name of ["uptimes", "uptimes v2 (daily figures come from a 5 min cache)"]) {
    const told = await new UptimeTrackerClient(saying(answerTo(uptimes.exchanges, name))).uptimes();
    assert.deepEqual(told.map(({ isOnline }) => isOnline), [true, true, true], name);
  }
});

Deno.test("many keys go in questions of 256; a service that counts nobody says so", async () => {
  const log: Question[] = [];
  const keys = Array.from({ length: 600 }, (_, index) => pair(`visor ${index}`).publicKey);
  await new UptimeTrackerClient(saying("[]", 200, log)).uptimes({ keys: [...keys, ...keys.slice(0, 9)] });
  assert.deepEqual(log.map(({ path }) => path.split(",").length), [UPTIME_KEYS_MAX, UPTIME_KEYS_MAX, 88]);
  assert.equal(new Set(log.flatMap(({ path }) => path.split("&visors=")[1]!.split(","))).size, 600);
  // One that always lists everybody: in both answers there is who was asked for in the first, in the second, and never.
  const everybody = [keys[1]!, keys[299]!, keys[599]!].map((pk) => ({ pk, on: true }));
  const told = await new UptimeTrackerClient(saying(JSON.stringify(everybody)))
    .uptimes({ keys: keys.slice(0, 300) });
  assert.deepEqual(told.map(({ publicKey }) => publicKey), [keys[1], keys[299]]);
  for (const status of [404, 405]) {
    assert.equal(await new UptimeTrackerClient(saying("", status)).heartbeat(), false);
  }
  await assert.rejects(new UptimeTrackerClient(saying("", 410)).heartbeat(), ServiceRefusedError);
});

Deno.test("a list is no longer than what was asked for", async () => {
  const record = JSON.stringify(wireService({ publicKey: alice.publicKey, port: 1, type: "vpn" }));
  const client = new ServiceDiscoveryClient(saying(`[${Array(50).fill(record).join(",")}]`));
  assert.equal((await client.find({ type: "vpn", quantity: 3 })).length, 3);
});

Deno.test("the recorded deployment of 2025 is read, and what it leaves open is filled from what is known", async () => {
  const told = new ConfigBootstrapperClient(saying(answerTo(bootstrapping.exchanges, "config")));
  const plain = await told.deployment();
  assert.equal(plain.serviceDiscovery, "http://sd.skycoin.com");
  assert.deepEqual([plain.routeSetupNodes.length, plain.stunServers.length], [1, 2]);
  assert.equal(plain.dmsgDiscoveryDmsg, undefined);
  const fallback = embeddedDeployment();
  const filled = await told.deployment({ fallback });
  assert.equal(filled.dmsgDiscoveryDmsg, fallback.dmsgDiscoveryDmsg);
  assert.deepEqual(filled.dmsgServers, fallback.dmsgServers);
  assert.deepEqual(filled.routeSetupNodes, plain.routeSetupNodes, "what is told comes first");
  const nothing = answerTo(bootstrapping.exchanges, "dmsghttp config (services unreachable)");
  const empty = await new ConfigBootstrapperClient(saying(nothing)).overDmsg();
  assert.deepEqual([empty.dmsgServers, empty.dmsgDiscoveryDmsg], [[], undefined]);
  const key = parsePublicKey(alice.publicKey);
  const own = JSON.stringify({
    dmsg_servers: [{ static: key, server: { address: "203.0.113.5:8081" } }],
    dmsg_discovery: `${key}:80`,
  });
  const overDmsg = await new ConfigBootstrapperClient(saying(own)).overDmsg();
  assert.equal(overDmsg.dmsgDiscoveryDmsg, `dmsg://${key}:80`);
  assert.deepEqual(overDmsg.dmsgServers, [{ publicKey: key, address: "203.0.113.5:8081" }]);
});

Deno.test("a place is read, and what is none is left out", async () => {
  const log: Question[] = [];
  const client = (text: string) => new LocationClient(saying(text, 200, log), { path: "/json" });
  const told = { country_code: "NL", region_code: "NH", latitude: 52.3676, longitude: 4.9041, ip: "x" };
  assert.deepEqual(await client(JSON.stringify(told)).placeOf("2001:db8::1"), {
    latitude: 52.37,
    longitude: 4.9,
    country: "NL",
    region: "NH",
  });
  assert.equal(log[0]!.path, "/json?ip=2001%3Adb8%3A%3A1");
  for (
    const text of ["{}", "null", "[]", `{"latitude":91,"longitude":"4","country_code":"<b>","region_code":7}`]
  ) {
    assert.equal(await client(text).placeOf("203.0.113.7"), undefined, text);
  }
  await assert.rejects(client("nope").placeOf("203.0.113.7"), ServiceAnswerError);
  await assert.rejects(new LocationClient(saying("", 500)).placeOf("203.0.113.7"), ServiceRefusedError);
});

Deno.test("what a liar answers is a typed error, or passed over", async () => {
  const name = { publicKey: alice.publicKey, port: 1, type: "vpn" };
  for (const text of ["", "nope", "7", "{}", "[]", `{"address":"x"}`]) {
    const client = new ServiceDiscoveryClient(saying(text));
    await assert.rejects(client.one(name), ServiceAnswerError, text);
    await assert.rejects(client.register(name), ServiceAnswerError, text);
  }
  for (const text of ["", "7", `{"a":1}`]) {
    await assert.rejects(new ServiceDiscoveryClient(saying(text)).find({ type: "vpn" }), ServiceAnswerError);
    await assert.rejects(new UptimeTrackerClient(saying(text)).uptimes(), ServiceAnswerError);
  }
  for (
    const text of [
      "",
      "7",
      "[]",
      "null",
      `{"dmsg_servers":7}`,
      `{"dmsg_servers":[{}]}`,
      `{"stun_servers":["x"]}`,
    ]
  ) {
    const client = new ConfigBootstrapperClient(saying(text));
    await assert.rejects(client.deployment(), ServiceAnswerError, text);
    await assert.rejects(client.overDmsg(), ServiceAnswerError, text);
  }
  const mixed = JSON.stringify([null, 7, {}, [[]], { pk: "x" }, { pk: alice.publicKey, on: "yes" }, {
    address: 1,
  }]);
  assert.deepEqual(await new ServiceDiscoveryClient(saying(mixed)).find({ type: "vpn" }), []);
  await assert.rejects(new UptimeTrackerClient(saying(mixed)).uptimes(), ServiceAnswerError);
  const days = {
    "2026-06-10": "97.22",
    "2026-06-11": "101.10",
    "2026-06-12": 5,
    "x": "1.00",
    "2026-06-13": "1e1",
  };
  const timeline = {
    "2026-06-10": ".".repeat(288),
    "2026-06-11": ".".repeat(287),
    "2026-06-12": "x".repeat(288),
  };
  const read = readUptime({ PK: alice.publicKey, On: true, Version: 7, DAILY: days, timeline })!;
  assert.deepEqual([[...read.daily], [...read.timeline.keys()], read.version], [
    [["2026-06-10", 97.22]],
    ["2026-06-10"],
    undefined,
  ]);
});

Deno.test("a list of uptimes that is wrong anywhere is refused whole, and says where: it decides who is paid", async () => {
  const visor = (daily: unknown, publicKey = bob.publicKey) => ({ pk: publicKey, on: true, daily });
  const good = visor({ "2026-06-10": "97.22" }, alice.publicKey);
  const wrong: [unknown, RegExp][] = [
    [good, new RegExp(`visor ${alice.publicKey} is in it twice`)],
    [visor({ "2026-06-10": "97.22", "2026-06-11": "101.01" }), /item 1: "2026-06-11" must be a date with a/],
    [visor({ "2026-06-10": 97 }), /item 1: "2026-06-10"/],
    [visor({ "2026-02-30": "1.00" }), /item 1: "2026-02-30"/],
    [visor([]), /item 1: daily/],
    [visor(Object.fromEntries(Array.from({ length: 401 }, (_, day) => [day, "1"]))), /at most 400 days/],
    [{ pk: "x", on: true }, /item 1 is no visor/],
  ];
  for (const [item, problem] of wrong) {
    const client = new UptimeTrackerClient(saying(JSON.stringify([good, item])), "transport discovery");
    await assert.rejects(client.uptimes(), (error) => {
      assert.ok(error instanceof ServiceAnswerError);
      assert.match(error.message, /^The transport discovery answered with a list that is wrong: /);
      assert.match(error.message, problem);
      return true;
    });
  }
  const without = saying(JSON.stringify([good, visor(null), visor(undefined, pair("carol").publicKey)]));
  const read = await new UptimeTrackerClient(without).uptimes();
  assert.deepEqual(read.map(({ daily }) => daily.size), [1, 0, 0]);
});

Deno.test("services over plain HTTP: one client for all of a kind, ended together", () =>
  withSystemWorld(async (world) => {
    const listener = await world.network.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.address;
    listener.close();
    const httpServices = new HttpServices({ world, userAgent: "test/1", log: silentLog });
    const asked = httpServices.askService("nobody", `http://127.0.0.1:${port}/`)({
      method: "GET",
      path: "/health",
    });
    await assert.rejects(asked, ServiceUnreachableError);
    await httpServices.close();
    await httpServices.close();
  }));
