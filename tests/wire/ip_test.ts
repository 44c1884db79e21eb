/** Addresses as bytes and as text, as they travel in a look-up. */
import assert from "node:assert/strict";
import { toHex } from "../../lib/crypto/mod.ts";
import { ipBlock, ipBytes, ipText } from "../../lib/wire/ip.ts";

/** Text in, bytes, and the text that comes back. */
const VALID: [string, string, string?][] = [
  ["127.0.0.1", "7f000001"],
  ["0.0.0.0", "00000000"],
  ["255.255.255.255", "ffffffff"],
  ["203.0.113.9", "cb007109"],
  ["::ffff:203.0.113.9", "cb007109", "203.0.113.9"],
  ["::FFFF:203.0.113.9", "cb007109", "203.0.113.9"],
  ["::ffff:cb00:7109", "cb007109", "203.0.113.9"],
  ["0:0:0:0:0:ffff:203.0.113.9", "cb007109", "203.0.113.9"],
  ["::", "00000000000000000000000000000000"],
  ["::1", "00000000000000000000000000000001"],
  ["1::", "00010000000000000000000000000000"],
  ["fe80::1", "fe800000000000000000000000000001"],
  ["2001:db8::8a2e:370:7334", "20010db80000000000008a2e03707334"],
  ["2001:DB8::8A2E:370:7334", "20010db80000000000008a2e03707334", "2001:db8::8a2e:370:7334"],
  ["2001:0db8:0000:0000:0000:8a2e:0370:7334", "20010db80000000000008a2e03707334", "2001:db8::8a2e:370:7334"],
  ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
  ["1:2:3:4:5:6:7::", "00010002000300040005000600070000", "1:2:3:4:5:6:7:0"],
  ["::2:3:4:5:6:7:8", "00000002000300040005000600070008", "0:2:3:4:5:6:7:8"],
  ["1:0:0:2:0:0:0:3", "00010000000000020000000000000003", "1:0:0:2::3"], // the longest run, not the first
  ["1:0:0:2:3:0:0:4", "00010000000000020003000000000004", "1::2:3:0:0:4"], // of two equal ones the first
  ["64:ff9b::192.0.2.33", "0064ff9b0000000000000000c0000221", "64:ff9b::c000:221"],
  ["fe80::1%eth0", "fe800000000000000000000000000001", "fe80::1"],
  ["10:0:0:20:100:0:1:0", "00100000000000200100000000010000", "10::20:100:0:1:0"],
];

const MALFORMED = [
  "",
  " ",
  "localhost",
  "1.2.3",
  "1.2.3.4.5",
  "1.2.3.256",
  "1.2.3.-4",
  "1.2.3.4 ",
  "01.2.3.4",
  "1.2.3.0x4",
  "1..3.4",
  ":",
  ":::",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7:8::",
  "1::2::3",
  ":1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:",
  "12345::",
  "g::1",
  "[::1]",
  "::1.2.3",
  "1.2.3.4::",
  "::1.2.3.4:5",
  "1.2.3.4%eth0",
  "fe80::1%",
  "fe80::1%eth0%",
];

Deno.test("ipBytes() and ipText() agree on every form of an address", () => {
  for (const [text, hex, back = text] of VALID) {
    assert.equal(toHex(ipBytes(text)), hex, text);
    assert.equal(ipText(ipBytes(text)), back, text);
  }
  assert.equal(VALID.length, 23);
});

Deno.test("ipText() gives an address of 16 bytes in the mapped form as IPv4", () => {
  assert.equal(ipText(Uint8Array.fromHex("00000000000000000000ffffcb007109")), "203.0.113.9");
  assert.equal(ipText(Uint8Array.fromHex("00000000000000000001ffffcb007109")), "::1:ffff:cb00:7109");
});

Deno.test("ipBytes() gives nothing for what is no address", () => {
  for (const text of MALFORMED) assert.equal(ipBytes(text).length, 0, JSON.stringify(text));
  assert.equal(MALFORMED.length, 28);
});

Deno.test("ipText() gives nothing for any length but 4 and 16", () => {
  for (let length = 0; length <= 20; length++) {
    const text = ipText(new Uint8Array(length));
    assert.equal(text !== undefined, length === 4 || length === 16, `${length} bytes`);
  }
});

Deno.test("ipBlock() is an IPv4 address whole, and the first 64 bits of an IPv6 one", () => {
  assert.equal(ipBlock("203.0.113.9"), "203.0.113.9");
  assert.equal(ipBlock("::ffff:203.0.113.9"), "203.0.113.9");
  assert.equal(ipBlock("2001:db8:0:1:ffff:ffff:ffff:ffff"), "2001:db8:0:1::/64");
  assert.equal(ipBlock("2001:db8:0:1::"), "2001:db8:0:1::/64");
  assert.equal(ipBlock("2001:db8:0:2::1%eth0"), "2001:db8:0:2::/64");
  assert.equal(ipBlock("::1"), "::/64");
  for (const text of MALFORMED) assert.equal(ipBlock(text), undefined, JSON.stringify(text));
});
