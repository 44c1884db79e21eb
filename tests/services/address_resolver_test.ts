/** The address resolver beyond the recordings: lives, addresses, dmsg callers, hostile input (SV-2, TP-1). */
import assert from "node:assert/strict";
import {
  BIND_BYTES_MAX,
  BINDING_TTL_MS,
  BOUND_ADDRESSES_MAX,
} from "../../lib/services/address_resolver/mod.ts";
import { addressOf, callerAddress, isPublicAddress, KEYS_BYTES_MAX } from "../../lib/services/hosting/mod.ts";
import { AddressResolverUnderTest, type Asked, monitored, pair, signed } from "./service_support.ts";

const [alice, bob, monitor] = [pair("alice"), pair("bob"), pair("monitor")];
const HERE = "203.0.113.7";

const bodyOf = (port: unknown = "7777", addresses: unknown = [HERE]) =>
  JSON.stringify({ port, addresses }) + "\n";

/** Binds over HTTP, signed, from `remote`. */
async function bind(
  resolver: AddressResolverUnderTest,
  { body = bodyOf(), remote = `${HERE}:1234`, headers = {} }: Partial<Asked> = {},
) {
  const fields = { ...signed(alice, await resolver.nonceOf(alice), `${body}`), ...headers };
  return await resolver.ask("/bind/stcpr", { method: "POST", body, remote, headers: fields });
}

const resolve = (resolver: AddressResolverUnderTest, type = "stcpr") =>
  resolver.askAs(bob, `/resolve/${type}/${alice.publicKey}`);

Deno.test("a binding lives for 5 min after its last renewal, unconditionally (SV-2)", async () => {
  await using resolver = new AddressResolverUnderTest();
  assert.equal((await bind(resolver)).status, 200);
  await resolver.clock.advance(200_000);
  assert.equal((await bind(resolver)).status, 200);
  await resolver.clock.advance(BINDING_TTL_MS - 1);
  assert.equal((await resolve(resolver)).status, 200);
  assert.deepEqual(JSON.parse((await resolver.ask("/transports")).body), { stcpr: [alice.publicKey] });
  await resolver.clock.advance(1);
  assert.equal((await resolve(resolver)).status, 404);
  assert.equal((await resolver.ask("/transports")).body, "{}");
  assert.equal(BINDING_TTL_MS, 300_000);
});

Deno.test("a bind replaces the one before", async () => {
  await using resolver = new AddressResolverUnderTest();
  await bind(resolver);
  await bind(resolver, { body: bodyOf("8888", ["198.51.100.1", "::1"]), remote: "198.51.100.1:1" });
  assert.deepEqual(JSON.parse((await resolve(resolver)).body), {
    remote_addr: "198.51.100.1",
    port: "8888",
    addresses: ["198.51.100.1", "::1"],
  });
  assert.equal((await resolver.askAs(alice, "/bind/stcpr", { method: "DELETE", body: "{}\n" })).status, 200);
  assert.equal((await resolve(resolver)).status, 404);
  assert.equal((await resolve(resolver, "sudph")).status, 404, "nobody is bound for sudph");
});

Deno.test("only a public address is bound, which is one of those named, unless the setting allows others", async () => {
  const refused = [
    "127.0.0.1",
    "10.1.2.3",
    "172.31.0.1",
    "192.168.0.1",
    "169.254.1.1",
    "0.0.0.0",
    "224.0.0.1",
  ];
  await using strict = new AddressResolverUnderTest();
  await using lenient = new AddressResolverUnderTest({ allowLoopbackAddresses: true });
  for (const address of [...refused, "::1", "fe80::1", "2001:db8::1"]) {
    const asked = {
      body: bodyOf("7777", [address]),
      remote: `${address.includes(":") ? `[${address}]` : address}:1`,
    };
    const answer = await bind(strict, asked);
    assert.equal(answer.status, 400, address);
    assert.equal(
      JSON.parse(answer.body).error,
      `Cannot bind ${alice.publicKey} to ${address} (STCPR). Invalid IP address in request: {7777 [${address}]}`,
    );
    assert.equal((await bind(lenient, asked)).status, 200, address);
  }
  for (const resolver of [strict, lenient]) {
    const elsewhere = await bind(resolver, { body: bodyOf("7777", ["198.51.100.1"]) });
    assert.match(JSON.parse(elsewhere.body).error, /Remote address not present in request/);
  }
  assert.equal(await strict.nonceOf(alice), 0, "a refusal does not count");
});

Deno.test("an address counts as itself in any spelling", async () => {
  await using resolver = new AddressResolverUnderTest();
  const answer = await bind(resolver, {
    remote: `[::ffff:${HERE}]:1`,
    body: bodyOf("1", [`::FFFF:${HERE}`]),
  });
  assert.equal(answer.status, 200, answer.body);
  assert.equal(JSON.parse((await resolve(resolver)).body).remote_addr, HERE);
});

Deno.test("over dmsg the caller says where it is; over HTTP its word is passed over", async () => {
  await using resolver = new AddressResolverUnderTest();
  const asked = { method: "POST", body: bodyOf() };
  assert.equal((await resolver.askAs(alice, "/bind/stcpr", asked)).status, 400, "it says nothing");
  const headers = { "SW-PublicIP": HERE };
  assert.equal((await resolver.askAs(alice, "/bind/stcpr", { ...asked, headers })).status, 200);
  assert.equal((await bind(resolver, { headers, remote: "127.0.0.1:1" })).status, 400);
});

Deno.test("a proxy's word is taken, unless the operator says that there is none", async () => {
  await using behind = new AddressResolverUnderTest();
  await using open = new AddressResolverUnderTest({ believeProxies: false });
  for (const name of ["True-Client-IP", "X-Real-IP", "X-Forwarded-For"]) {
    const asked = { remote: "127.0.0.1:1", headers: { [name]: `${HERE}` } };
    assert.equal((await bind(behind, asked)).status, 200, name);
    assert.equal((await bind(open, asked)).status, 400, name);
  }
  const order = {
    "X-Forwarded-For": "8.8.8.8, 1.1.1.1",
    "X-Real-IP": "9.9.9.9",
    "True-Client-IP": "no address",
  };
  const question = {
    header: (name: string) => new Headers(order).get(name) ?? undefined,
    remote: "127.0.0.1:1",
  };
  assert.equal(callerAddress(question as never, { believeProxies: true }), "9.9.9.9");
});

Deno.test("a body that is none is refused with 400, stores nothing and does not count", async () => {
  await using resolver = new AddressResolverUnderTest();
  const bad = [
    "",
    "nope",
    "null",
    "[]",
    "7",
    "{}",
    bodyOf(7777),
    bodyOf("0"),
    bodyOf("65536"),
    bodyOf("-1"),
    bodyOf("7777 "),
    bodyOf("7777", "all"),
    bodyOf("7777", [7]),
    bodyOf("7777", ["host.example"]),
    bodyOf("7777", [""]),
    bodyOf("7777", Array(BOUND_ADDRESSES_MAX + 1).fill(HERE)),
    "[".repeat(BIND_BYTES_MAX),
  ];
  for (const body of bad) {
    const answer = await bind(resolver, { body });
    assert.equal(answer.status, 400, body);
    assert.ok(JSON.parse(answer.body).error);
  }
  assert.equal((await bind(resolver, { body: "x".repeat(BIND_BYTES_MAX + 1) })).status, 413);
  assert.equal(await resolver.nonceOf(alice), 0);
  assert.equal((await resolver.ask("/transports")).body, "{}");
});

Deno.test("deregistration: a listed monitor only, all keys or none, known types", async () => {
  await using resolver = new AddressResolverUnderTest({ whitelistKeys: [monitor.publicKey] });
  await bind(resolver);
  const drop = (headers: Record<string, string>, body: string, type = "stcpr") =>
    resolver.ask(`/deregister/${type}`, { method: "DELETE", headers, body });
  const keys = JSON.stringify([alice.publicKey]);
  assert.equal((await drop(monitored(bob), keys)).status, 403);
  assert.equal((await drop(monitored(monitor), keys, "dmsg")).status, 400);
  for (const body of ["{}", "[7]", `["${alice.publicKey}","02"]`, "nope"]) {
    assert.equal((await drop(monitored(monitor), body)).status, 400, body);
  }
  assert.equal((await drop(monitored(monitor), "x".repeat(KEYS_BYTES_MAX + 1))).status, 413);
  assert.equal((await resolve(resolver)).status, 200);
  assert.equal((await drop(monitored(monitor), keys)).body, "null");
  assert.equal((await resolve(resolver)).status, 404);
});

Deno.test("paths and methods that are none", async () => {
  await using resolver = new AddressResolverUnderTest();
  for (
    const path of [
      "/",
      "/bind",
      "/bind/sudph",
      "/resolve/stcpr",
      "/resolve/stcpr/a/b",
      "/security/nonces",
      "/deregister",
    ]
  ) {
    assert.equal((await resolver.ask(path)).status, 404, path);
  }
  for (
    const [method, path, allow] of [
      ["GET", "/bind/stcpr", "POST, DELETE"],
      ["POST", `/resolve/stcpr/${alice.publicKey}`, "GET"],
      ["GET", "/deregister/stcpr", "DELETE"],
      ["POST", "/transports", "GET"],
    ] as const
  ) {
    const answer = await resolver.ask(path, { method });
    assert.deepEqual([answer.status, answer.header("allow")], [405, allow], `${method} ${path}`);
  }
});

Deno.test("addressOf() and isPublicAddress() know addresses from what only looks like one", () => {
  for (const text of [undefined, "", " ", "host", "1.2.3", "1.2.3.4:5", "01.2.3.4", "1".repeat(100)]) {
    assert.equal(addressOf(text), undefined, text);
  }
  assert.equal(addressOf(" 2001:DB8:0:0::1 "), "2001:db8::1");
  for (const address of ["8.8.8.8", "172.15.0.1", "172.32.0.1", "192.167.1.1", "100.64.0.1", "203.0.113.1"]) {
    assert.ok(isPublicAddress(address), address);
  }
});
