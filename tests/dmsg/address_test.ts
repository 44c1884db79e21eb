import assert from "node:assert/strict";
import fc from "fast-check";
import { MalformedError } from "../../lib/base/mod.ts";
import {
  InvalidAddressError,
  parseDmsgAddress,
  parseDmsgUrl,
  parseServerAddress,
  parseUncheckedAddress,
  renderDmsgAddress,
  renderDmsgUrl,
} from "../../lib/dmsg/address.ts";
import cipher from "../vectors/dmsg/cipher.json" with { type: "json" };

const KEY = "030ccbe196c6023e4e929402f8ff3da8f41633434c9cf97e16144854c3f21d0d26";
const NULL_KEY = "0".repeat(66);

Deno.test("parseUncheckedAddress() agrees with every recorded address text", () => {
  let ran = 0;
  for (const vector of cipher.dmsg_addr) {
    ran++;
    if (!vector.ok) {
      assert.throws(() => parseUncheckedAddress(vector.text), InvalidAddressError, vector.text);
      continue;
    }
    const address = parseUncheckedAddress(vector.text);
    assert.equal(address.publicKey ?? NULL_KEY, vector.pk);
    assert.equal(address.port, vector.port);
    assert.equal(renderDmsgAddress(address), vector.string);
    if (address.publicKey !== undefined) assert.deepEqual(parseDmsgAddress(vector.string), address);
  }
  assert.equal(ran, 11);
});

Deno.test("parseDmsgAddress() wants a key", () => {
  assert.throws(() => parseDmsgAddress(":80"), /the key is missing/);
  assert.throws(() => parseDmsgAddress(`${NULL_KEY}:80`), InvalidAddressError);
});

Deno.test("parseDmsgAddress() reads ports as whole numbers in Go's writing, and nothing else", () => {
  const port = (text: string) => parseDmsgAddress(`${KEY}:${text}`).port;
  assert.deepEqual(["0", "00", "017", "0o17", "0b11", "0XFF", "65535"].map(port), [
    0,
    0,
    15,
    15,
    3,
    255,
    65_535,
  ]);
  for (
    const text of [
      "-1",
      "+1",
      "1.0",
      "1e2",
      "0x",
      "08",
      "65536",
      "0x10000",
      "1_0",
      "８０",
      "80 1",
      "9".repeat(400),
    ]
  ) {
    assert.throws(() => port(text), InvalidAddressError, text);
  }
});

Deno.test("InvalidAddressError shows what was received, shortened, and what to write", () => {
  const error = new InvalidAddressError("a rule", "x".repeat(1000));
  assert.ok(error.message.length < 200);
  assert.match(error.message, /a rule, received "x+…"/);
  assert.match(error.hint!, /:80/);
});

Deno.test("parseDmsgUrl() reads both schemes; the port is 80 unless given", () => {
  const cases = [
    [`dmsg://${KEY}:80`, 80, "/"],
    [`dmsg://${KEY}`, 80, "/"],
    [`dmsg://${KEY}:0/x`, 80, "/x"],
    [`http://${KEY}:9/a/b?c=d:1#e`, 9, "/a/b?c=d:1"],
    [`DMSG://${KEY.toUpperCase()}:9?q`, 9, "/?q"],
  ] as const;
  for (const [text, port, path] of cases) {
    assert.deepEqual(parseDmsgUrl(text), { address: { publicKey: KEY, port }, path }, text);
  }
  assert.equal(renderDmsgUrl(parseDmsgUrl(`http://${KEY}/x`)), `dmsg://${KEY}:80/x`);
});

Deno.test("parseDmsgUrl() refuses other schemes, hosts and credentials", () => {
  for (
    const text of [
      "",
      KEY,
      `https://${KEY}`,
      "dmsg://",
      "dmsg:///x",
      "http://example.org/",
      `dmsg://u@${KEY}:80`,
      `dmsg://${KEY}:80:1`,
    ]
  ) assert.throws(() => parseDmsgUrl(text), InvalidAddressError, text);
});

Deno.test("parseServerAddress() reads host and port", () => {
  assert.deepEqual(parseServerAddress("203.0.113.5:8081"), { hostname: "203.0.113.5", port: 8081 });
  assert.deepEqual(parseServerAddress("[2001:db8::5]:80"), { hostname: "2001:db8::5", port: 80 });
  assert.deepEqual(parseServerAddress("dmsg.example.org:1"), { hostname: "dmsg.example.org", port: 1 });
  for (
    const text of [
      "",
      "host",
      ":80",
      "host:",
      "host:0",
      "host:65536",
      "a:b:1",
      "2001:db8::5:80",
      "u@host:1",
      "a b:1",
    ]
  ) {
    assert.throws(() => parseServerAddress(text), MalformedError, text);
  }
});

Deno.test("any text is an address or a typed error", () => {
  let refused = 0;
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string().map((rest) => `${KEY}${rest}`)), (text) => {
      for (const parse of [parseUncheckedAddress, parseDmsgUrl]) {
        try {
          parse(text);
        } catch (error) {
          assert.ok(error instanceof InvalidAddressError);
          refused++;
        }
      }
    }),
    { seed: 1, numRuns: 300 },
  );
  assert.ok(refused > 300);
});
