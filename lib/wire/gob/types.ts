/**
 * What we want to read and write, as values: `gobStruct("Addr", { PK: key, Port: gobUint(16) })`.
 *
 * Each describes one Go type by kind, range and field names. Reading holds it against the type that the stream
 * defines: kinds agree, fields match by name, unknown fields are read over, missing ones are zero.
 *
 * @module
 */
import { MalformedError, SkyError } from "../../base/mod.ts";
import {
  BUILT_IN,
  type MarshalerKind,
  readArrayCount,
  type Reader,
  readFields,
  type TypeTable,
} from "./_definitions.ts";
import type { GobWriter } from "./_writer.ts";

/** How a type describes itself to a reader. */
export type GobDefinition =
  | { readonly kind: "built-in"; readonly id: number }
  | { readonly kind: "array"; readonly name: string; readonly element: AnyGobType; readonly length: number }
  | { readonly kind: "slice"; readonly name: string; readonly element: AnyGobType }
  | { readonly kind: "map"; readonly name: string; readonly key: AnyGobType; readonly element: AnyGobType }
  | {
    readonly kind: "struct";
    readonly name: string;
    readonly fields: readonly (readonly [string, AnyGobType])[];
  }
  | { readonly kind: "marshaler"; readonly name: string; readonly marshaler: MarshalerKind };

/** A Go type that values of `T` stand for. */
export interface GobType<T> {
  /** What a reader of our streams is told. */
  readonly definition: GobDefinition;
  /** What a missing field means. */
  zero(): T;
  /** True when a struct leaves the field out; arrays and structs are written always. */
  isOmitted(value: T): boolean;
  /** Puts the value behind what was written, without its field number. */
  write(to: GobWriter, value: T): void;
  /** How to read wire type `id` as this. Errors: `MalformedError` when the kinds do not agree. */
  reader(id: number, table: TypeTable): Reader<T>;
}

/** A type of whatever values. */
// deno-lint-ignore no-explicit-any
export type AnyGobType = GobType<any>;
/** The values that a type stands for. */
export type GobValue<G extends AnyGobType> = G extends GobType<infer T> ? T : never;

/** bool */
export const gobBool: GobType<boolean> = builtIn(BUILT_IN.bool, {
  zero: () => false,
  isOmitted: (value) => !value,
  write: (to, value) => to.uint(value ? 1 : 0),
  read: (from) => from.bool(),
});

/** int64, for instance a time or a duration in nanoseconds */
export const gobInt64: GobType<bigint> = builtIn(BUILT_IN.int, {
  zero: () => 0n,
  isOmitted: (value) => value === 0n,
  write: (to, value) => to.bigInt(value),
  read: (from) => from.bigInt(),
});

/** uint64 */
export const gobUint64: GobType<bigint> = builtIn(BUILT_IN.uint, {
  zero: () => 0n,
  isOmitted: (value) => value === 0n,
  write: (to, value) => to.bigUint(value),
  read: (from) => from.bigUint(),
});

/** float64 */
export const gobFloat: GobType<number> = builtIn(BUILT_IN.float, {
  zero: () => 0,
  isOmitted: (value) => value === 0,
  write: (to, value) => to.float(value),
  read: (from) => from.float(),
});

/** string */
export const gobText: GobType<string> = builtIn(BUILT_IN.text, {
  zero: () => "",
  isOmitted: (value) => value === "",
  write: (to, value) => to.text(value),
  read: (from) => from.text(),
});

const NO_BYTES = new Uint8Array();

/** []byte; what is read is a copy */
export const gobBytes: GobType<Uint8Array> = builtIn(BUILT_IN.bytes, {
  zero: () => NO_BYTES,
  isOmitted: (value) => value.length === 0,
  write: (to, value) => to.bytes(value),
  read: (from) => from.view().slice(),
});

/** uint8, uint16 or uint32; a bigger value on the wire is refused */
export function gobUint(bits: 8 | 16 | 32): GobType<number> {
  const most = 2 ** bits - 1;
  return builtIn(BUILT_IN.uint, {
    zero: () => 0,
    isOmitted: (value) => value === 0,
    write: (to, value) => to.uint(value),
    read: (from) => {
      const value = from.uint();
      if (value > most) throw new MalformedError(`Gob value ${value} does not fit ${bits} bits`);
      return value;
    },
  });
}

/** int8, int16 or int32; a value on the wire that does not fit is refused */
export function gobInt(bits: 8 | 16 | 32): GobType<number> {
  const most = 2 ** (bits - 1) - 1;
  return builtIn(BUILT_IN.int, {
    zero: () => 0,
    isOmitted: (value) => value === 0,
    write: (to, value) => to.int(value),
    read: (from) => {
      const value = from.int();
      if (value > most || value < -most - 1) {
        throw new MalformedError(`Gob value ${value} does not fit ${bits} bits`);
      }
      return value;
    },
  });
}

/** [length]uint8: on the wire each byte is an integer of its own */
export function gobByteArray(name: string, length: number): GobType<Uint8Array> {
  return {
    definition: { kind: "array", name, element: gobUint64, length },
    zero: () => new Uint8Array(length),
    isOmitted: () => false,
    write(to, value) {
      if (value.length !== length) throw new RangeError(`${name} is ${length} bytes, not ${value.length}`);
      to.uint(length);
      for (let i = 0; i < length; i++) to.uint(value[i]!);
    },
    reader(id, table) {
      const type = table.definition(id);
      if (type?.kind !== "array" || type.element !== BUILT_IN.uint || type.length !== length) {
        throw mismatch(id, `an array of ${length} bytes`);
      }
      return (from) => {
        readArrayCount(from, length);
        const bytes = new Uint8Array(length);
        for (let i = 0; i < length; i++) {
          const byte = from.uint();
          if (byte > 255) throw new MalformedError(`Gob value ${byte} does not fit 8 bits`);
          bytes[i] = byte;
        }
        return bytes;
      };
    },
  };
}

/** A slice. `name` is empty for a whole argument or reply, and Go's text of the type, `[]pkg.Type`, in a field. */
export function gobSlice<T>(name: string, element: GobType<T>): GobType<readonly T[]> {
  return {
    definition: { kind: "slice", name, element },
    zero: () => [],
    isOmitted: (value) => value.length === 0,
    write(to, value) {
      to.uint(value.length);
      for (const item of value) element.write(to, item);
    },
    reader(id, table) {
      const type = table.definition(id);
      if (type?.kind !== "slice") throw mismatch(id, "a slice");
      const read = element.reader(type.element, table);
      return (from) => {
        const count = from.count();
        const items: T[] = [];
        for (let i = 0; i < count; i++) items.push(read(from));
        return items;
      };
    },
  };
}

/** A map. */
export function gobMap<K, V>(name: string, key: GobType<K>, element: GobType<V>): GobType<ReadonlyMap<K, V>> {
  return {
    definition: { kind: "map", name, key, element },
    zero: () => new Map(),
    isOmitted: (value) => value.size === 0,
    write(to, value) {
      to.uint(value.size);
      for (const [itemKey, item] of value) {
        key.write(to, itemKey);
        element.write(to, item);
      }
    },
    reader(id, table) {
      const type = table.definition(id);
      if (type?.kind !== "map") throw mismatch(id, "a map");
      const readKey = key.reader(type.key, table);
      const readElement = element.reader(type.element, table);
      return (from) => {
        const count = from.count();
        const items = new Map<K, V>();
        for (let i = 0; i < count; i++) items.set(readKey(from), readElement(from));
        return items;
      };
    },
  };
}

/**
 * A type that marshals itself to bytes, such as a public key. `read` gets a view and throws a SkyError for what
 * it refuses; `zero` is what a missing field means, and what is left out.
 */
export function gobMarshaler<T>(
  { name, marshaler = "binary", zero, read, write }: {
    readonly name: string;
    readonly marshaler?: MarshalerKind;
    readonly zero: T;
    readonly read: (bytes: Uint8Array) => T;
    readonly write: (value: T) => Uint8Array;
  },
): GobType<T> {
  return {
    definition: { kind: "marshaler", name, marshaler },
    zero: () => zero,
    isOmitted: (value) => value === zero,
    write: (to, value) => to.bytes(write(value)),
    reader(id, table) {
      const type = table.definition(id);
      if (type?.kind !== "marshaler" || type.marshaler !== marshaler) {
        throw mismatch(id, `a ${marshaler} marshaler`);
      }
      return (from) => {
        const view = from.view();
        try {
          return read(view);
        } catch (cause) {
          if (cause instanceof SkyError) throw new MalformedError(`Gob value is no ${name}`, { cause });
          throw cause;
        }
      };
    },
  };
}

/** Fields of a struct by name, in Go's order. */
export type GobFields = { readonly [field: string]: AnyGobType };
/** A struct's value: one property per field, by Go's name. */
export type GobStructValue<F extends GobFields> = { -readonly [name in keyof F]: GobValue<F[name]> };

/** A struct, with its fields in Go's order. */
export function gobStruct<F extends GobFields>(name: string, fields: F): GobType<GobStructValue<F>> {
  const entries = Object.entries(fields);
  function zero(): GobStructValue<F> {
    const value: Record<string, unknown> = {};
    for (const [field, type] of entries) value[field] = type.zero();
    return value as GobStructValue<F>;
  }
  return {
    definition: { kind: "struct", name, fields: entries },
    zero,
    isOmitted: () => false,
    write(to, value) {
      let last = -1;
      for (let index = 0; index < entries.length; index++) {
        const [field, type] = entries[index]!;
        const item = value[field];
        if (type.isOmitted(item)) continue;
        to.uint(index - last);
        type.write(to, item);
        last = index;
      }
      to.uint(0);
    },
    reader(id, table) {
      const definition = table.definition(id);
      if (definition?.kind !== "struct") throw mismatch(id, "a struct");
      const readers = definition.fields.map(({ name: field, id: fieldId }) => {
        if (!Object.hasOwn(fields, field)) return { field: undefined, read: table.skipper(fieldId) };
        return { field, read: fields[field]!.reader(fieldId, table) };
      });
      return (from) => {
        const value: Record<string, unknown> = zero();
        readFields(from, readers.length, (index) => {
          const { field, read } = readers[index]!;
          const item = read(from);
          if (field !== undefined) value[field] = item;
        });
        return value as GobStructValue<F>;
      };
    },
  };
}

function builtIn<T>(
  id: number,
  { zero, isOmitted, write, read }: Pick<GobType<T>, "zero" | "isOmitted" | "write"> & { read: Reader<T> },
): GobType<T> {
  return {
    definition: { kind: "built-in", id },
    zero,
    isOmitted,
    write,
    reader(wireId, table) {
      if (wireId !== id) {
        table.definition(wireId); // an unknown type says so
        throw mismatch(wireId, BUILT_IN_NAMES[id]!);
      }
      return read;
    },
  };
}

const BUILT_IN_NAMES: readonly string[] = ["", "a bool", "an int", "a uint", "a float", "bytes", "a string"];

function mismatch(id: number, wanted: string): MalformedError {
  return new MalformedError(`Gob type ${id} is not ${wanted}`);
}
