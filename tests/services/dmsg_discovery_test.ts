/** createDmsgDiscovery(): what it refuses, how long it keeps, what it says and to whom. */
import assert from "node:assert/strict";
import { Ledger } from "../../lib/base/mod.ts";
import { sign, toHex } from "../../lib/crypto/mod.ts";
import { type Entry, renderEntry } from "../../lib/dmsg/entry.ts";
import { type EntryStore, StoreError } from "../../lib/services/store/mod.ts";
import { RedisEntryStore } from "../../lib/services/store/redis/mod.ts";
import { redisMissing, TestRedis } from "../support/redis.ts";
import { type Asked, DiscoveryUnderTest, pair, signedClient, signedServer } from "./discovery_support.ts";

const client = pair("client");
const server = pair("server");
const message = (body: string) => JSON.parse(body).message as string;
const sequenceError = "entry validation error: sequence field of new entry is not sequence of old entry + 1";
const loopbackError =
  "entry validation error: advertising localhost listening address is not allowed in production mode";

const good = renderEntry(signedClient(client));
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

/** Bodies that are no acceptable entry, and the exact answer to each. */
const BAD_POSTS: readonly [
  name: string,
  body: string | Uint8Array<ArrayBuffer>,
  status: number,
  message: string,
][] = [
  ["nothing", "", 500, "something unexpected happened"],
  ["not JSON", "nope", 500, "something unexpected happened"],
  ["null", "null", 500, "something unexpected happened"],
  ["a number", "7", 500, "something unexpected happened"],
  ["a list", "[]", 500, "something unexpected happened"],
  ["bytes that are no UTF-8", new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]), 500, "something unexpected happened"],
  ["zero bytes", "\0\0\0\0", 500, "something unexpected happened"],
  ["10,000 nested lists", nested(10_000), 500, "something unexpected happened"],
  [
    "10,000 nested lists in a member",
    good.replace("{", `{"extra":${nested(10_000)},`),
    500,
    "something unexpected happened",
  ],
  ["100 nested lists in a member", good.replace("{", `{"extra":${nested(100)},`), 200, "wrote a new entry"],
  [
    "a body above the limit",
    good.replace("{", `{"extra":"${"x".repeat(32 * 1024)}",`),
    413,
    "http: request body too large",
  ],
  ["version as number", good.replace(`"0.0.1"`, "1"), 500, "something unexpected happened"],
  ["sequence as text", good.replace(`"sequence":0`, `"sequence":"0"`), 500, "something unexpected happened"],
  ["negative sequence", good.replace(`"sequence":0`, `"sequence":-1`), 500, "something unexpected happened"],
  [
    "sequence above 64 bits",
    good.replace(`"sequence":0`, `"sequence":18446744073709551616`),
    500,
    "something unexpected happened",
  ],
  [
    "fractional timestamp",
    good.replace(`"timestamp":1`, `"timestamp":1.5`),
    500,
    "something unexpected happened",
  ],
  ["client as list", good.replace(/"client":\{[^}]*\}/, `"client":[]`), 500, "something unexpected happened"],
  ["delegated servers as text", good.replace(`[]`, `"none"`), 500, "something unexpected happened"],
  ["a delegated server that is no key", good.replace(`[]`, `["02aa"]`), 500, "something unexpected happened"],
  [
    "static of the wrong length",
    good.replace(client.publicKey, client.publicKey.slice(2)),
    500,
    "something unexpected happened",
  ],
  [
    "static off the curve",
    good.replace(client.publicKey, `02${"f".repeat(64)}`),
    500,
    "something unexpected happened",
  ],
  [
    "static of zeros",
    good.replace(client.publicKey, "0000"),
    422,
    "entry validation error: entry Keys is nil",
  ],
  [
    "a signature that is no hex",
    good.replace(/"signature":"../, `"signature":"zz`),
    401,
    "invalid signature",
  ],
  ["a short signature", good.replace(/"signature":"../, `"signature":"`), 401, "invalid signature"],
  ["another recovery id than exists", good.replace(/0[01]"\}$/, `04"}`), 401, "invalid signature"],
];

Deno.test("POST entry/ answers each bad body with its status and text", async () => {
  let ran = 0;
  for (const [name, body, status, text] of BAD_POSTS) {
    await using discovery = new DiscoveryUnderTest();
    const answer = await discovery.ask("/dmsg-discovery/entry/", { method: "POST", body });
    assert.equal(answer.status, status, name);
    assert.deepEqual(JSON.parse(answer.body), { message: text, code: status }, name);
    assert.equal(answer.contentType, "application/json", name);
    assert.equal((await discovery.store.counts()).clients, status === 200 ? 1 : 0, name);
    ran++;
  }
  assert.equal(ran, 25);
});

Deno.test("DELETE entry refuses as POST does, but tests no address and no sequence", async () => {
  let ran = 0;
  for (const [name, body, status, text] of BAD_POSTS) {
    await using discovery = new DiscoveryUnderTest();
    const answer = await discovery.ask("/dmsg-discovery/entry", { method: "DELETE", body });
    assert.equal(answer.status, status, name);
    assert.equal(message(answer.body), status === 200 ? "deleted entry" : text, name);
    ran++;
  }
  assert.equal(ran, 25);
  await using discovery = new DiscoveryUnderTest();
  const local = { address: "127.0.0.1:1", availableSessions: 1 };
  const entry = signedServer(server, { timestamp: discovery.nowNs(), server: local });
  const asked = { method: "DELETE", body: renderEntry(entry) };
  assert.equal((await discovery.ask("/dmsg-discovery/entry", asked)).status, 200);
});

Deno.test("every path has its methods; others get 405 with Allow, unknown paths 404", async () => {
  await using discovery = new DiscoveryUnderTest();
  const key = client.publicKey;
  const allowed: Record<string, string> = {
    "/health": "GET",
    "/dmsg-discovery/entry": "DELETE",
    "/dmsg-discovery/entry/": "POST",
    [`/dmsg-discovery/entry/${key}`]: "GET, POST",
    "/dmsg-discovery/entries": "GET",
    "/dmsg-discovery/entries/batch": "POST",
    "/dmsg-discovery/visorEntries": "GET",
    "/dmsg-discovery/available_servers": "GET",
    "/dmsg-discovery/all_servers": "GET",
    "/dmsg-discovery/servers/clients": "GET",
    [`/dmsg-discovery/server/${key}/clients`]: "GET",
    "/dmsg-discovery/deregister": "DELETE",
  };
  for (const [path, methods] of Object.entries(allowed)) {
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]) {
      const { status, body, headers, contentType } = await discovery.ask(path, { method });
      if (methods.split(", ").includes(method)) {
        assert.notEqual(status, 405, `${method} ${path}`);
      } else {
        assert.deepEqual([status, body, contentType], [405, "", ""], `${method} ${path}`);
        assert.equal(headers.get("allow"), methods, `${method} ${path}`);
      }
    }
  }
  const unknown = [
    "/",
    "/health/",
    "/dmsg-discovery",
    "/dmsg-discovery/",
    "/dmsg-discovery/Entries",
    "/dmsg-discovery/entries/",
    `/dmsg-discovery/entry/${key}/`,
    "/dmsg-discovery/server//clients",
    "/uptimes",
  ];
  for (const path of unknown) {
    const { status, body, contentType } = await discovery.ask(path);
    assert.deepEqual(
      [status, body, contentType],
      [404, "404 page not found\n", "text/plain; charset=utf-8"],
      path,
    );
  }
});

Deno.test("GET entry/{pk} takes keys as they are written, and a query", async () => {
  await using discovery = new DiscoveryUnderTest();
  await discovery.post(signedClient(client));
  const path = (key: string) => `/dmsg-discovery/entry/${key}`;
  assert.equal((await discovery.ask(path(client.publicKey))).body, renderEntry(signedClient(client)));
  assert.equal((await discovery.ask(path(client.publicKey.toUpperCase()))).status, 200);
  assert.equal((await discovery.ask(path(`${client.publicKey}?x=1`))).status, 200);
  assert.equal((await discovery.ask(path(server.publicKey))).status, 404);
  for (const bad of ["zz", client.publicKey.slice(1), `%30${client.publicKey.slice(1)}`, "x".repeat(5_000)]) {
    const answer = await discovery.ask(path(bad));
    assert.deepEqual([answer.status, message(answer.body)], [400, "error bad input"], bad);
  }
});

Deno.test("servers advertise no loopback host, unless allowLoopbackAddresses", async () => {
  const addresses: [address: string, inProduction: boolean][] = [
    ["203.0.113.5:8081", true],
    ["dmsg.example.org:8081", true],
    ["[2001:db8::5]:8081", true],
    ["127.example.org:8081", true],
    ["127.0.0.1:8081", false],
    ["127.9.9.9:8081", false],
    ["localhost:8081", false],
    ["LOCALHOST:8081", false],
    ["a.localhost:8081", false],
    ["[::1]:8081", false],
    ["[0:0:0:0:0:0:0:1]:8081", false],
    ["[::ffff:127.0.0.1]:8081", false],
    ["[::ffff:7f00:1]:8081", false],
    ["[0:0:0:0:0:FFFF:127.0.0.2]:8081", false],
    ["[::1%eth0]:8081", false],
    ["localhost.:8081", false],
    ["127.0.0.1.:8081", false],
    ["[::ffff:203.0.113.5]:8081", true],
    ["[::7f00:1]:8081", true],
    ["[fe80::1]:8081", true],
    [":8081", false],
    ["203.0.113.5", false],
    ["garbage", false],
  ];
  for (const allowLoopbackAddresses of [false, true]) {
    for (const [address, inProduction] of addresses) {
      await using discovery = new DiscoveryUnderTest({ settings: { allowLoopbackAddresses } });
      const answer = await discovery.post(
        signedServer(server, { timestamp: discovery.nowNs(), server: { address, availableSessions: 1 } }),
      );
      const accepted = allowLoopbackAddresses || inProduction;
      assert.equal(message(answer.body), accepted ? "wrote a new entry" : loopbackError, address);
    }
  }
});

Deno.test("a server's clock may be 60 s behind or 5 s ahead; a client's, and a server that is a client, any", async () => {
  await using discovery = new DiscoveryUnderTest();
  const outdated = "entry validation error: advertised entry has outdated timestamp";
  const at = (ms: number) => discovery.nowNs() + BigInt(ms) * 1_000_000n;
  for (
    const [offsetMs, expected] of [
      [-60_001, outdated],
      [5_001, outdated],
      [-60_000, "wrote a new entry"],
      [5_000, "wrote new entry iteration"],
    ] as const
  ) {
    const entry = signedServer(server, { timestamp: at(offsetMs), sequence: BigInt(offsetMs + 100_000) });
    assert.equal(message((await discovery.post(entry)).body), expected, `${offsetMs} ms`);
  }
  const both = signedServer(pair("both"), { timestamp: 1n, client: { delegatedServers: [] } });
  assert.equal((await discovery.post(both)).status, 200);
});

Deno.test("a client's entry lives 60 min, a server's 2 min, from each accepted post", async () => {
  await using discovery = new DiscoveryUnderTest();
  const minute = 60_000;
  const statusOf = async (path: string) => (await discovery.ask(`/dmsg-discovery/${path}`)).status;
  await discovery.post(
    signedClient(client, { clientType: "visor", client: { delegatedServers: [server.publicKey] } }),
  );
  await discovery.post(signedServer(server, { timestamp: discovery.nowNs() }));
  await discovery.clock.advance(2 * minute - 1);
  assert.equal(await statusOf("available_servers"), 200);
  await discovery.clock.advance(1);
  assert.deepEqual([await statusOf("available_servers"), await statusOf("all_servers")], [404, 404]);
  assert.equal(await statusOf(`entry/${server.publicKey}`), 404);
  const again = signedServer(server, { timestamp: discovery.nowNs() });
  assert.equal(
    message((await discovery.post(again)).body),
    "wrote a new entry",
    "its sequence is forgotten too",
  );

  await discovery.clock.advance(57 * minute);
  await discovery.post(signedClient(client, { sequence: 0n, timestamp: 9n })); // refused: starts nothing anew
  assert.deepEqual(await discovery.list("entries"), [client.publicKey]);
  await discovery.clock.advance(minute);
  for (const list of ["entries", "visorEntries"]) assert.deepEqual(await discovery.list(list), [], list);
  assert.equal((await discovery.ask("/dmsg-discovery/servers/clients")).body, "{}");
});

Deno.test("clientTtlMs sets how long clients live", async () => {
  await using discovery = new DiscoveryUnderTest({ settings: { clientTtlMs: 180_000 } });
  await discovery.post(signedClient(client), {});
  await discovery.clock.advance(179_999);
  assert.deepEqual(await discovery.list("entries"), [client.publicKey]);
  await discovery.clock.advance(1);
  assert.deepEqual(await discovery.list("entries"), []);
});

Deno.test("without a pass phrase only a post without a type, or a listed key, is official", async () => {
  const listed = pair("listed");
  await using discovery = new DiscoveryUnderTest({ settings: { officialServers: [listed.publicKey] } });
  let sequence = 0n;
  const typeAfter = async (owner: typeof server, serverType: string | undefined) => {
    const described = { address: "203.0.113.5:1", availableSessions: 1, serverType };
    await discovery.post(
      signedServer(owner, { timestamp: discovery.nowNs(), sequence: ++sequence, server: described }),
    );
    return JSON.parse((await discovery.ask(`/dmsg-discovery/entry/${owner.publicKey}`)).body).server
      .serverType;
  };
  assert.equal(await typeAfter(server, undefined), "official");
  assert.equal(await typeAfter(server, "official"), "community");
  assert.equal(await typeAfter(server, "guess"), "community");
  assert.equal(await typeAfter(listed, "guess"), "official");
});

Deno.test("a server's registration is one log line, a client's heartbeat none", async () => {
  await using discovery = new DiscoveryUnderTest();
  await discovery.post(signedClient(client));
  await discovery.post(signedClient(client, { sequence: 1n }));
  await discovery.post(signedServer(server, { timestamp: 1n }));
  assert.equal(discovery.logged.length, 0, "neither clients nor refusals");
  const entry = signedServer(server, { timestamp: discovery.nowNs(), sequence: 7n });
  await discovery.post(entry, { headers: { "X-Forwarded-For": "198.51.100.7, 10.0.0.1" } });
  await discovery.post(entry); // refused
  const next = signedServer(server, { timestamp: discovery.nowNs(), sequence: 8n });
  await discovery.post(next, {
    remote: `${client.publicKey}:49152`,
    headers: { "X-Real-IP": "198.51.100.8" },
  });
  assert.deepEqual(
    discovery.logged.map(({ level, message, fields }) => ({ level, message, fields })),
    [
      { sequence: 7n, source: "198.51.100.7" },
      { sequence: 8n, source: `${client.publicKey}:49152` },
    ].map((fields) => ({
      level: "info",
      message: "Server registered",
      fields: { key: server.publicKey, address: "203.0.113.5:8081", ...fields },
    })),
  );
  const wordy = { address: `${"long".repeat(5_000)}:1`, availableSessions: 1 };
  const told = { headers: { "X-Real-IP": "story".repeat(100) } };
  await discovery.post(signedServer(pair("wordy"), { timestamp: discovery.nowNs(), server: wordy }), told);
  const { source, address } = discovery.logged.at(-1)!.fields;
  assert.equal(source, "story".repeat(100).slice(0, 64), "a line has room for addresses, not for stories");
  assert.equal(String(address).length, 256);
});

Deno.test("over dmsg a post needs its signature all the same, whoever the stream's key is", async () => {
  await using discovery = new DiscoveryUnderTest();
  const remote = `${client.publicKey}:49152`;
  const forged = { ...signedClient(client), sequence: 5n };
  assert.equal(message((await discovery.post(forged, { remote })).body), "invalid signature");
  const remove: Asked = { method: "DELETE", body: renderEntry(forged), remote };
  assert.equal((await discovery.ask("/dmsg-discovery/entry", remove)).status, 401);
  assert.equal((await discovery.post(signedClient(server), { remote })).status, 200);
  assert.deepEqual(await discovery.list("entries"), [server.publicKey]);
});

Deno.test("a dmsg key may ask 200 times at once and 100 times a second; others are not counted", async () => {
  await using discovery = new DiscoveryUnderTest();
  const remote = `${client.publicKey}:49152`;
  const admitted = async (times: number, who: string) => {
    let count = 0;
    for (let time = 0; time < times; time++) {
      const answer = await discovery.ask("/dmsg-discovery/entries", { remote: who });
      if (answer.status === 200) count++;
      else {
        assert.equal(answer.body, `{"message":"rate limit exceeded","code":429}`);
        assert.equal(answer.headers.get("retry-after"), "1");
        assert.equal(answer.contentType, "application/json");
      }
    }
    return count;
  };
  assert.equal(await admitted(250, remote), 200);
  assert.equal(await admitted(5, `${client.publicKey}:49153`), 0, "the key counts, not its port");
  assert.equal(await admitted(5, `${server.publicKey}:49152`), 5);
  assert.equal(await admitted(300, "203.0.113.9:4321"), 300);
  await discovery.clock.advance(1_000);
  assert.equal(await admitted(150, remote), 100);
  await discovery.clock.advance(60_000);
  assert.equal(await admitted(250, remote), 200);
});

Deno.test("entries/batch gives the entries that exist, each once", async () => {
  await using discovery = new DiscoveryUnderTest();
  const entries = [
    signedClient(client),
    signedServer(server, { timestamp: discovery.nowNs(), client: { delegatedServers: null } }),
  ];
  for (const entry of entries) await discovery.post(entry);
  const ask = (body: string) => discovery.ask("/dmsg-discovery/entries/batch", { method: "POST", body });
  const keys = [client.publicKey, server.publicKey, client.publicKey, pair("nobody").publicKey];
  const answer = await ask(JSON.stringify(keys));
  assert.equal(answer.contentType, "application/json");
  const stored = (await discovery.ask(`/dmsg-discovery/entry/${server.publicKey}`)).body;
  assert.equal(
    answer.body,
    `{"${client.publicKey}":${renderEntry(entries[0]!)},"${server.publicKey}":${stored}}`,
  );
  for (const empty of ["[]", "null", JSON.stringify([pair("nobody").publicKey])]) {
    assert.equal((await ask(empty)).body, "{}");
  }
  for (const bad of ["", "{}", "[7]", `["qq"]`, "[", nested(10_000)]) {
    const { status, body } = await ask(bad);
    assert.deepEqual([status, message(body)], [400, "error bad input"], bad.slice(0, 20));
  }
  const tooLong = await ask(JSON.stringify(Array(2_000).fill(client.publicKey)));
  assert.deepEqual([tooLong.status, message(tooLong.body)], [413, "http: request body too large"]);
});

Deno.test("servers/clients and server/{pk}/clients list who is reached through whom", async () => {
  await using discovery = new DiscoveryUnderTest();
  const [one, two] = [pair("one"), pair("two")];
  await discovery.post(
    signedClient(one, { client: { delegatedServers: [server.publicKey, client.publicKey] } }),
  );
  await discovery.post(signedClient(two, { client: { delegatedServers: [server.publicKey] } }));
  const clients = JSON.parse((await discovery.ask("/dmsg-discovery/servers/clients")).body);
  assert.deepEqual(Object.keys(clients).sort(), [server.publicKey, client.publicKey].sort());
  assert.deepEqual(clients[server.publicKey].sort(), [one.publicKey, two.publicKey].sort());
  assert.deepEqual(await discovery.list(`server/${client.publicKey}/clients`), [one.publicKey]);
  assert.deepEqual(await discovery.list(`server/${one.publicKey}/clients`), []);
  assert.deepEqual(await discovery.list("server/000/clients"), []);
  assert.equal((await discovery.ask("/dmsg-discovery/server/zz/clients")).status, 400);
});

Deno.test("available_servers is a random choice of 512, most free first; all_servers is all", async () => {
  await using discovery = new DiscoveryUnderTest();
  for (let index = 0; index < 600; index++) {
    const text = `{"static":"${index}","server":{"availableSessions":${index}}}`;
    const key = pair(`server ${index}`).publicKey;
    const roles = { delegatedServers: undefined, isVisor: false, availableSessions: index };
    await discovery.store.put({ key, text, ...roles }, { ttlMs: 60_000, replaces: undefined });
  }
  const free = async () =>
    (await discovery.list("available_servers") as { server: { availableSessions: number } }[])
      .map((entry) => entry.server.availableSessions);
  const [first, second] = [await free(), await free()];
  for (const list of [first, second]) {
    assert.equal(new Set(list).size, 512);
    assert.deepEqual(list, list.toSorted((a, b) => b - a));
    assert.equal(list.at(-1)! > 0, true);
  }
  assert.notDeepEqual(first, second);
  assert.equal((await discovery.list("all_servers")).length, 600);
});

Deno.test("deregister needs a whitelisted key; with a bad key in the list nothing goes", async () => {
  const monitor = pair("monitor");
  await using discovery = new DiscoveryUnderTest({ settings: { whitelistKeys: [monitor.publicKey] } });
  await discovery.post(signedClient(client));
  const proof = (owner: typeof monitor) => ({
    "NM-PK": owner.publicKey,
    "NM-Sign": toHex(sign(new TextEncoder().encode(owner.publicKey), owner.secretKey)),
  });
  const ask = (body: string, headers: Record<string, string>) =>
    discovery.ask("/dmsg-discovery/deregister", { method: "DELETE", body, headers });
  const list = JSON.stringify([client.publicKey]);
  const refused: [body: string, headers: Record<string, string>, status: number, answer: string][] = [
    [list, {}, 403, ""],
    [list, { "NM-PK": monitor.publicKey }, 403, ""],
    [list, proof(server), 403, ""],
    [list, { ...proof(server), "NM-PK": "zz" }, 403, ""],
    [list, { ...proof(monitor), "NM-Sign": proof(server)["NM-Sign"] }, 403, ""],
    [list, { ...proof(monitor), "NM-Sign": "00" }, 400, ""],
    [`"${client.publicKey}"`, proof(monitor), 400, ""],
    [`[7]`, proof(monitor), 400, ""],
    [`["${client.publicKey}","qq"]`, proof(monitor), 400, `{"message":"error bad input","code":400}`],
  ];
  for (const [body, headers, status, answer] of refused) {
    const asked = await ask(body, headers);
    assert.deepEqual([asked.status, asked.body], [status, answer], JSON.stringify(headers));
    assert.deepEqual(await discovery.list("entries"), [client.publicKey]);
  }
  for (const body of [list, list, "[]", "null"]) assert.equal((await ask(body, proof(monitor))).body, "null");
  assert.deepEqual(await discovery.list("entries"), []);
});

Deno.test("health says what is so now", async () => {
  const now = { servers: [] as typeof server.publicKey[] };
  await using discovery = new DiscoveryUnderTest({
    settings: { publicKey: client.publicKey, build: { version: "0.1.0", commit: "abc", date: "2026-11-21" } },
    dmsgStatus: () => ({ address: `${client.publicKey}:80`, servers: now.servers }),
  });
  const health = async () => JSON.parse((await discovery.ask("/health")).body);
  assert.deepEqual(await health(), {
    build_info: { version: "0.1.0", commit: "abc", date: "2026-11-21" },
    started_at: "2026-01-01T00:00:00.000Z",
    dmsg_address: `${client.publicKey}:80`,
    service_name: "dmsg-discovery",
    public_key: client.publicKey,
  });
  now.servers.push(server.publicKey);
  assert.deepEqual((await health()).dmsg_servers, [server.publicKey]);
});

Deno.test("a store that fails is 500 and a line in the log, not a crash", async () => {
  const failing = new Proxy({} as EntryStore, {
    get: (_, name) =>
      name === Symbol.asyncDispose
        ? () => Promise.resolve()
        : () => Promise.reject(new StoreError("Cannot use it")),
  });
  await using discovery = new DiscoveryUnderTest({ store: failing });
  const asked: [path: string, asked?: Asked][] = [
    [`/dmsg-discovery/entry/${client.publicKey}`],
    ["/dmsg-discovery/entries"],
    ["/dmsg-discovery/visorEntries"],
    ["/dmsg-discovery/available_servers"],
    ["/dmsg-discovery/all_servers"],
    ["/dmsg-discovery/servers/clients"],
    ["/dmsg-discovery/entry/", { method: "POST", body: good }],
    ["/dmsg-discovery/entry", { method: "DELETE", body: good }],
  ];
  for (const [path, options] of asked) {
    const { status, body } = await discovery.ask(path, options);
    assert.deepEqual([status, message(body)], [500, "something unexpected happened"], path);
  }
  assert.equal(discovery.logged.filter(({ level }) => level === "error").length, 1, "in 10 s");
  const health = await discovery.ask("/health");
  assert.deepEqual([health.status, JSON.parse(health.body).store], [503, "unavailable"]);
});

/** Posts of one key at once: the stored sequence only rises, and each sequence is accepted at most once. */
async function race(discovery: DiscoveryUnderTest): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const base = BigInt(10 * round);
    const entries: Entry[] = [];
    for (const sequence of [3n, 1n, 2n, 3n, 1n, 2n, 3n]) {
      const delegatedServers = entries.length % 2 === 0 ? [] : null; // others of the same sequence
      entries.push(signedClient(client, { sequence: base + sequence, client: { delegatedServers } }));
    }
    const answers = await Promise.all(entries.map((entry) => discovery.post(entry)));
    const accepted = new Map<bigint, number>();
    for (const [index, answer] of answers.entries()) {
      if (answer.status !== 200) {
        assert.deepEqual([answer.status, message(answer.body)], [422, sequenceError]);
      } else accepted.set(entries[index]!.sequence, (accepted.get(entries[index]!.sequence) ?? 0) + 1);
    }
    assert.equal(accepted.get(base + 3n), 1, "the highest wins once");
    for (const times of accepted.values()) assert.equal(times, 1);
    const stored = JSON.parse((await discovery.ask(`/dmsg-discovery/entry/${client.publicKey}`)).body);
    assert.equal(BigInt(stored.sequence), base + 3n);
  }
}

Deno.test("what an instance remembers refuses and overwrites nothing that another instance stored", async () => {
  await using one = new DiscoveryUnderTest();
  const two = new DiscoveryUnderTest({ store: one.store, wallMs: one.clock.wallMs() });
  const at = (sequence: bigint) => signedClient(client, { sequence });
  assert.equal((await one.post(at(5n))).status, 200);
  // The other instance takes it on; the first one's memory is now behind.
  assert.equal((await two.post(at(9n))).status, 200);
  assert.deepEqual([422, sequenceError], await refusalOf(one.post(at(7n))), "judged by what is stored");
  assert.equal((await one.post(at(10n))).status, 200);
  // And the entry may go: what is remembered to be newer must not refuse a first post.
  await one.store.remove(client.publicKey);
  const first = await two.post(at(0n));
  assert.deepEqual([first.status, message(first.body)], [200, "wrote a new entry"]);
});

Deno.test("a post that follows the instance's own last one costs the store a single step", async () => {
  await using discovery = new DiscoveryUnderTest();
  const asked: string[] = [];
  const counting = new Proxy(discovery.store, {
    get(store, name) {
      const value = Reflect.get(store, name, store);
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => {
        asked.push(String(name));
        return value.apply(store, given);
      };
    },
  });
  const through = new DiscoveryUnderTest({ store: counting, wallMs: discovery.clock.wallMs() });
  for (const sequence of [0n, 1n, 2n]) {
    assert.equal((await through.post(signedClient(client, { sequence }))).status, 200);
  }
  assert.deepEqual(asked, ["get", "put", "put", "put"]);
});

async function refusalOf(answered: Promise<{ status: number; body: string }>): Promise<[number, string]> {
  const { status, body } = await answered;
  return [status, message(body)];
}

Deno.test("of posts of one key at once each sequence is accepted at most once (SQLite)", async () => {
  await using discovery = new DiscoveryUnderTest();
  await race(discovery);
});

Deno.test({
  name: "of posts of one key at once each sequence is accepted at most once (Redis)" +
    (redisMissing === undefined ? "" : ` (skipped: ${redisMissing})`),
  ignore: redisMissing !== undefined,
  async fn() {
    await using redis = await TestRedis.start();
    const ledger = new Ledger();
    await using discovery = new DiscoveryUnderTest({
      store: await RedisEntryStore.open({ url: redis.url, ledger }),
    });
    await race(discovery);
    await discovery.store[Symbol.asyncDispose]();
    assert.deepEqual(ledger.live(), {});
  },
});
