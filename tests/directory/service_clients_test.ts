/** TransportDiscoveryClient and AddressResolverClient: against our services, services of 2024, and liars. */
import assert from "node:assert/strict";
import { parsePublicKey } from "../../lib/crypto/mod.ts";
import {
  AddressResolverClient,
  readResolved,
  readTransport,
  ServiceAnswerError,
  ServiceRefusedError,
  STATS_TYPES_MAX,
  TransportDiscoveryClient,
} from "../../lib/directory/mod.ts";
import type { AskService } from "../../lib/dmsg/mod.ts";
import {
  AddressResolverUnderTest,
  askAs,
  pair,
  TransportDiscoveryUnderTest,
  transportOf,
} from "../services/service_support.ts";
import resolverVectors from "../vectors/transport/address_resolver.json" with { type: "json" };
import recorded from "../vectors/services/transport-discovery.json" with { type: "json" };

const [alice, bob, carol] = [pair("alice"), pair("bob"), pair("carol")];
type Question = Parameters<AskService>[0];

/** Answers each question from a table of `METHOD path`; a function is asked each time. */
function tableOf(
  answers: Record<string, [number, string] | (() => [number, string])>,
  log: Question[] = [],
): AskService {
  return (question) => {
    log.push(question);
    const answer = answers[`${question.method} ${question.path}`] ?? [404, "404 page not found\n"];
    const [status, text] = typeof answer === "function" ? answer() : answer;
    return Promise.resolve({ status, text });
  };
}

for (const way of ["http", "dmsg"] as const) {
  Deno.test(`transports are registered, read, renewed and removed (${way})`, async () => {
    await using service = new TransportDiscoveryUnderTest({ requestsPerMinute: 0 });
    const client = new TransportDiscoveryClient(askAs(service.api, alice, way), { version: "v1.3.90" });
    const records = [
      transportOf(alice, bob, { latency: { min: 100, max: 300, avg: 200 } }),
      transportOf(alice, carol, { type: "sudph" }),
    ];
    await client.register([]);
    await client.register(records);
    const other = new TransportDiscoveryClient(askAs(service.api, bob, way), { version: "v1.3.90" });
    await other.register([transportOf(alice, bob)]); // its latency counts when both edges say that there is one
    await client.register(records);
    assert.deepEqual(await client.byEdge(alice.publicKey), records);
    assert.deepEqual(await client.byEdge(bob.publicKey), [records[0]]);
    assert.deepEqual(await client.byId(records[1]!.id), records[1]);
    assert.equal(await client.byId(transportOf(bob, carol).id), undefined);
    assert.deepEqual(await client.all(), records);
    assert.equal(await client.heartbeat(), true);
    assert.equal(await client.remove([records[0]!.id, transportOf(bob, carol).id]), 1);
    assert.equal(await client.remove([]), 0);
    assert.deepEqual(await client.all(), [records[1]]);
    await assert.rejects(client.register([transportOf(bob, carol)]), (error) => {
      assert.ok(error instanceof ServiceRefusedError);
      assert.deepEqual([error.status, error.reason], [400, "caller is no edge of the transport"]);
      return true;
    });
  });

  Deno.test(`an address is bound, resolved, listed and unbound (${way})`, async () => {
    await using service = new AddressResolverUnderTest();
    const client = new AddressResolverClient(askAs(service.api, alice, way));
    const other = new AddressResolverClient(askAs(service.api, bob, way));
    assert.equal(await other.resolve("stcpr", alice.publicKey), undefined);
    await client.bindStcpr({ port: 7777, addresses: ["127.0.0.1", "203.0.113.7"] });
    assert.deepEqual(await other.resolve("stcpr", alice.publicKey), {
      remoteAddress: "203.0.113.7",
      port: 7777,
      addresses: ["127.0.0.1", "203.0.113.7"],
      isLocal: false,
    });
    assert.deepEqual(await other.transports(), { stcpr: [alice.publicKey], sudph: [] });
    await client.unbindStcpr();
    await client.unbindStcpr();
    assert.equal(await other.resolve("stcpr", alice.publicKey), undefined);
    await assert.rejects(client.bindStcpr({ port: 7777, addresses: ["127.0.0.1"] }), ServiceRefusedError);
  });
}

Deno.test("many transports go in requests of 500", async () => {
  const log: Question[] = [];
  const done: [number, string] = [201, "[]"];
  const client = new TransportDiscoveryClient(tableOf({
    "POST /v3/transports/": done,
    "POST /transports/delete-batch": () => [200, `{"deleted":1,"skipped":0}`],
  }, log));
  const record = transportOf(alice, bob);
  await client.register(Array(1_200).fill(record));
  assert.deepEqual(log.map(({ body }) => JSON.parse(body!).length), [500, 500, 200]);
  assert.ok(log.every(({ body, isSigned }) => body!.endsWith("]\n") && isSigned));
  assert.equal(await client.remove(Array(501).fill(record.id)), 2);
});

Deno.test("a service of 2024: each new transport is posted alone, once; deletions go one by one", async () => {
  const log: Question[] = [];
  const [first, second, third] = [
    transportOf(alice, bob),
    transportOf(alice, carol),
    transportOf(alice, alice),
  ];
  const posts: [number, string][] = [
    [201, "[]"],
    [500, `{"error":"ERROR: duplicate key value violates unique constraint (SQLSTATE 23505)"}\n`],
    [409, `{"error":"already registered"}`],
    [201, "[]"],
    [201, "[]"],
  ];
  const client = new TransportDiscoveryClient(
    tableOf({
      "POST /transports/": () => posts.shift()!,
      [`DELETE /transports/id:${first.id}`]: [200, "transport deleted"],
      "POST /transports/delete-batch": [405, ""],
    }, log),
    { version: "v1" },
  );
  await client.register([first, second, third]);
  const bodies = log.filter(({ path }) => path === "/transports/").map(({ body }) => JSON.parse(body!));
  assert.deepEqual(bodies.map((body) => [body.length, body[0].entry.t_id, body[0].version]), [
    [1, first.id, "v1"],
    [1, second.id, "v1"],
    [1, third.id, "v1"],
  ]);
  log.length = 0;
  await client.register([first, second, third]);
  assert.deepEqual(
    log.map(({ path }) => path),
    ["/v3/transports/"],
    "it may be a newer one by now; nothing more",
  );
  assert.equal(await client.remove([first.id, second.id, "../all"]), 1, "404 counts as removed");
  assert.ok(log.every(({ path }) => !path.includes("..")));
  await client.register([first]);
  assert.equal(posts.length, 1, "removed, it is new again");
  client.forget(third.id);
  await client.register([first, third]);
  assert.equal(posts.length, 0, "ended and there again: its other edge may have removed it");
  assert.equal(await client.heartbeat(), false, "not offered");
});

Deno.test("statistics of keys are read as our service writes them; where they are not offered there are none; a liar's are bounded", async () => {
  await using service = new TransportDiscoveryUnderTest({ requestsPerMinute: 0 });
  const client = new TransportDiscoveryClient(askAs(service.api, alice, "http"));
  await client.register([transportOf(alice, bob), transportOf(alice, bob, { type: "sudph" })]);
  const stats = await client.perKeyStats();
  assert.deepEqual([...stats.keys()].sort(), [alice.publicKey, bob.publicKey].sort());
  assert.deepEqual(Object.fromEntries(stats.get(alice.publicKey)!), { total: 2, stcpr: 1, sudph: 1 });
  const told = (status: number, text: string) =>
    new TransportDiscoveryClient(() => Promise.resolve({ status, text })).perKeyStats();
  assert.equal((await told(404, "")).size, 0);
  await assert.rejects(told(500, ""), { code: "SERVICE_REFUSED" });
  for (const text of ["", "[]", "null", "7"]) {
    await assert.rejects(told(200, text), { code: "SERVICE_ANSWER" });
  }
  const types = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`t${index}`, 1]));
  const odd = await told(
    200,
    JSON.stringify({ [alice.publicKey]: { ...types, x: "1" }, [bob.publicKey]: 7, no: {} }),
  );
  assert.deepEqual([...odd].map(([, counts]) => counts.size), [STATS_TYPES_MAX, 0]);
});

Deno.test("our service takes what the client posts where v3 is not known", async () => {
  await using service = new TransportDiscoveryUnderTest({ requestsPerMinute: 0 });
  const inner = askAs(service.api, alice, "http");
  const of2024: AskService = (question, signal) =>
    question.path === "/v3/transports/"
      ? Promise.resolve({ status: 404, text: "" })
      : inner(question, signal);
  await new TransportDiscoveryClient(of2024).register([transportOf(alice, bob)]);
  assert.equal((await service.store.all()).length, 1);
});

Deno.test("recorded answers of 2024 are read: an entry, lists, null, 404", async () => {
  const exchange = (name: string) => recorded.exchanges.find((each) => each.name === name)!;
  const [one, list] = [exchange("get by id"), exchange("get by edge")];
  const key = parsePublicKey(list.request.path.split(":")[1]!);
  const client = new TransportDiscoveryClient(tableOf({
    [`GET ${one.request.path}`]: [200, one.response.body],
    [`GET ${list.request.path}`]: [200, list.response.body],
    "GET /all-transports": [200, "null\n"],
  }));
  const record = await client.byId("abf54e67-2485-0315-9c82-23093b2e7204");
  assert.deepEqual([record?.type, record?.label], ["stcpr", "user"]);
  assert.equal((await client.byEdge(key)).length, 2);
  assert.deepEqual(await client.all(), []);
  assert.deepEqual(await client.byEdge(alice.publicKey), [], "404 is none");
});

Deno.test("what a liar answers is a typed error, or passed over", async () => {
  const id = transportOf(alice, bob).id;
  for (const text of ["", "nope", "7", "{}", `{"t_id":"${transportOf(alice, carol).id}"}`]) {
    const client = new TransportDiscoveryClient(tableOf({ [`GET /transports/id:${id}`]: [200, text] }));
    await assert.rejects(client.byId(id), ServiceAnswerError, text);
  }
  for (const text of ["", "7", `{"a":1}`]) {
    const client = new TransportDiscoveryClient(tableOf({ "GET /all-transports": [200, text] }));
    await assert.rejects(client.all(), ServiceAnswerError, text);
  }
  const mixed = JSON.stringify([null, 7, {}, { entry: {} }, [[]]]);
  assert.deepEqual(
    await new TransportDiscoveryClient(tableOf({ "GET /all-transports": [200, mixed] })).all(),
    [],
  );
  for (const status of [302, 401, 429, 500, 503]) {
    const client = new TransportDiscoveryClient(tableOf({
      "GET /all-transports": [status, `{"error":{"message":"no\u001b[2J","code":1}}`],
    }));
    await assert.rejects(client.all(), (error) => {
      assert.ok(error instanceof ServiceRefusedError && error.status === status);
      assert.ok(!error.message.includes("\u001b"), "nothing reaches the terminal");
      return true;
    });
  }
  const resolver = (text: string) =>
    new AddressResolverClient(tableOf({ [`GET /resolve/stcpr/${bob.publicKey}`]: [200, text] }));
  for (
    const text of [
      "",
      "[]",
      "{}",
      `{"remote_addr":"evil.example","port":"1"}`,
      `{"remote_addr":"1.2.3.4","port":"x"}`,
      `{"remote_addr":"1.2.3.4","port":"65536"}`,
      `{"remote_addr":"1.2.3.4","port":{}}`,
      `{"remote_addr":"1.2.3.4","port":"1","addresses":{}}`,
    ]
  ) await assert.rejects(resolver(text).resolve("stcpr", bob.publicKey), ServiceAnswerError, text);
});

Deno.test("recorded answers of the resolver are read, and the bind's body is theirs (address_resolver.json)", async () => {
  const { resolve_reply_local, resolve_reply_remote, bind_stcpr, unbind_stcpr } = resolverVectors;
  const addresses = ["127.0.0.1", "::1", "192.0.2.7"];
  assert.deepEqual(readResolved(JSON.parse(resolve_reply_local)), {
    remoteAddress: "203.0.113.9:41234",
    port: 30178,
    addresses,
    isLocal: true,
  });
  assert.deepEqual(readResolved(JSON.parse(resolve_reply_remote)), {
    remoteAddress: "203.0.113.9",
    port: 30178,
    addresses,
    isLocal: false,
  });
  const log: Question[] = [];
  const client = new AddressResolverClient(tableOf({
    "POST /bind/stcpr": [200, ""],
    "DELETE /bind/stcpr": [200, ""],
  }, log));
  await client.bindStcpr({ port: 30178, addresses });
  await client.unbindStcpr();
  assert.deepEqual(log.map(({ method, path, body }) => ({ method, path, body })), [
    { method: bind_stcpr.method, path: bind_stcpr.path, body: bind_stcpr.body },
    { method: unbind_stcpr.method, path: unbind_stcpr.path, body: unbind_stcpr.body },
  ]);
  assert.deepEqual(log[0]!.headers, [["SW-PublicIP", "192.0.2.7"]], "the one that may be public");
});

Deno.test("readTransport() takes names in any case, and nothing that is no record", () => {
  const record = transportOf(alice, bob);
  const { id, edges } = record;
  assert.deepEqual(
    readTransport({ T_ID: id.toUpperCase(), Edges: edges, TYPE: "stcpr", Label: "user", more: 1 }),
    record,
  );
  for (
    const wrong of [
      null,
      [],
      {},
      { t_id: id },
      { t_id: id, edges: [edges[0], null], type: "stcpr" },
      { t_id: id, edges: ["0".repeat(66), edges[1]], type: "stcpr" },
      { t_id: id, edges, type: "a b" },
      { t_id: `${id} `, edges, type: "stcpr" },
    ]
  ) assert.equal(readTransport(wrong), undefined, JSON.stringify(wrong));
});
