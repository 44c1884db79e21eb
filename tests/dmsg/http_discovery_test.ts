/** HttpDiscovery: what each answer of a discovery becomes, and which refusals are which (dmsg.md 8.3, 9.1). */
import assert from "node:assert/strict";
import { ENTRY_CHARS_MAX, ENTRY_LIST_CHARS_MAX, renderEntry, signEntry } from "../../lib/dmsg/entry.ts";
import { type AskService, EntryRefusedError, HttpDiscovery } from "../../lib/dmsg/http_discovery.ts";
import { clientAt, key, pair, seedOf } from "./client_support.ts";

const KEY = key("a");
const ENTRY = signEntry(clientAt("a", ["s1"]), pair("a").secretKey);

type Request = Parameters<AskService>[0];

function answering(status: number, text: string) {
  const requests: Request[] = [];
  const discovery = new HttpDiscovery((request) => {
    requests.push(request);
    return Promise.resolve({ status, text });
  });
  return { discovery, requests };
}

Deno.test("HttpDiscovery asks by the routes of every discovery", async () => {
  const { discovery, requests } = answering(200, renderEntry(ENTRY));
  assert.deepEqual(await discovery.entry(KEY), ENTRY);
  await discovery.post(ENTRY);
  await discovery.remove(ENTRY);
  assert.deepEqual(requests, [
    { method: "GET", path: `/dmsg-discovery/entry/${KEY}` },
    { method: "POST", path: "/dmsg-discovery/entry/", body: renderEntry(ENTRY) },
    { method: "DELETE", path: "/dmsg-discovery/entry", body: renderEntry(ENTRY), isUrgent: true },
  ]);
  const lists = answering(200, `[${renderEntry(seedOf("s1"))},${renderEntry(ENTRY)}]`);
  for (const list of [await lists.discovery.availableServers(), await lists.discovery.allServers()]) {
    assert.deepEqual(list.map((entry) => entry.static), [key("s1")], "what is no server is left out");
  }
  assert.deepEqual(lists.requests.map(({ method, path }) => `${method} ${path}`), [
    "GET /dmsg-discovery/available_servers",
    "GET /dmsg-discovery/all_servers",
  ]);
});

Deno.test("HttpDiscovery takes 404 as none, and nothing else", async () => {
  const { discovery } = answering(404, `{"message":"entry of public key is not found","code":404}`);
  assert.equal(await discovery.entry(KEY), undefined);
  assert.deepEqual(await discovery.availableServers(), []);
  assert.deepEqual(await discovery.allServers(), []);
  assert.deepEqual(await answering(200, "null").discovery.allServers(), []);
});

Deno.test("HttpDiscovery leaves out items of a list that are no entries", async () => {
  const list = `[1,null,{},{"static":"x"},${renderEntry(seedOf("s1"))},[]]`;
  const servers = await answering(200, list).discovery.allServers();
  assert.deepEqual(servers.map((entry) => entry.static), [key("s1")]);
});

Deno.test("HttpDiscovery takes a 404 of something else for no answer", async () => {
  const lost = answering(404, "404 page not found\n").discovery;
  await assert.rejects(lost.allServers(), { code: "DISCOVERY_ANSWER", message: /with status 404/ });
  const none = answering(404, `{"message":"no delegated dmsg servers available for remote","code":404}`);
  assert.deepEqual(await none.discovery.availableServers(), []);
});

const BAD_ENTRIES: readonly [number, string, string, RegExp][] = [
  [404, "404 page not found\n", "DISCOVERY_ANSWER", /status 404: 404 page not found$/],
  [200, renderEntry(clientAt("b", [])), "DISCOVERY_ANSWER", /^Asked for .*, got the entry of/],
  [200, "<html>login</html>", "MALFORMED", /Entry/],
  [200, "", "MALFORMED", /Entry/],
  [200, "{}", "MALFORMED", /does not name its owner/],
  [200, "x".repeat(ENTRY_CHARS_MAX + 1), "LIMIT_REACHED", /longer than/],
  [
    500,
    `{"message":"something unexpected happened","code":500}`,
    "DISCOVERY_ANSWER",
    /status 500: something unex/,
  ],
  [502, "<html>\r\n  bad gateway</html>", "DISCOVERY_ANSWER", /status 502: <html> bad gateway<\/html>$/],
  [503, "", "DISCOVERY_ANSWER", /status 503: no text$/],
  [301, `{"message":7}`, "DISCOVERY_ANSWER", /status 301: \{"message":7\}$/],
  [500, "y".repeat(10_000), "DISCOVERY_ANSWER", /status 500: y{200}$/],
  [500, `{"message":"${"z".repeat(10_000)}"}`, "DISCOVERY_ANSWER", /status 500: z{300}$/],
];
for (const [status, text, code, message] of BAD_ENTRIES) {
  Deno.test(`HttpDiscovery.entry() refuses ${status} ${JSON.stringify(text.slice(0, 24))}`, async () => {
    await assert.rejects(answering(status, text).discovery.entry(KEY), { code, message });
  });
}

Deno.test("HttpDiscovery refuses a list that is none, is too long, or is cut", async () => {
  for (
    const [text, code] of [
      ["{}", "MALFORMED"],
      [`[${renderEntry(ENTRY)}`, "MALFORMED"],
      [" ".repeat(ENTRY_LIST_CHARS_MAX + 1), "LIMIT_REACHED"],
    ] as const
  ) await assert.rejects(answering(200, text).discovery.allServers(), { code });
  await assert.rejects(answering(500, "").discovery.allServers(), {
    code: "DISCOVERY_ANSWER",
    message: /the list of servers with status 500/,
  });
});

Deno.test("HttpDiscovery's writes succeed with exactly 200", async () => {
  for (const status of [201, 204, 301, 401, 404, 422, 500]) {
    const { discovery } = answering(status, `{"message":"invalid signature","code":${status}}`);
    for (const write of [discovery.post, discovery.remove]) {
      await assert.rejects(write.call(discovery, ENTRY), {
        code: "ENTRY_REFUSED",
        status,
        reason: "invalid signature",
        fault: "peer",
      });
    }
  }
});

Deno.test("HttpDiscovery passes failures of the way, and the signal", async () => {
  const { signal } = new AbortController();
  const seen: (AbortSignal | undefined)[] = [];
  const discovery = new HttpDiscovery((_request, given) => {
    seen.push(given);
    return Promise.reject(new Error("no way"));
  });
  for (
    const call of [
      discovery.entry(KEY, signal),
      discovery.availableServers(signal),
      discovery.allServers(signal),
      discovery.post(ENTRY, signal),
      discovery.remove(ENTRY, signal),
    ]
  ) await assert.rejects(call, { message: "no way" });
  assert.deepEqual(seen, [signal, signal, signal, signal, signal]);
});

Deno.test("EntryRefusedError tells a sequence and a clock by the exact texts of every discovery", () => {
  const of = (reason: string) => new EntryRefusedError(422, `entry validation error: ${reason}`);
  const sequence = of("sequence field of new entry is not sequence of old entry + 1");
  assert.deepEqual([sequence.isSequence, sequence.isClock, sequence.hint], [true, false, undefined]);
  for (
    const text of [
      "advertised entry has outdated timestamp",
      "advertised entry timestamp is not greater than previous",
    ]
  ) {
    const clock = of(text);
    assert.deepEqual([clock.isSequence, clock.isClock], [false, true]);
    assert.match(clock.message, /\(the clock of this machine or that of the discovery is wrong\)$/);
    assert.match(clock.hint!, /date and time/);
  }
  for (const text of ["entry has no version", "sequence", "timestamp", "invalid signature"]) {
    const other = of(text);
    assert.deepEqual([other.isSequence, other.isClock], [false, false]);
    assert.doesNotMatch(other.message, /clock/);
  }
});
