import assert from "node:assert/strict";
import { LimitError, MalformedError, SkyError } from "../../lib/base/mod.ts";
import { fromHex, toHex } from "../../lib/crypto/mod.ts";
import {
  type AnyGobType,
  decodeGob,
  DEFINITIONS_MAX,
  FIELDS_MAX,
  gobBodyWriter,
  gobBool,
  gobByteArray,
  gobBytes,
  GobDecoder,
  GobEncoder,
  gobFloat,
  gobInt,
  gobInt64,
  gobMap,
  gobMarshaler,
  gobSlice,
  gobStruct,
  gobText,
  type GobType,
  gobUint,
  gobUint64,
  MESSAGE_BYTES_MAX,
} from "../../lib/wire/gob/mod.ts";
import fc from "fast-check";

const hex = (...parts: string[]) => fromHex(parts.join("").replaceAll(" ", ""));

/** Payloads of the messages in `stream`, which is well formed. */
function payloads(stream: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at < stream.length;) {
    let length = stream[at++]!;
    if (length >= 128) {
      const byteCount = 256 - length;
      length = 0;
      for (let i = 0; i < byteCount; i++) length = length * 256 + stream[at++]!;
    }
    found.push(stream.subarray(at, at + length));
    at += length;
  }
  return found;
}

/** Reads one value off a conversation. */
function read<T>(decoder: GobDecoder, stream: Uint8Array, type: GobType<T>): T {
  const values = payloads(stream).filter((payload) => decoder.accept(payload));
  assert.equal(values.length, 1);
  return decoder.value(values[0]!, type);
}

const REQUEST = gobStruct("Request", { ServiceMethod: gobText, Seq: gobUint64 });
const RESPONSE = gobStruct("Response", { ServiceMethod: gobText, Seq: gobUint64, Error: gobText });
const ROUTE_IDS = gobSlice("", gobUint(32));
const NOTHING = gobStruct("", {});

// One call and one refused call, taken apart in routing.md 9.4.
const CALL = hex(
  "2e 7f 03 01 01 07 52657175657374 01 ff80 00 01 02 01 0d 536572766963654d6574686f64 01 0c 00 01 03 536571 01 06 00 00 00",
  "1a ff80 01 15 525043476174657761792e52657365727665494473 00",
);
const CALL_ARGUMENT = hex("03 06 00 01");
const REPLY_HEADER = hex(
  "3a ff81 03 01 01 08 526573706f6e7365 01 ff82 00 01 03 01 0d 536572766963654d6574686f64 01 0c 00",
  "01 03 536571 01 06 00 01 05 4572726f72 01 0c 00 00 00",
  "1a ff82 01 15 525043476174657761792e52657365727665494473 00",
);
const REPLY = hex("0c ff83 02 01 02 ff84 00 01 06 00 00", "07 ff84 00 01 fe012c");
const REFUSAL_TEXT = "failure code 4 (no available routeIDs)";
const REFUSAL_REPLY = hex("0a ff85 03 01 02 ff86 00 00 00", "03 ff86 00");

Deno.test("GobEncoder writes a call of net/rpc byte for byte, definitions once", () => {
  const encoder = new GobEncoder();
  const header = { ServiceMethod: "RPCGateway.ReserveIDs", Seq: 0n };
  assert.equal(toHex(encoder.encode(REQUEST, header)), toHex(CALL));
  assert.equal(toHex(encoder.encode(gobUint(8), 1)), toHex(CALL_ARGUMENT));
  const again = toHex(encoder.encode(REQUEST, header));
  assert.equal(again, toHex(CALL).slice(-again.length), "the second call has no definitions");
  assert.equal(again.length, 54);
});

Deno.test("GobEncoder writes replies of net/rpc byte for byte: slices without a name, structs without fields", () => {
  const ids = new Map<AnyGobType, number>([[RESPONSE, 65], [ROUTE_IDS, 66], [NOTHING, 67]]);
  const encoder = new GobEncoder(ids);
  const header = { ServiceMethod: "RPCGateway.ReserveIDs", Seq: 0n, Error: "" };
  assert.equal(toHex(encoder.encode(RESPONSE, header)), toHex(REPLY_HEADER));
  assert.equal(toHex(encoder.encode(ROUTE_IDS, [300])), toHex(REPLY));
  assert.equal(toHex(encoder.encode(NOTHING, {})), toHex(REFUSAL_REPLY));
});

Deno.test("GobDecoder reads a conversation whose later messages use earlier definitions", () => {
  const decoder = new GobDecoder();
  assert.deepEqual(read(decoder, REPLY_HEADER, RESPONSE), {
    ServiceMethod: "RPCGateway.ReserveIDs",
    Seq: 0n,
    Error: "",
  });
  assert.deepEqual(read(decoder, REPLY, ROUTE_IDS), [300]);
  const refusal = new GobEncoder(new Map([[RESPONSE, 65]]));
  const second = { ServiceMethod: "RPCGateway.ReserveIDs", Seq: 7n, Error: REFUSAL_TEXT };
  refusal.definitions(RESPONSE);
  assert.deepEqual(read(decoder, refusal.encode(RESPONSE, second), RESPONSE), second);
  assert.deepEqual(read(decoder, REFUSAL_REPLY, NOTHING), {});
  assert.equal(decoder.accept(payloads(REFUSAL_REPLY)[1]!), true);
  decoder.skip(payloads(REFUSAL_REPLY)[1]!);
  decoder.skip(payloads(REPLY)[1]!);
});

Deno.test("GobDecoder refuses a definition that came before, an empty message and one that is too long", () => {
  const decoder = new GobDecoder();
  assert.equal(decoder.accept(payloads(CALL)[0]!), false);
  assert.throws(() => decoder.accept(payloads(CALL)[0]!), /defined twice/);
  assert.throws(() => decoder.accept(new Uint8Array()), MalformedError);
  assert.throws(() => decoder.accept(new Uint8Array(MESSAGE_BYTES_MAX + 1)), LimitError);
});

const EVERYTHING = gobStruct("Everything", {
  Flag: gobBool,
  Small: gobInt(8),
  Big: gobInt64,
  Count: gobUint64,
  Ratio: gobFloat,
  Text: gobText,
  Raw: gobBytes,
  Hash: gobByteArray("Hash", 4),
  Ports: gobSlice("[]uint16", gobUint(16)),
  Ages: gobMap("map[string]int", gobText, gobInt(32)),
  Inner: gobStruct("Inner", { Flag: gobBool }),
  Mark: gobMarshaler<string>({
    name: "Mark",
    zero: "",
    marshaler: "text",
    read: (bytes) => new TextDecoder().decode(bytes),
    write: (value) => new TextEncoder().encode(value),
  }),
});

const everything = fc.record({
  Flag: fc.boolean(),
  Small: fc.integer({ min: -128, max: 127 }),
  Big: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  Count: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  Ratio: fc.double({ noNaN: true }).map((value) => value + 0), // no -0: gob leaves every zero out
  Text: fc.string(),
  Raw: fc.uint8Array({ maxLength: 300 }),
  Hash: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  Ports: fc.array(fc.integer({ min: 0, max: 65_535 })),
  Ages: fc.dictionary(fc.string(), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }))
    .map((object) => new Map(Object.entries(object))),
  Inner: fc.record({ Flag: fc.boolean() }, { noNullPrototype: true }),
  Mark: fc.string({ minLength: 1 }),
}, { noNullPrototype: true });

Deno.test("every kind of value comes back as it was written", () => {
  const write = gobBodyWriter(EVERYTHING, new Map());
  let ran = 0;
  fc.assert(
    fc.property(everything, (value) => {
      ran++;
      assert.deepEqual(decodeGob(write(value), EVERYTHING), value);
      assert.deepEqual(decodeGob(new GobEncoder().encode(EVERYTHING, value), EVERYTHING), value);
    }),
    { seed: 1, numRuns: 200 },
  );
  assert.equal(ran, 200);
});

Deno.test("a reader that wants less reads over the rest, whatever its kind", () => {
  const some = gobStruct("Another", { Inner: gobStruct("X", { Flag: gobBool }), Missing: gobText });
  fc.assert(
    fc.property(everything, (value) => {
      const body = new GobEncoder().encode(EVERYTHING, value);
      assert.deepEqual(decodeGob(body, some), { Inner: value.Inner, Missing: "" });
    }),
    { seed: 2, numRuns: 100 },
  );
});

Deno.test("decodeGob() ends in a value or a SkyError for any bytes", () => {
  const good = new GobEncoder().encode(EVERYTHING, {
    ...EVERYTHING.zero(),
    Text: "text",
    Mark: "m",
    Ports: [1, 2],
  });
  let values = 0;
  let refused = 0;
  const attempt = (bytes: Uint8Array) => {
    try {
      decodeGob(bytes, EVERYTHING);
      values++;
    } catch (error) {
      assert.ok(error instanceof SkyError, String(error));
      refused++;
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), attempt), { seed: 3, numRuns: 500 });
  const change = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(change, (changes) => {
      const bytes = good.slice();
      for (const [at, byte] of changes) bytes[at] = byte;
      attempt(bytes);
    }),
    { seed: 4, numRuns: 2000 },
  );
  assert.equal(values + refused, 2500);
  assert.ok(values > 0 && refused > 1000, `${values} values, ${refused} refused`);
});

const ONE = gobStruct("One", { Value: gobUint(16) });
/** A body of `definitions`, then `value`, each a message without its length, as hex. */
function body(...messages: string[]): Uint8Array {
  return hex(...messages.map((message) => {
    const payload = message.replaceAll(" ", "");
    assert.ok(payload.length < 256);
    return (payload.length / 2).toString(16).padStart(2, "0") + payload;
  }));
}
/** Type 64: a struct with one field `name` of type `id`, as hex of the int. */
const struct = (id: string, name = "0556616c7565") =>
  `7f 03 01 02 ff80 00 01 01 01 ${name} 01 ${id} 00 00 00`;

Deno.test("a struct of one field is read (what the mutants below start from)", () => {
  assert.deepEqual(decodeGob(body(struct("06"), "ff80 01 fe1234 00"), ONE), { Value: 0x1234 });
});

const MUTANTS: readonly (readonly [name: string, bytes: Uint8Array, message: RegExp])[] = [
  ["no bytes", hex(), /ends inside/],
  ["definitions without a value", body(struct("06")), /ends inside/],
  ["a value of a type that is not defined", body("ff80 00"), /64 is not defined/],
  ["a value of type 0", body("00 00"), /type 0/],
  ["a message shorter than its length", hex("05 ff80"), /5 bytes, but 2/],
  ["a message length of nine bytes", hex("f7 01 00 00 00 00 00 00 00 00"), /9 bytes, at most 8/],
  ["a message length beyond any memory", hex("f8 ffffffffffffffff"), /too big/],
  ["an integer with a leading zero", body(struct("06"), "ff80 01 fe0012 00"), /longer than its value/],
  ["an integer in two bytes that needs one", body(struct("06"), "ff80 01 ff05 00"), /longer than its value/],
  ["a port above 65535", body(struct("06"), "ff80 01 fd010000 00"), /does not fit 16 bits/],
  ["a field of another kind: int", body(struct("04"), "ff80 01 02 00"), /not a uint/],
  ["a field of another kind: string", body(struct("0c"), "ff80 01 00 00"), /not a uint/],
  ["a field of an undefined type", body(struct("ff90"), "ff80 00"), /72 is not defined/],
  ["an unknown field of an undefined type", body(struct("ff90", "014e"), "ff80 00"), /72 is not defined/],
  ["an unknown field of an interface type", body(struct("10", "014e"), "ff80 00"), /type 8/],
  ["a type that contains itself", body(struct("ff80", "014e"), "ff80 00"), /contains itself/],
  [
    "two types that contain each other",
    body(struct("ff82", "014e"), "ff81 02 01 02 ff82 00 01 ff80 00 00", "ff80 00"),
    /contains itself/,
  ],
  ["a type that is defined twice", body(struct("06"), struct("06"), "ff80 00"), /defined twice/],
  ["a definition of a built-in type", body("05 03 01 02 06 00 00 00", "ff80 00"), /cannot be redefined/],
  ["a definition that describes nothing", body("7f 00", "ff80 00"), /describes no type/],
  [
    "a definition that describes two types",
    body("7f 05 01 02 ff80 00 00 01 01 02 ff80 00 00 00", "ff80 00"),
    /describes two types/,
  ],
  ["a definition of an unknown shape", body("7f 08 00 00", "ff80 00"), /no field 7/],
  ["a definition with bytes behind it", body(struct("06") + "00", "ff80 00"), /1 bytes too many/],
  [
    "two fields of one name",
    body("7f 03 01 02 ff80 00 01 02 01 0556616c7565 01 06 00 01 0556616c7565 01 06 00 00 00", "ff80 00"),
    /two fields/,
  ],
  ["a field beyond the definition", body(struct("06"), "ff80 02 05 00"), /no field 1/],
  ["a field number beyond any", body(struct("06"), "ff80 f9 ffffffffffffff 05 00"), /too big/],
  ["a value without its end", body(struct("06"), "ff80 01 05"), /ends inside/],
  ["a value with bytes behind its end", body(struct("06"), "ff80 01 05 00 00"), /1 bytes too many/],
  ["a value that is no struct", body("06 00 05"), /3 is not a struct/],
];

for (const [name, bytes, message] of MUTANTS) {
  Deno.test(`decodeGob() refuses ${name}`, () => {
    assert.throws(
      () => decodeGob(bytes, ONE),
      (error) => error instanceof MalformedError && message.test(error.message),
    );
  });
}

const LISTS = gobStruct("Lists", {
  Hash: gobByteArray("Hash", 3),
  List: gobSlice("", gobText),
  Raw: gobBytes,
});
const LISTS_DEFINED = toHex(new GobEncoder().definitions(LISTS));

for (
  const [name, value, message] of [
    ["an array of another length", "ff80 01 02 01 01 00", /array of 2 elements/],
    ["an array element above 255", "ff80 01 03 01 fe0100 01 00", /does not fit 8 bits/],
    ["a list longer than its bytes", "ff80 02 fd7fffff 00", /list of 8388607 elements/],
    ["bytes longer than the message", "ff80 03 fd7fffff 00", /8388607, but/],
    ["a text longer than the message", "ff80 02 01 7f 00", /127, but/],
  ] as const
) {
  Deno.test(`decodeGob() refuses ${name}`, () => {
    const bytes = new Uint8Array([...fromHex(LISTS_DEFINED), ...body(value)]);
    assert.throws(
      () => decodeGob(bytes, LISTS),
      (error) => error instanceof MalformedError && message.test(error.message),
    );
  });
}

Deno.test("decodeGob() refuses an array whose definition has another length or element", () => {
  for (const other of [gobByteArray("Hash", 4), gobSlice("", gobUint(8)), gobBytes]) {
    const bytes = new GobEncoder().encode(gobStruct("", { Hash: other as GobType<unknown> }), {
      Hash: other.zero(),
    });
    assert.throws(() => decodeGob(bytes, LISTS), /is not an array of 3 bytes/);
  }
});

Deno.test("decodeGob() bounds definitions and fields", () => {
  const one = (index: number) => gobStruct(`T${index}`, {});
  const fields = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`F${index}`, one(index)]));
  const wide = gobStruct("Wide", fields(DEFINITIONS_MAX - 1));
  const wider = gobStruct("Wider", fields(DEFINITIONS_MAX));
  assert.ok(decodeGob(new GobEncoder().encode(wide, wide.zero()), NOTHING));
  assert.throws(() => decodeGob(new GobEncoder().encode(wider, wider.zero()), NOTHING), LimitError);
  const flat = (count: number) =>
    gobStruct(
      "Flat",
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`F${index}`, gobBool])),
    );
  assert.ok(decodeGob(new GobEncoder().encode(flat(FIELDS_MAX), flat(FIELDS_MAX).zero()), NOTHING));
  const many = flat(FIELDS_MAX + 1);
  assert.throws(() => decodeGob(new GobEncoder().encode(many, many.zero()), NOTHING), LimitError);
});

Deno.test("decodeGob() reads a type of many shared parts once, not once per path to it", () => {
  // 100 structs, each with two fields of the next: 2^100 paths.
  let deepest: AnyGobType = gobStruct("Leaf", {});
  for (let i = 0; i < 100; i++) deepest = gobStruct(`Node${i}`, { A: deepest, B: deepest });
  const definitions = new GobEncoder().definitions(deepest);
  const bytes = new Uint8Array([...definitions, 0x03, 0xff, 0x80, 0x00]);
  assert.deepEqual(decodeGob(bytes, NOTHING), {});
});

Deno.test("decodeGob() tells streams apart that start with the same definitions", () => {
  const first = body(struct("06"), "ff80 01 05 00");
  assert.deepEqual(decodeGob(first, ONE), { Value: 5 });
  assert.deepEqual(decodeGob(first, ONE), { Value: 5 });
  const longer = body(
    struct("06"),
    "ff81 03 01 02 ff82 00 01 01 01 0556616c7565 01 06 00 00 00",
    "ff82 01 07 00",
  );
  assert.deepEqual(decodeGob(longer, ONE), { Value: 7 });
  assert.throws(() => decodeGob(body(struct("06"), "ff82 01 07 00"), ONE), /65 is not defined/);
  assert.throws(() => decodeGob(body(struct("06"), "ff80 01 05"), ONE), MalformedError);
});

Deno.test("decodeGob() remembers definitions, but only the last few that a peer comes with", () => {
  let made = 0;
  const counted: typeof ONE = {
    ...ONE,
    reader(id, table) {
      made++;
      return ONE.reader(id, table);
    },
  };
  /** The same value under a type of another name: other definitions. */
  const named = (name: string) =>
    new GobEncoder().encode(gobStruct(name, { Value: gobUint(32) }), { Value: 5 });
  const read = (name: string) => assert.deepEqual(decodeGob(named(name), counted), { Value: 5 });
  for (let round = 0; round < 3; round++) read("Known");
  assert.equal(made, 1);
  for (let other = 0; other < 100; other++) read(`Other${other}`);
  assert.equal(made, 101);
  read("Other99");
  assert.equal(made, 101);
  read("Known"); // forgotten long ago
  assert.equal(made, 102);
});

Deno.test("decodeGob() keeps no view of the caller's bytes", () => {
  const type = gobStruct("Raw", { Raw: gobBytes });
  const bytes = new GobEncoder().encode(type, { Raw: Uint8Array.of(1, 2, 3) });
  const value = decodeGob(bytes, type);
  bytes.fill(0xff);
  assert.deepEqual(value.Raw, Uint8Array.of(1, 2, 3));
});

Deno.test("gobMarshaler() wraps what its reader refuses, and lets bugs through", () => {
  const refusing = (error: Error) =>
    gobMarshaler<string>({
      name: "Key",
      zero: "",
      read: () => {
        throw error;
      },
      write: () => Uint8Array.of(1),
    });
  const bytes = (type: GobType<string>) =>
    new GobEncoder().encode(gobStruct("", { Key: type }), { Key: "k" });
  const peer = refusing(new MalformedError("no point"));
  assert.throws(() => decodeGob(bytes(peer), gobStruct("", { Key: peer })), /Gob value is no Key/);
  const bug = refusing(new RangeError("bug"));
  assert.throws(() => decodeGob(bytes(bug), gobStruct("", { Key: bug })), RangeError);
  const bytesField = new GobEncoder().encode(gobStruct("", { Key: gobBytes }), { Key: Uint8Array.of(1) });
  assert.throws(() => decodeGob(bytesField, gobStruct("", { Key: peer })), /not a binary marshaler/);
});
