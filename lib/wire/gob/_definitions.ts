/**
 * The types that a gob stream defines about itself.
 *
 * A peer chooses ids and shapes freely, so nothing here is trusted: ids are defined once, shapes refer to known
 * ids and never, through whatever chain, to themselves.
 *
 * @module
 */
import { LimitError, MalformedError } from "../../base/mod.ts";
import type { GobCursor } from "./_cursor.ts";

/** Ids of the types that need no definition. */
export const BUILT_IN = { bool: 1, int: 2, uint: 3, float: 4, bytes: 5, text: 6, complex: 7 } as const;
/** Own types start here; everything below is the format's. */
export const OWN_ID_MIN = 64;

/** Definitions in one stream; the biggest known conversation needs about twenty. */
export const DEFINITIONS_MAX = 128;
/** Fields of one defined struct; the biggest known has nine. */
export const FIELDS_MAX = 128;

/** Which of Go's interfaces a type marshals itself by. */
export type MarshalerKind = "gob" | "binary" | "text";

/** A shape as defined by the writer of a stream. */
export type WireType =
  | { readonly kind: "array"; readonly name: string; readonly element: number; readonly length: number }
  | { readonly kind: "slice"; readonly name: string; readonly element: number }
  | { readonly kind: "struct"; readonly name: string; readonly fields: readonly WireField[] }
  | { readonly kind: "map"; readonly name: string; readonly key: number; readonly element: number }
  | { readonly kind: "marshaler"; readonly name: string; readonly marshaler: MarshalerKind };

export interface WireField {
  readonly name: string;
  readonly id: number;
}

/** Takes one value off a message. */
export type Reader<T> = (from: GobCursor) => T;

/** Definitions of one stream so far. */
export class TypeTable {
  readonly #types = new Map<number, WireType>();
  readonly #skippers = new Map<number, Reader<void>>();

  /** The definition of an own type, undefined for ids that are built in. Errors: `MalformedError` if unknown. */
  definition(id: number): WireType | undefined {
    const type = this.#types.get(id);
    if (type !== undefined) return type;
    if (id >= BUILT_IN.bool && id <= BUILT_IN.complex) return undefined;
    throw new MalformedError(`Gob type ${id} is not defined`);
  }

  /** Takes the definition of type `id` off the rest of a message. */
  define(id: number, from: GobCursor): void {
    if (id < OWN_ID_MIN) throw new MalformedError(`Gob type ${id} cannot be redefined`);
    if (this.#types.has(id)) throw new MalformedError(`Gob type ${id} is defined twice`);
    if (this.#types.size >= DEFINITIONS_MAX) {
      throw new LimitError(`Gob stream defines more than ${DEFINITIONS_MAX} types`);
    }
    this.#types.set(id, readWireType(from));
  }

  /** Reads over a value that nobody asked for, as strictly as if it were wanted. */
  skipper(id: number): Reader<void> {
    return this.#skipper(id, new Set());
  }

  #skipper(id: number, above: Set<number>): Reader<void> {
    const known = this.#skippers.get(id);
    if (known !== undefined) return known;
    if (above.has(id)) throw new MalformedError(`Gob type ${id} contains itself`);
    above.add(id);
    const skipper = this.#makeSkipper(id, above);
    above.delete(id);
    this.#skippers.set(id, skipper);
    return skipper;
  }

  #makeSkipper(id: number, above: Set<number>): Reader<void> {
    const type = this.definition(id);
    if (type === undefined) return skipBuiltIn(id);
    switch (type.kind) {
      case "marshaler":
        return skipBytes;
      case "slice":
        return skipList(this.#skipper(type.element, above), undefined);
      case "array":
        return skipList(this.#skipper(type.element, above), type.length);
      case "map":
        return skipMap(this.#skipper(type.key, above), this.#skipper(type.element, above));
      case "struct": {
        const fields = type.fields.map((field) => this.#skipper(field.id, above));
        return (from) => readFields(from, fields.length, (index) => fields[index]!(from));
      }
    }
  }
}

/** Walks the fields of a struct value: deltas of field numbers, a zero at the end. */
export function readFields(from: GobCursor, fieldCount: number, take: (index: number) => void): void {
  for (let index = -1;;) {
    const delta = from.uint();
    if (delta === 0) return;
    index += delta;
    if (index >= fieldCount) throw new MalformedError(`Gob struct has no field ${index}`);
    take(index);
  }
}

/** Reads the count of an array and holds it against its type. */
export function readArrayCount(from: GobCursor, length: number): void {
  const count = from.count();
  if (count !== length) throw new MalformedError(`Gob array of ${count} elements, its type says ${length}`);
}

function readWireType(from: GobCursor): WireType {
  let type: WireType | undefined;
  readFields(from, 7, (index) => {
    if (type !== undefined) throw new MalformedError("Gob definition describes two types");
    type = readShape(from, index);
  });
  if (type === undefined) throw new MalformedError("Gob definition describes no type");
  return type;
}

const MARSHALERS: readonly MarshalerKind[] = ["gob", "binary", "text"];

/** One of the seven members of a definition; the first field of each is its name and id. */
function readShape(from: GobCursor, shape: number): WireType {
  let name = "";
  const numbers = [0, 0];
  let fields: WireField[] = [];
  const fieldCounts = [3, 2, 2, 3, 1, 1, 1];
  readFields(from, fieldCounts[shape]!, (index) => {
    if (index === 0) name = readNamed(from).name;
    else if (shape === 2) fields = readWireFields(from);
    else numbers[index - 1] = from.int();
  });
  const [first, second] = numbers as [number, number];
  switch (shape) {
    case 0:
      if (second < 0) throw new MalformedError("Gob array has a negative length");
      return { kind: "array", name, element: first, length: second };
    case 1:
      return { kind: "slice", name, element: first };
    case 2:
      return { kind: "struct", name, fields };
    case 3:
      return { kind: "map", name, key: first, element: second };
    default:
      return { kind: "marshaler", name, marshaler: MARSHALERS[shape - 4]! };
  }
}

/** Name and id, the two fields of both a type's common part and a struct's field. */
function readNamed(from: GobCursor): WireField {
  let name = "";
  let id = 0;
  readFields(from, 2, (index) => {
    if (index === 0) name = from.text();
    else id = from.int();
  });
  return { name, id };
}

function readWireFields(from: GobCursor): WireField[] {
  const count = from.count();
  if (count > FIELDS_MAX) {
    throw new LimitError(`Gob struct of ${count} fields, at most ${FIELDS_MAX} are read`);
  }
  const fields: WireField[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const field = readNamed(from);
    if (names.has(field.name)) throw new MalformedError(`Gob struct has two fields ${field.name}`);
    names.add(field.name);
    fields.push(field);
  }
  return fields;
}

function skipBuiltIn(id: number): Reader<void> {
  switch (id) {
    case BUILT_IN.bool:
      return (from) => void from.bool();
    case BUILT_IN.bytes:
    case BUILT_IN.text:
      return skipBytes;
    case BUILT_IN.complex:
      return (from) => {
        from.bigUint();
        from.bigUint();
      };
    default:
      return (from) => void from.bigUint();
  }
}

function skipBytes(from: GobCursor): void {
  from.view();
}

function skipList(element: Reader<void>, length: number | undefined): Reader<void> {
  return (from) => {
    const count = from.count();
    if (length !== undefined && count !== length) {
      throw new MalformedError(`Gob array of ${count} elements, its type says ${length}`);
    }
    for (let i = 0; i < count; i++) element(from);
  };
}

function skipMap(key: Reader<void>, element: Reader<void>): Reader<void> {
  return (from) => {
    const count = from.count();
    for (let i = 0; i < count; i++) {
      key(from);
      element(from);
    }
  };
}
