/**
 * Damaged copies of good inputs: cut, flipped, overwritten, with pieces inserted, removed, repeated, or taken from
 * another good input. Built from fast-check's arbitraries, so that a finding shrinks to few changes.
 *
 * @module
 */
import fc from "fast-check";

/** Longest mutant, so that repeats do not multiply without end. */
export const MUTANT_BYTES_MAX = 96 * 1024;

/** Bytes at which decoders turn: signs, lengths, borders of ASCII, line ends. */
const ODD_BYTES = [0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe, 0x0a, 0x0d, 0x20, 0x30];

/** A place or length in an input whose size is not known yet: taken modulo what there is. */
const place = fc.nat(0xffff_ffff);

/** One change. */
const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("flip" as const), at: place, bit: fc.nat(7) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("set" as const),
      at: place,
      byte: fc.constantFrom(...ODD_BYTES),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cut" as const), at: place }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("remove" as const), at: place, length: fc.nat(16) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("insert" as const),
      at: place,
      bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("repeat" as const),
      at: place,
      length: fc.integer({ min: 1, max: 64 }),
      times: fc.integer({ min: 1, max: 200 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("splice" as const),
      at: place,
      other: place,
      from: place,
      length: place,
    }),
  },
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** Mutants of `seeds`; now and then a seed as it is, or bytes out of nothing. */
export function byteMutants(seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  return fc.oneof(
    {
      weight: 12,
      arbitrary: fc.tuple(fc.nat(seeds.length - 1), fc.array(change, { minLength: 1, maxLength: 4 })).map(
        ([index, changes]) =>
          changes.reduce((bytes, each) => applied(bytes, each, seeds), seeds[index]!.slice()),
      ),
    },
    { weight: 1, arbitrary: fc.nat(seeds.length - 1).map((index) => seeds[index]!.slice()) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => bytes.slice()) },
  );
}

/** The same of texts; a mutant that is no UTF-8 has U+FFFD in it, as a file would when it is read. */
export function textMutants(seeds: readonly string[]): fc.Arbitrary<string> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  return byteMutants(seeds.map((seed) => encoder.encode(seed))).map((bytes) => decoder.decode(bytes));
}

/** What nobody expects where something else stood. */
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  1e308,
  65_536,
  "",
  " ",
  "0",
  "\u0000",
  "\ud800",
  "__proto__",
  "x".repeat(5_000),
  [],
  [null],
  [[]],
  {},
  { a: {} },
  Array.from({ length: 300 }, () => 0),
];

/** JSON documents with members replaced, removed, doubled and renamed; a third are damaged as texts besides. */
export function jsonMutants(seeds: readonly string[]): fc.Arbitrary<string> {
  const parsed = seeds.flatMap((seed) => {
    try {
      return [JSON.parse(seed) as unknown];
    } catch {
      return []; // a seed that is no JSON has its turn as text
    }
  });
  const edit = fc.record({
    at: place,
    kind: fc.constantFrom("replace", "replace", "remove", "rename", "wrap", "copy"),
    value: fc.constantFrom(...ODD_VALUES),
    from: place,
  });
  const structural = fc.tuple(fc.nat(parsed.length - 1), fc.array(edit, { minLength: 1, maxLength: 3 })).map(
    ([index, edits]) => {
      const document = { root: structuredClone(parsed[index]) };
      for (const { at, kind, value, from } of edits) {
        const places = placesOf(document);
        const { owner, key } = places[at % places.length]!;
        if (kind === "replace") owner[key] = structuredClone(value);
        else if (kind === "wrap") owner[key] = [owner[key]];
        else if (kind === "copy") {
          const other = places[from % places.length]!;
          owner[key] = structuredClone(other.owner[other.key]);
        } else if (owner !== document) {
          if (kind === "rename") owner[`${key}x`] = owner[key];
          delete owner[key];
        }
      }
      return JSON.stringify(document.root) ?? "null";
    },
  );
  return fc.oneof({ weight: 2, arbitrary: structural }, { weight: 1, arbitrary: textMutants(seeds) });
}

interface Place {
  readonly owner: Record<string, unknown>;
  readonly key: string;
}

/** Every place of a document where a value stands. */
function placesOf(document: object): Place[] {
  const places: Place[] = [];
  const left: object[] = [document];
  while (left.length > 0 && places.length < 2_000) {
    const owner = left.pop() as Record<string, unknown>;
    for (const [key, value] of Object.entries(owner)) {
      places.push({ owner, key });
      if (typeof value === "object" && value !== null) left.push(value);
    }
  }
  return places;
}

function applied(
  bytes: Uint8Array<ArrayBuffer>,
  change: Change,
  seeds: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const at = change.at % (bytes.length + 1);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (change.kind) {
    case "flip":
      if (at < bytes.length) bytes[at]! ^= 1 << change.bit;
      return bytes;
    case "set":
      if (at < bytes.length) bytes[at] = change.byte;
      return bytes;
    case "cut":
      return before.slice();
    case "remove":
      return joined([before, after.subarray(change.length)]);
    case "insert":
      return joined([before, change.bytes, after]);
    case "repeat": {
      const piece = after.subarray(0, change.length);
      return joined([before, ...Array.from({ length: change.times }, () => piece), after]);
    }
    case "splice": {
      const other = seeds[change.other % seeds.length]!;
      const piece = other.subarray(change.from % (other.length + 1));
      return joined([before, piece.subarray(0, change.length % (piece.length + 1)), after]);
    }
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = Math.min(MUTANT_BYTES_MAX, pieces.reduce((sum, piece) => sum + piece.length, 0));
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    const part = piece.subarray(0, length - offset);
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}
