import assert from "node:assert/strict";
import fc from "fast-check";
import { LimitError, MalformedError, SkyError } from "../../lib/base/mod.ts";
import { keyPairFromSeed, parsePublicKey, SecretKey, sha256, toHex } from "../../lib/crypto/mod.ts";
import {
  canonicalEntry,
  clientEntry,
  type Entry,
  ENTRY_CHARS_MAX,
  ENTRY_LIST_CHARS_MAX,
  parseEntries,
  parseEntry,
  parseUncheckedEntry,
  renderEntry,
  sameDelegatedServers,
  serverEntry,
  signEntry,
  verifyEntry,
} from "../../lib/dmsg/entry.ts";
import recorded from "../vectors/dmsg/discovery-entry-signing.json" with { type: "json" };

const bytes = (text: string) => new TextEncoder().encode(text);
const OWNER = keyPairFromSeed(bytes("dmsg-vector-client-a"));
const SERVER_A = keyPairFromSeed(bytes("dmsg-vector-server")).publicKey;
const SERVER_B = keyPairFromSeed(bytes("dmsg-vector-server-2")).publicKey;
const CLIENT = clientEntry({
  publicKey: OWNER.publicKey,
  delegatedServers: [SERVER_A, SERVER_B],
  timestamp: 1729800000123456789n,
  clientType: "visor",
});

Deno.test("every recorded entry: text, hash, signature and wire, both ways", () => {
  let ran = 0;
  for (const vector of recorded.vectors) {
    ran++;
    const entry = parseEntry(vector.wire);
    assert.equal(entry.static, vector.pk);
    assert.equal(canonicalEntry(entry), vector.signed_text, vector.name);
    assert.equal(toHex(sha256(bytes(canonicalEntry(entry)))), vector.sha256);
    assert.equal(renderEntry(entry), vector.wire, vector.name);
    assert.equal(entry.signature, vector.signature);
    assert.ok(verifyEntry(entry), vector.name);
    const unsigned = parseEntry(vector.signed_text);
    assert.equal(unsigned.signature, undefined);
    assert.ok(!verifyEntry(unsigned));
    const signed = signEntry(unsigned, SecretKey.parse(vector.sk));
    assert.ok(verifyEntry(signed));
    assert.equal(canonicalEntry(signed), vector.signed_text);
  }
  assert.equal(ran, 9);
});

Deno.test("the constructors make the recorded entries", () => {
  assert.equal(canonicalEntry(CLIENT), recorded.vectors[0]!.signed_text);
  const server = serverEntry({
    publicKey: SERVER_A,
    server: { address: "203.0.113.5:8081", availableSessions: 2048 },
    timestamp: 1729800000123456789n,
    sequence: 7n,
  });
  assert.equal(canonicalEntry(server), recorded.vectors[4]!.signed_text);
});

Deno.test("verifyEntry() refuses an entry of which anything was changed", () => {
  const entry = parseEntry(recorded.vectors[7]!.wire);
  const server = entry.server!;
  const changed: Entry[] = [
    { ...entry, version: "0.0.2" },
    { ...entry, sequence: entry.sequence + 1n },
    { ...entry, timestamp: entry.timestamp + 1n },
    { ...entry, static: SERVER_B },
    { ...entry, client: { delegatedServers: [] } },
    { ...entry, clientType: "visor" },
    { ...entry, server: undefined },
    { ...entry, protocol: undefined },
    ...Object.entries(server).map(([member, value]) => {
      return { ...entry, server: { ...server, [member]: value === true ? false : "changed" } as never };
    }),
    { ...entry, signature: undefined },
    { ...entry, signature: "" },
    { ...entry, signature: "zz".repeat(65) },
    { ...entry, signature: entry.signature!.slice(2) },
    { ...entry, signature: entry.signature!.slice(0, -2) + "03" },
  ];
  for (const [index, mutant] of changed.entries()) assert.ok(!verifyEntry(mutant), `mutant ${index}`);
  assert.equal(changed.length, 13 + Object.keys(server).length);
  assert.ok(verifyEntry({ ...entry }));
});

Deno.test("an empty list of servers and none are different texts", () => {
  const none = { ...CLIENT, client: { delegatedServers: null } };
  const empty = { ...CLIENT, client: { delegatedServers: [] } };
  assert.match(canonicalEntry(none), /"delegated_servers":null/);
  assert.match(canonicalEntry(empty), /"delegated_servers":\[\]/);
  assert.ok(!verifyEntry({ ...none, signature: signEntry(empty, OWNER.secretKey).signature! }));
  assert.ok(sameDelegatedServers(none, empty));
});

Deno.test("signEntry() signs for the owner only", () => {
  assert.throws(() => signEntry({ ...CLIENT, static: SERVER_A }, OWNER.secretKey), TypeError);
});

Deno.test("only quotes, backslashes and control characters are escaped", () => {
  const clientType = '"\\\b\f\n\r\t\u0000\u001f\u007f<>&é\u2028\u2029😀/';
  const text = canonicalEntry({ ...CLIENT, clientType });
  const escaped = '\\"\\\\\\u0008\\u000c\\n\\r\\t\\u0000\\u001f\u007f<>&é\u2028\u2029😀/';
  assert.ok(text.endsWith(`"client_type":"${escaped}"}`));
  assert.equal(parseEntry(text).clientType, clientType);
});

Deno.test("blanks, order and unknown members on the wire do not matter to the signature", () => {
  const signed = signEntry(CLIENT, OWNER.secretKey);
  const { sequence: _, timestamp: __, ...rest } = JSON.parse(renderEntry(signed));
  const text = JSON.stringify({ future: { deep: [1] }, ...rest }, null, 2).replace(
    /\{/,
    `{ "timestamp" : 1729800000123456789 , "sequence": 0,`,
  );
  assert.ok(verifyEntry(parseEntry(text)));
});

Deno.test("integers of 64 bits are kept exactly, and bigger ones refused", () => {
  const read = (sequence: string, timestamp: string) =>
    parseEntry(`{"static":"${OWNER.publicKey}","sequence":${sequence},"timestamp":${timestamp}}`);
  const most = read("18446744073709551615", "9223372036854775807");
  assert.deepEqual([most.sequence, most.timestamp], [2n ** 64n - 1n, 2n ** 63n - 1n]);
  assert.equal(read("0", "-9223372036854775808").timestamp, -(2n ** 63n));
  for (
    const [sequence, timestamp] of [
      ["18446744073709551616", "0"],
      ["-1", "0"],
      ["0", "9223372036854775808"],
      ["0", "-9223372036854775809"],
      ["1e3", "0"],
      ["1.0", "0"],
      ["0", '"1"'],
      ["0", "1".repeat(400)],
    ] as const
  ) assert.throws(() => read(sequence, timestamp), MalformedError, `${sequence} ${timestamp}`);
});

Deno.test("parseEntry() refuses what is no entry, naming the member", () => {
  const member = (text: string) => `{"static":"${OWNER.publicKey}",${text}}`;
  const cases: readonly (readonly [string, RegExp])[] = [
    ["", /no JSON/],
    ["{", /no JSON/],
    [`{"static":"${OWNER.publicKey}",}`, /no JSON/],
    ["null", /no JSON object/],
    ["[]", /no JSON object/],
    ["1", /no JSON object/],
    ["{}", /static is missing/],
    [`{"static":"${"0".repeat(66)}"}`, /static is missing/],
    [`{"static":"04${OWNER.publicKey.slice(2)}"}`, /static is a public key/],
    [`{"static":1}`, /static is a public key/],
    [member(`"version":1`), /version is a text/],
    [member(`"client":[]`), /client is an object/],
    [member(`"client":{"delegated_servers":{}}`), /delegated_servers is a list/],
    [member(`"client":{"delegated_servers":["x"]}`), /delegated_servers holds public keys/],
    [member(`"client":{"delegated_servers":[null]}`), /delegated_servers holds public keys/],
    [member(`"server":"x"`), /server is an object/],
    [member(`"server":{"address":1}`), /address is a text/],
    [member(`"server":{"availableSessions":1.5}`), /availableSessions is a whole number/],
    [member(`"server":{"availableSessions":9007199254740992}`), /availableSessions is a whole number/],
    [member(`"server":{"dht_bootstrap":"yes"}`), /dht_bootstrap is true or false/],
    [member(`"signature":[]`), /signature is a text/],
  ];
  for (const [text, message] of cases) {
    assert.throws(
      () => parseEntry(text),
      (error) => error instanceof MalformedError && message.test(error.message),
      text,
    );
  }
  assert.equal(cases.length, 21);
});

Deno.test("parseUncheckedEntry() leaves a missing owner to the rules of the discovery", () => {
  assert.deepEqual(parseUncheckedEntry("{}"), {
    version: "",
    sequence: 0n,
    timestamp: 0n,
    static: undefined,
  });
  assert.match(canonicalEntry(parseUncheckedEntry("{}")), /"static":"0{66}"/);
  assert.deepEqual(
    parseUncheckedEntry(`{"client":null,"server":null,"signature":null}`),
    parseUncheckedEntry("{}"),
  );
});

Deno.test("entries have a length; lists too; depth of nesting ends in an error", () => {
  const long = `{"static":"${OWNER.publicKey}","version":"${"x".repeat(ENTRY_CHARS_MAX)}"}`;
  assert.throws(() => parseEntry(long), LimitError);
  assert.throws(() => parseEntries(" ".repeat(ENTRY_LIST_CHARS_MAX + 1)), LimitError);
  assert.throws(() => parseEntries("[".repeat(ENTRY_LIST_CHARS_MAX)), MalformedError);
  const deep = "[".repeat(30_000) + "]".repeat(30_000);
  assert.throws(() => parseEntry(deep), MalformedError);
});

Deno.test("parseEntries() reads lists", () => {
  const wires = recorded.vectors.map(({ wire }) => wire);
  assert.deepEqual(parseEntries(`[${wires.join(",")}]`).map(renderEntry), wires);
  assert.deepEqual(parseEntries("[]"), []);
  assert.deepEqual(parseEntries("null"), []);
  for (const text of ["{}", `[${wires[0]},]`, `[${wires[0]}`]) {
    assert.throws(() => parseEntries(text), MalformedError);
  }
  const odd = parseEntries(`[1,{},${wires[0]},null,{"static":"x"},${wires[1]}]`);
  assert.deepEqual(odd.map(renderEntry), [wires[0], wires[1]], "what is no entry is left out");
});

Deno.test("sameDelegatedServers() compares sets", () => {
  const entry = (...delegatedServers: typeof SERVER_A[]) => ({ client: { delegatedServers } });
  assert.ok(sameDelegatedServers(entry(SERVER_A, SERVER_B), entry(SERVER_B, SERVER_A)));
  assert.ok(sameDelegatedServers({}, entry()));
  assert.ok(!sameDelegatedServers(entry(SERVER_A), entry(SERVER_A, SERVER_B)));
  assert.ok(!sameDelegatedServers(entry(SERVER_A, SERVER_B), entry(SERVER_A)));
  assert.ok(!sameDelegatedServers(entry(SERVER_A), entry(SERVER_B)));
});

Deno.test("any text is an entry or a typed error, and an entry survives its own text", () => {
  const text = fc.oneof(fc.string(), fc.json());
  const wire = recorded.vectors[7]!.wire;
  const changed = fc.tuple(fc.nat(wire.length - 1), fc.string({ maxLength: 2 }))
    .map(([at, put]) => wire.slice(0, at) + put + wire.slice(at + 1));
  let read = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.oneof(text, changed), (candidate) => {
      try {
        const entry = parseUncheckedEntry(candidate);
        assert.deepEqual(parseUncheckedEntry(renderEntry(entry)), entry);
        read++;
      } catch (error) {
        assert.ok(error instanceof SkyError, String(error));
        refused++;
      }
    }),
    { seed: 1, numRuns: 1000 },
  );
  assert.ok(read > 100 && refused > 100, `${read} read, ${refused} refused`);
});

Deno.test("a key given in capitals is the same owner", () => {
  const wire = renderEntry(signEntry(CLIENT, OWNER.secretKey)).replace(
    OWNER.publicKey,
    OWNER.publicKey.toUpperCase(),
  );
  const entry = parseEntry(wire);
  assert.equal(entry.static, parsePublicKey(OWNER.publicKey));
  assert.ok(verifyEntry(entry));
});
