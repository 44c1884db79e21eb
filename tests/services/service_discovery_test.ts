/** The service discovery beyond the recordings: lives, batches, rules, places, hostile input (SV-2, SV-4). */
import assert from "node:assert/strict";
import type { Place, ServiceRecord } from "../../lib/directory/mod.ts";
import {
  BATCH_KEYS_MAX,
  REACH_CHECKS_MAX,
  REACH_TIMEOUT_MS,
  REACHABLE_MS,
  SERVICE_BYTES_MAX,
  SERVICE_TTL_MS,
  SERVICES_OF_ADDRESS_MAX,
  TYPES_OF_KEY_MAX,
  UNREACHABLE_MS,
} from "../../lib/services/service_discovery/mod.ts";
import { KEYS_BYTES_MAX } from "../../lib/services/hosting/mod.ts";
import type { ServiceStore } from "../../lib/services/store/mod.ts";
import { ask, monitored, pair, ServiceDiscoveryUnderTest, signed } from "./service_support.ts";

const [alice, bob, monitor] = [pair("alice"), pair("bob"), pair("monitor")];
const HERE = "203.0.113.7";
const VPN = { address: `${alice.publicKey}:44`, type: "vpn", version: "v1.3.29" };

const register = (discovery: ServiceDiscoveryUnderTest, record: unknown, owner = alice) =>
  discovery.askAs(owner, "/api/services", { method: "POST", body: JSON.stringify(record) });

/** Registers over HTTP, signed, from `remote`. */
async function registerFrom(
  discovery: ServiceDiscoveryUnderTest,
  remote: string,
  record: unknown,
  owner = alice,
) {
  const body = JSON.stringify(record);
  const headers = signed(owner, await discovery.nonceOf(owner), body);
  return await discovery.ask("/api/services", { method: "POST", body, remote: `${remote}:1234`, headers });
}

const list = async (discovery: ServiceDiscoveryUnderTest, query: string) =>
  JSON.parse((await discovery.ask(`/api/services?${query}`)).body) as { address: string }[] | null;

Deno.test("a service lives for 5 min after its last registration, unconditionally (SV-2)", async () => {
  await using discovery = new ServiceDiscoveryUnderTest();
  assert.equal((await register(discovery, VPN)).status, 200);
  await discovery.clock.advance(200_000);
  assert.equal((await register(discovery, VPN)).status, 200);
  await discovery.clock.advance(SERVICE_TTL_MS - 1_001);
  assert.equal((await list(discovery, "type=vpn"))?.length, 1);
  await discovery.clock.advance(1_000);
  assert.equal((await discovery.ask(`/api/services/${VPN.address}?type=vpn`)).status, 200);
  await discovery.clock.advance(1);
  assert.equal((await discovery.ask(`/api/services/${VPN.address}?type=vpn`)).status, 404);
  assert.equal(await list(discovery, "type=vpn"), null);
  assert.equal(SERVICE_TTL_MS, 300_000);
  assert.equal((await register(discovery, VPN)).status, 200, "and returns");
  assert.equal((await list(discovery, "type=vpn"))?.length, 1);
});

Deno.test("a type is read in batches of 256 keys: none lost, none twice, none out of order (SV-4)", async () => {
  const asked: number[] = [];
  const watched = (store: ServiceStore): ServiceStore =>
    new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name, target);
        if (name !== "batch") return typeof value === "function" ? value.bind(target) : value;
        return (type: string, keys: never[]) => {
          asked.push(keys.length);
          return target.batch(type, keys);
        };
      },
    });
  for (
    const [count, batches] of [
      [BATCH_KEYS_MAX, [256]],
      [BATCH_KEYS_MAX + 1, [256, 1]],
      [3 * BATCH_KEYS_MAX + 10, [256, 256, 256, 10]],
    ] as const
  ) {
    await using discovery = new ServiceDiscoveryUnderTest({}, { watched });
    const records = Array.from({ length: count }, (_, index): ServiceRecord => ({
      publicKey: pair(`visor ${index}`).publicKey,
      port: 3,
      type: "skysocks",
      version: "v1",
    }));
    for (const record of records) await discovery.store.put(record, { ttlMs: 0, typesMax: 1 });
    asked.length = 0;
    const found = await list(discovery, "type=skysocks");
    assert.deepEqual(found!.map(({ address }) => address), records.map(({ publicKey }) => `${publicKey}:3`));
    assert.deepEqual(asked, batches);
    await list(discovery, "type=skysocks&quantity=3");
    assert.deepEqual(asked, batches, "kept for a moment");
  }
  assert.equal(BATCH_KEYS_MAX, 256);
});

Deno.test("a key has one service of a type: another port takes its place, and any port names it at its end", async () => {
  await using discovery = new ServiceDiscoveryUnderTest();
  await register(discovery, VPN);
  await register(discovery, { ...VPN, address: `${alice.publicKey}:45` });
  await register(discovery, { ...VPN, type: "proxy", address: `${alice.publicKey}:3` });
  assert.deepEqual((await list(discovery, "type=vpn"))!.map(({ address }) => address), [
    `${alice.publicKey}:45`,
  ]);
  assert.equal((await list(discovery, "type=skysocks"))!.length, 1, "proxy is another word for it");
  const removed = await discovery.askAs(alice, `/api/services/${alice.publicKey}:0?type=vpn`, {
    method: "DELETE",
  });
  assert.deepEqual([removed.status, removed.body], [200, "true\n"]);
  assert.equal(await list(discovery, "type=vpn"), null);
  assert.equal((await list(discovery, "type=proxy"))!.length, 1);
});

Deno.test("a public visor names the address that it comes from, and that is a public one", async () => {
  const visor = (localIps: readonly string[] | undefined) => ({
    address: `${alice.publicKey}:5505`,
    type: "visor",
    local_ips: localIps,
  });
  await using discovery = new ServiceDiscoveryUnderTest();
  await using own = new ServiceDiscoveryUnderTest({ allowLoopbackAddresses: true });
  const unreachable = `{"error":"Forbidden: visor is unreachable"}\n`;
  for (
    const [remote, localIps] of [
      [HERE, undefined],
      [HERE, []],
      [HERE, ["198.51.100.9"]],
      [HERE, ["no address", "10.0.0.1"]],
      ["127.0.0.1", ["127.0.0.1"]],
      ["10.1.2.3", ["10.1.2.3"]],
    ] as const
  ) {
    const answer = await registerFrom(discovery, remote, visor(localIps));
    assert.deepEqual([answer.status, answer.body], [403, unreachable], `${remote} of ${localIps}`);
  }
  assert.equal((await registerFrom(discovery, HERE, visor(["10.0.0.1", `::ffff:${HERE}`]))).status, 200);
  assert.equal((await registerFrom(own, "127.0.0.1", visor(["127.0.0.1"]))).status, 200);
  assert.equal((await register(discovery, visor([HERE]))).status, 403, "over dmsg it must say where it is");
  const headers = { "SW-PublicIP": HERE };
  const told = await discovery.askAs(alice, "/api/services", {
    method: "POST",
    body: JSON.stringify(visor([HERE])),
    headers,
  });
  assert.equal(told.status, 200, told.body);
});

Deno.test("addresses are shown only where their owner shows them", async () => {
  await using discovery = new ServiceDiscoveryUnderTest();
  for (const [owner, shows] of [[alice, false], [bob, true]] as const) {
    const record = {
      address: `${owner.publicKey}:1`,
      type: "visor",
      local_ips: [HERE],
      display_node_ip: shows,
    };
    assert.equal((await registerFrom(discovery, HERE, record, owner)).status, 200);
  }
  const [one, other] = await list(discovery, "type=visor") as unknown as Record<string, unknown>[];
  assert.deepEqual([one!["local_ips"], other!["local_ips"]], [undefined, [HERE]]);
  for (const [owner, shows] of [[alice, false], [bob, true]] as const) {
    const { body } = await discovery.ask(`/api/services/${owner.publicKey}?type=visor`);
    assert.equal(body.includes(HERE), shows);
  }
});

Deno.test("a place is looked up once for an address, kept with the record, and best effort", async () => {
  const asked: string[] = [];
  let place: Place | undefined | Error = { latitude: 52.37, longitude: 4.89, country: "NL", region: "NH" };
  const locate = (address: string) => {
    asked.push(address);
    return place instanceof Error ? Promise.reject(place) : Promise.resolve(place);
  };
  await using discovery = new ServiceDiscoveryUnderTest({}, { locate });
  await using strict = new ServiceDiscoveryUnderTest({ requiresPlace: true }, { locate });
  const geo = { lat: 52.37, lon: 4.89, country: "NL", region: "NH" };
  for (let time = 0; time < 2; time++) {
    const { body } = await registerFrom(discovery, HERE, VPN);
    assert.deepEqual(JSON.parse(body).geo, geo);
  }
  assert.deepEqual(asked, [HERE]);
  assert.equal((await list(discovery, "type=vpn&country=NL"))?.length, 1);
  assert.equal(await list(discovery, "type=vpn&country=FR"), null);
  await registerFrom(discovery, "10.0.0.1", VPN);
  assert.deepEqual(asked, [HERE], "of a private address nobody knows");
  place = new Error("no network");
  const unknown = await registerFrom(discovery, "198.51.100.9", VPN);
  assert.deepEqual([unknown.status, JSON.parse(unknown.body).geo], [200, undefined]);
  assert.equal((await registerFrom(strict, "198.51.100.9", VPN)).status, 500);
  const own = { ...VPN, geo: { lat: 1.239, lon: "x", country: "FR", region: 7, street: "no" } };
  const { body } = await registerFrom(strict, "198.51.100.9", own);
  assert.deepEqual(
    JSON.parse(body).geo,
    { lat: 1.24, country: "FR" },
    "what was given is taken as far as it is one",
  );
});

Deno.test("what is no service is refused, stored nowhere, and does not count", async () => {
  await using discovery = new ServiceDiscoveryUnderTest();
  const bad: [unknown, number][] = [
    ["nope", 400],
    [null, 400],
    [[], 400],
    [{}, 400],
    [{ ...VPN, address: alice.publicKey }, 400],
    [{ ...VPN, address: `${alice.publicKey}:0` }, 400],
    [{ ...VPN, address: `${alice.publicKey}:65536` }, 400],
    [{ ...VPN, address: 7 }, 400],
    [{ ...VPN, type: "" }, 400],
    [{ ...VPN, type: "a b" }, 400],
    [{ ...VPN, type: "x".repeat(33) }, 400],
    [{ ...VPN, version: 7 }, 400],
    [{ ...VPN, version: "x".repeat(65) }, 400],
    [{ ...VPN, version: "\u001b[2J" }, 400],
    [{ ...VPN, geo: "NL" }, 400],
    [{ ...VPN, local_ips: "all" }, 400],
    [{ ...VPN, display_node_ip: 1 }, 400],
    [{ ...VPN, version: undefined }, 403],
    [{ ...VPN, version: "" }, 403],
    [{ ...VPN, address: `${bob.publicKey}:44` }, 403],
  ];
  for (const [record, status] of bad) {
    const answer = await registerFrom(discovery, HERE, record);
    assert.equal(answer.status, status, `${JSON.stringify(record)}: ${answer.body}`);
    assert.match(JSON.parse(answer.body).error, status === 400 ? /^Bad Request: / : /^Forbidden: /);
  }
  assert.equal((await registerFrom(discovery, HERE, "[".repeat(4_000))).status, 400);
  const large = await discovery.askAs(alice, "/api/services", {
    method: "POST",
    body: "x".repeat(SERVICE_BYTES_MAX + 1),
  });
  assert.equal(large.status, 413);
  assert.equal(await discovery.nonceOf(alice), 0);
  assert.deepEqual(await discovery.store.keys("vpn"), []);
});

Deno.test("one key has so many types, one address so many services, and a renewal is always welcome", async () => {
  await using discovery = new ServiceDiscoveryUnderTest();
  const typed = (type: string) => ({ address: `${alice.publicKey}:1`, type });
  for (let number = 0; number < TYPES_OF_KEY_MAX; number++) {
    assert.equal((await register(discovery, typed(`type${number}`))).status, 200);
  }
  assert.equal((await register(discovery, typed("other"))).status, 403);
  assert.equal((await register(discovery, typed("type0"))).status, 200);
  assert.equal(await discovery.store.keys("other").then((keys) => keys.length), 0);
  const block = { text: HERE, recordsMax: SERVICES_OF_ADDRESS_MAX };
  for (let number = 0; number < SERVICES_OF_ADDRESS_MAX; number++) {
    const record = { publicKey: pair(`visor ${number}`).publicKey, port: 1, type: "vpn", version: "v1" };
    assert.equal(await discovery.store.put(record, { ttlMs: 1_000, typesMax: 1, block }), true);
  }
  const fresh = { ...VPN, address: `${bob.publicKey}:44` };
  assert.equal((await registerFrom(discovery, HERE, fresh, bob)).status, 403);
  assert.equal((await registerFrom(discovery, "198.51.100.9", fresh, bob)).status, 200);
  await discovery.clock.advance(1_000);
  assert.equal((await registerFrom(discovery, HERE, fresh, bob)).status, 200);
});

Deno.test("a type has so many services; those that are there are renewed in any case", async () => {
  await using discovery = new ServiceDiscoveryUnderTest({ servicesOfTypeMax: 1 });
  const ofBob = { ...VPN, address: `${bob.publicKey}:44` };
  assert.equal((await register(discovery, VPN)).status, 200);
  assert.equal((await register(discovery, ofBob, bob)).status, 403);
  assert.equal((await register(discovery, VPN)).status, 200);
  assert.equal((await register(discovery, { ...ofBob, type: "skysocks" }, bob)).status, 200);
  await discovery.clock.advance(SERVICE_TTL_MS);
  assert.equal((await register(discovery, ofBob, bob)).status, 200);
});

Deno.test("a sample is as large as asked for, never has one twice, and is not always the same", async () => {
  await using discovery = new ServiceDiscoveryUnderTest();
  for (let number = 0; number < 20; number++) {
    const owner = pair(`visor ${number}`);
    await register(discovery, { ...VPN, address: `${owner.publicKey}:44` }, owner);
  }
  const seen = new Set<string>();
  for (let time = 0; time < 50; time++) {
    const found = await list(discovery, "type=vpn&quantity=3");
    assert.equal(new Set(found!.map(({ address }) => address)).size, 3);
    for (const { address } of found!) seen.add(address);
  }
  assert.equal(seen.size, 20);
  for (const quantity of ["20", "21", "999999999999999999", "0", "-1", "", "%2B20"]) {
    assert.equal((await list(discovery, `type=vpn&quantity=${quantity}`))!.length, 20, quantity);
  }
  for (const quantity of ["x", "1.5", "1e3", "NaN", "9".repeat(30)]) {
    assert.equal((await discovery.ask(`/api/services?type=vpn&quantity=${quantity}`)).status, 400, quantity);
  }
});

Deno.test("deregistration: a listed monitor only, all keys or none", async () => {
  await using discovery = new ServiceDiscoveryUnderTest({ whitelistKeys: [monitor.publicKey] });
  await register(discovery, VPN);
  const drop = (headers: Record<string, string>, body: string, type = "vpn") =>
    discovery.ask(`/api/services/deregister/${type}`, { method: "DELETE", headers, body });
  const keys = JSON.stringify([alice.publicKey]);
  assert.equal((await drop({}, keys)).status, 403);
  assert.equal((await drop(monitored(bob), keys)).status, 403);
  for (const body of ["{}", "[7]", `["${alice.publicKey}","02"]`, "nope", "[".repeat(9_000)]) {
    assert.equal((await drop(monitored(monitor), body)).status, 400, body.slice(0, 80));
  }
  assert.equal((await drop(monitored(monitor), keys, "a%20b")).status, 400);
  assert.equal((await drop(monitored(monitor), "x".repeat(KEYS_BYTES_MAX + 1))).status, 413);
  assert.equal((await list(discovery, "type=vpn"))?.length, 1);
  assert.equal((await drop(monitored(monitor), keys)).body, "true");
  assert.equal(await list(discovery, "type=vpn"), null);
  assert.equal((await drop(monitored(monitor), "null")).status, 200);
});

Deno.test("pages of anybody may read, and only read", async () => {
  await using discovery = new ServiceDiscoveryUnderTest();
  const Origin = "http://example.org";
  const ask = (method: string) =>
    discovery.ask("/api/services", {
      method: "OPTIONS",
      headers: { Origin, "Access-Control-Request-Method": method },
    });
  assert.equal((await ask("GET")).header("access-control-allow-methods"), "GET");
  for (const method of ["POST", "DELETE", "", "get"]) {
    const answer = await ask(method);
    assert.deepEqual([answer.status, answer.header("access-control-allow-origin")], [200, undefined], method);
  }
  const read = await discovery.ask("/api/services?type=vpn", { headers: { Origin } });
  assert.equal(read.header("access-control-allow-origin"), "*");
  assert.equal((await discovery.ask("/api/services", { method: "OPTIONS" })).status, 405, "no page asks so");
});

Deno.test("paths and methods that are none", async () => {
  await using discovery = new ServiceDiscoveryUnderTest();
  for (const path of ["/", "/api", "/api/services/", "/api/services/a/b", "/security/nonces", "/uptimes/"]) {
    assert.ok([400, 404].includes((await discovery.ask(path)).status), path);
  }
  for (
    const [method, path, allow] of [
      ["PUT", "/api/services", "GET, POST"],
      ["POST", `/api/services/${VPN.address}`, "GET, DELETE"],
      ["GET", "/api/services/deregister/vpn", "DELETE"],
      ["POST", "/health", "GET"],
      ["POST", `/security/nonces/${alice.publicKey}`, "GET"],
    ] as const
  ) {
    const answer = await discovery.ask(path, { method });
    assert.deepEqual([answer.status, answer.header("allow")], [405, allow], `${method} ${path}`);
  }
});

/** A public visor at `HERE`. */
const visorOf = (owner = alice) => ({ address: `${owner.publicKey}:5505`, type: "visor", local_ips: [HERE] });
const NOT_REACHED = `{"error":"Forbidden: visor not reachable on dmsg for route setup"}\n`;

Deno.test("a public visor must take a stream for route set-up over dmsg; what was found is remembered for 5 min", async () => {
  const dialled: string[] = [];
  let isUp = false;
  await using discovery = new ServiceDiscoveryUnderTest({}, {
    reach: ({ publicKey, port }) => {
      dialled.push(`${publicKey}:${port}`);
      return isUp ? Promise.resolve() : Promise.reject(new Error("dmsg error 202"));
    },
  });
  const refused = await registerFrom(discovery, HERE, visorOf());
  assert.deepEqual([refused.status, refused.body], [403, NOT_REACHED]);
  assert.deepEqual(dialled, [`${alice.publicKey}:136`]);
  assert.equal(await list(discovery, "type=visor"), null);
  isUp = true;
  await discovery.clock.advance(UNREACHABLE_MS - 1);
  assert.equal((await registerFrom(discovery, HERE, visorOf())).status, 403);
  assert.equal(dialled.length, 1);
  await discovery.clock.advance(1);
  assert.equal((await registerFrom(discovery, HERE, visorOf())).status, 200);
  isUp = false;
  await discovery.clock.advance(REACHABLE_MS - 1);
  assert.equal((await registerFrom(discovery, HERE, visorOf())).status, 200);
  assert.equal(dialled.length, 2);
  await discovery.clock.advance(1);
  assert.equal(
    (await registerFrom(discovery, HERE, visorOf())).status,
    403,
    "and then it is looked at again",
  );
  assert.equal((await registerFrom(discovery, HERE, VPN)).status, 200, "an app is not");
  const elsewhere = { ...visorOf(bob), local_ips: ["198.51.100.1"] };
  assert.equal((await registerFrom(discovery, HERE, elsewhere, bob)).status, 403);
  assert.equal(dialled.length, 3, "nobody is dialled for what is refused anyway");
});

Deno.test("a visor in silence is refused after 3 s; one that cannot be looked at is taken", async () => {
  let asked = 0;
  await using silent = new ServiceDiscoveryUnderTest({}, {
    reach: (_, signal) => {
      asked++;
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
  });
  const both = Promise.all([
    registerFrom(silent, HERE, visorOf()),
    registerFrom(silent, HERE, visorOf(bob), bob),
  ]);
  while (asked < 2) await Promise.resolve();
  await silent.clock.advance(REACH_TIMEOUT_MS);
  assert.deepEqual((await both).map(({ status, body }) => [status, body]), [[403, NOT_REACHED], [
    403,
    NOT_REACHED,
  ]]);
  for (const reach of [() => undefined, undefined]) {
    await using discovery = new ServiceDiscoveryUnderTest({}, { reach });
    assert.equal((await registerFrom(discovery, HERE, visorOf())).status, 200);
    await discovery.clock.advance(1_000);
    assert.equal((await registerFrom(discovery, HERE, visorOf())).status, 200);
  }
});

Deno.test("so many visors are looked at at once; one more is refused, and looked at later", async () => {
  let asked = 0;
  const released = Promise.withResolvers<void>();
  await using discovery = new ServiceDiscoveryUnderTest({}, {
    reach: () => {
      asked++;
      return released.promise;
    },
  });
  const owners = Array.from({ length: REACH_CHECKS_MAX }, (_, index) => pair(`visor ${index}`));
  const answers = owners.map((owner) =>
    discovery.askAs(owner, "/api/services", {
      method: "POST",
      body: JSON.stringify(visorOf(owner)),
      headers: { "SW-PublicIP": HERE },
    })
  );
  while (asked < REACH_CHECKS_MAX) await Promise.resolve();
  assert.equal((await registerFrom(discovery, HERE, visorOf())).body, NOT_REACHED);
  released.resolve();
  assert.deepEqual(new Set((await Promise.all(answers)).map(({ status }) => status)), new Set([200]));
  assert.equal((await registerFrom(discovery, HERE, visorOf())).status, 200);
  assert.equal(asked, REACH_CHECKS_MAX + 1);
});

Deno.test("a visor that posts what it offers each 60 s, as those of 2024, is up all day for its uptime", async () => {
  await using discovery = new ServiceDiscoveryUnderTest();
  await discovery.clock.advance(86_400_000 - discovery.clock.wallMs() % 86_400_000);
  const body = JSON.stringify(VPN);
  for (let minute = 0; minute < 24 * 60; minute++) {
    const question = { method: "POST", path: "/api/services", body, remote: `${alice.publicKey}:1` };
    if (minute < 12 * 60 || minute % 30 < 2) assert.equal((await ask(discovery.api, question)).status, 200);
    await discovery.clock.advance(60_000);
  }
  const [first] = await discovery.uptimes.days("0000", "9999");
  // Half of the day, and of the other each half hour a minute and what a registration stands for.
  assert.equal(first!.beats, 480 + Math.floor(24 * 150 / 90));
});

Deno.test("uptimes by registration: three versions of the list, 960 registrations a day, online for 5 min", async () => {
  await using discovery = new ServiceDiscoveryUnderTest();
  const uptimes = async (query = "") => JSON.parse((await discovery.ask(`/uptimes${query}`)).body);
  assert.deepEqual(await uptimes(), []);
  await register(discovery, VPN);
  await register(discovery, { ...VPN, type: "skysocks", address: `${alice.publicKey}:3` });
  assert.deepEqual(await uptimes(), [{ key: alice.publicKey, online: true }]);
  await discovery.clock.advance(90_000);
  await register(discovery, { ...VPN, version: "v1.3.30" });
  await register(discovery, { ...VPN, address: `${bob.publicKey}:44` }, bob);
  await discovery.clock.advance(5 * 60_000); // days of the list are kept for so long
  await register(discovery, { ...VPN, address: `${bob.publicKey}:44` }, bob);
  const day = new Date(discovery.clock.wallMs()).toISOString().slice(0, 10);
  const [first, second] = [alice, bob].sort((one, other) => one.publicKey < other.publicKey ? -1 : 1);
  const expected = new Map([
    [alice, { pk: alice.publicKey, on: false, version: "v1.3.30", daily: { [day]: "0.21" } }],
    [bob, { pk: bob.publicKey, on: true, version: "v1.3.29", daily: { [day]: "0.21" } }],
  ]);
  const told = await uptimes("?v=v2");
  assert.deepEqual(
    told.map(({ daily: _, ...rest }: { daily: unknown }) => rest),
    [first, second].map((owner) => {
      const { daily: _, ...rest } = expected.get(owner!)!;
      return rest;
    }),
  );
  assert.equal(
    told.find(({ pk }: { pk: string }) => pk === alice.publicKey).daily[day],
    "0.21",
    "2 of 960, not 3",
  );
  const [{ timeline }] = await uptimes(`?v=v3&visors=${alice.publicKey}`);
  assert.equal(timeline[day].length, 288);
  assert.match(timeline[day], /^ *\.+ *$/);
  const refused = await register(discovery, { ...VPN, version: undefined }, alice);
  assert.equal(refused.status, 403);
  assert.equal((await discovery.ask("/uptimes", { method: "DELETE" })).status, 405);
});
