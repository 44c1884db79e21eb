/** Messages of SOCKS5: the bytes of RFC 1928 and 1929, and what is refused. */
import assert from "node:assert/strict";
import {
  encodeChoice,
  encodeCredentials,
  encodeGreeting,
  encodeReply,
  encodeRequest,
  encodeVerdict,
  readChoice,
  readCredentials,
  readGreeting,
  readReply,
  readRequest,
  readVerdict,
  REPLY_TEXTS,
  SOCKS_REPLY,
} from "../../../lib/proxy/mod.ts";
import { ConnReader } from "../../../lib/wire/mod.ts";
import { strictReads } from "../../support/strict_reads.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** A reader of `bytes` that come in pieces of `piece`. */
function readerOf(bytes: Uint8Array, piece = 3): ConnReader {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.length; offset += piece) {
    pieces.push(bytes.slice(offset, offset + piece));
  }
  return new ConnReader(strictReads(...pieces));
}

const hexReader = (hex: string) => readerOf(Uint8Array.fromHex(hex));

/** Targets and the bytes of a CONNECT to them. */
const REQUESTS: [string, number, string][] = [
  ["127.0.0.1", 38373, "050100017f00000195e5"],
  ["0.0.0.0", 0, "05010001000000000000"],
  ["a.de", 80, "0501000304612e64650050"],
  ["::1", 443, "05010004000000000000000000000000000000010 1bb".replace(" ", "")],
  ["2001:db8::ff00:42:8329", 65_535, "0501000420010db8000000000000ff0000428329ffff"],
];

Deno.test("a request to each kind of address, there and back", async () => {
  for (const [hostname, port, hex] of REQUESTS) {
    assert.equal(encodeRequest({ hostname, port }).toHex(), hex);
    assert.deepEqual(await readRequest(hexReader(hex)), { hostname, port });
    // A reply differs in its second byte.
    const reply = "0505" + hex.slice(4);
    assert.equal(encodeReply(5, { hostname, port }).toHex(), reply);
    assert.deepEqual(await readReply(hexReader(reply)), { reply: 5, bound: { hostname, port } });
  }
  assert.equal(encodeReply(SOCKS_REPLY.hostUnreachable).toHex(), "05040001000000000000");
});

Deno.test("greetings, choices, passwords and verdicts, there and back", async () => {
  assert.equal(encodeGreeting([0, 2]).toHex(), "05020002");
  assert.deepEqual([...await readGreeting(hexReader("0503000102"))], [0, 1, 2]);
  assert.deepEqual([...await readGreeting(hexReader("0500"))], []);
  assert.equal(encodeChoice(0xff).toHex(), "05ff");
  assert.equal(await readChoice(hexReader("0502")), 2);
  assert.equal(encodeCredentials({ user: utf8("u"), password: utf8("pass") }).toHex(), "0101750470617373");
  const { user, password } = await readCredentials(hexReader("0101750470617373"));
  assert.deepEqual([user.toHex(), password.toHex()], ["75", "70617373"]);
  assert.equal(encodeVerdict(true).toHex() + encodeVerdict(false).toHex(), "01000101");
  assert.deepEqual([await readVerdict(hexReader("0100")), await readVerdict(hexReader("01ff"))], [
    true,
    false,
  ]);
});

Deno.test("a field of more or less than its length byte can say is the caller's error", () => {
  for (const length of [0, 256]) {
    const field = new Uint8Array(length);
    assert.throws(() => encodeCredentials({ user: field, password: utf8("p") }), RangeError);
    assert.throws(() => encodeCredentials({ user: utf8("u"), password: field }), RangeError);
    assert.throws(() => encodeRequest({ hostname: "a".repeat(length), port: 1 }), RangeError);
  }
  assert.equal(encodeRequest({ hostname: "a".repeat(255), port: 1 }).length, 4 + 1 + 255 + 2);
  assert.throws(() => encodeRequest({ hostname: "a", port: 65_536 }), RangeError);
});

Deno.test("requests that are not offered carry the reply that RFC 1928 has for them", async () => {
  const refusals: [string, number][] = [
    ["05020001000000000050", SOCKS_REPLY.commandNotSupported], // BIND
    ["05030001000000000050", SOCKS_REPLY.commandNotSupported], // UDP ASSOCIATE
    ["05010002000000000050", SOCKS_REPLY.addressTypeNotSupported],
    ["050100000000", SOCKS_REPLY.addressTypeNotSupported],
    ["04010001000000000050", SOCKS_REPLY.generalFailure], // SOCKS4
    ["05010003000050", SOCKS_REPLY.generalFailure], // a name of no bytes
    ["050100030361000050", SOCKS_REPLY.generalFailure], // NUL within
    ["0501000303612062" + "0050", SOCKS_REPLY.generalFailure], // a blank
    ["0501000302c3a40050", SOCKS_REPLY.generalFailure], // no ASCII: resolvers want punycode
    ["0501000303610a620050", SOCKS_REPLY.generalFailure],
  ];
  for (const [hex, reply] of refusals) {
    const padded = hex + "00".repeat(16);
    await assert.rejects(readRequest(hexReader(padded)), { code: "SOCKS_REQUEST", reply }, hex);
  }
  await assert.rejects(readGreeting(hexReader("04010050")), { code: "SOCKS_REQUEST" });
  await assert.rejects(readGreeting(readerOf(utf8("GET / HTTP/1.1"))), { code: "SOCKS_REQUEST" });
  await assert.rejects(readCredentials(hexReader("0501750470617373")), { code: "SOCKS_REQUEST" });
});

Deno.test("a server that speaks something else is malformed", async () => {
  await assert.rejects(readChoice(hexReader("0400")), { code: "MALFORMED" });
  await assert.rejects(readVerdict(hexReader("0500")), { code: "MALFORMED" });
  await assert.rejects(readReply(hexReader("04000001000000000000")), { code: "MALFORMED" });
  await assert.rejects(readReply(hexReader("05000002000000000000")), { code: "MALFORMED" });
});

Deno.test("every message that ends too early is truncated, at every place", async () => {
  const whole: [(reader: ConnReader) => Promise<unknown>, string][] = [
    [readGreeting, "05020002"],
    [readChoice, "0500"],
    [readCredentials, "0101750470617373"],
    [readVerdict, "0100"],
    ...REQUESTS.map(([, , hex]) => [readRequest, hex] as [typeof readRequest, string]),
    ...REQUESTS.map(([, , hex]) => [readReply, hex] as [typeof readReply, string]),
  ];
  let cut = 0;
  for (const [read, hex] of whole) {
    for (let length = 0; length < hex.length / 2; length++, cut++) {
      await assert.rejects(read(hexReader(hex.slice(0, length * 2))), { code: "TRUNCATED" });
    }
    await read(hexReader(hex));
  }
  assert.equal(cut, 4 + 2 + 8 + 2 + 2 * (10 + 10 + 11 + 22 + 22));
});

Deno.test("every reply has its words", () => {
  assert.equal(Object.keys(SOCKS_REPLY).length, REPLY_TEXTS.length);
  assert.equal(REPLY_TEXTS[SOCKS_REPLY.connectionRefused], "connection refused");
});
