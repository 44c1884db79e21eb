/**
 * Writing gob: each type is defined once per stream, before the first value that needs it.
 *
 * @module
 */
import { OWN_ID_MIN } from "./_definitions.ts";
import { GobWriter } from "./_writer.ts";
import type { AnyGobType, GobType } from "./types.ts";

/** Fixed numbers for types; the others are numbered from 64 in the order of their definition. */
export type GobIds = ReadonlyMap<AnyGobType, number>;

/** One direction of a gob conversation. */
export class GobEncoder {
  readonly #ids = new Map<AnyGobType, number>();
  readonly #fixed: GobIds;
  #nextId = OWN_ID_MIN;

  constructor(fixed: GobIds = new Map()) {
    this.#fixed = fixed;
  }

  /** Definitions that the peer does not have yet, then the value; ready to be sent as it is. */
  encode<T>(type: GobType<T>, value: T): Uint8Array<ArrayBuffer> {
    const to = new GobWriter();
    this.#define(type, to);
    writeValue(to, this.#id(type), type, value, new GobWriter());
    return to.view().slice();
  }

  /** Definitions of `type` and of everything in it, outermost first, unless they were written before. */
  definitions(type: AnyGobType): Uint8Array<ArrayBuffer> {
    const to = new GobWriter();
    this.#define(type, to);
    return to.view().slice();
  }

  /** Nothing for a type that is built in, or defined before. */
  #define(type: AnyGobType, to: GobWriter): void {
    const { definition } = type;
    if (definition.kind === "built-in" || this.#ids.has(type)) return;
    const id = this.#fixed.get(type) ?? this.#nextId++;
    this.#ids.set(type, id);
    const parts = partsOf(type);
    // The numbers of the parts are needed before their definitions are written.
    const inner = new GobWriter();
    for (const part of parts) this.#define(part, inner);
    const message = new GobWriter();
    message.int(-id);
    this.#writeDefinition(message, type, id);
    to.bytes(message.view());
    to.raw(inner.view());
  }

  #writeDefinition(to: GobWriter, { definition }: AnyGobType, id: number): void {
    switch (definition.kind) {
      case "built-in":
        return;
      case "array":
        openShape(to, 0, definition.name, id);
        to.uint(1);
        to.int(this.#id(definition.element));
        if (definition.length > 0) {
          to.uint(1);
          to.int(definition.length);
        }
        break;
      case "slice":
        openShape(to, 1, definition.name, id);
        to.uint(1);
        to.int(this.#id(definition.element));
        break;
      case "struct":
        openShape(to, 2, definition.name, id);
        if (definition.fields.length > 0) {
          to.uint(1);
          to.uint(definition.fields.length);
          for (const [name, type] of definition.fields) writeNamed(to, name, this.#id(type));
        }
        break;
      case "map":
        openShape(to, 3, definition.name, id);
        to.uint(1);
        to.int(this.#id(definition.key));
        to.uint(1);
        to.int(this.#id(definition.element));
        break;
      case "marshaler":
        openShape(to, MARSHALER_SHAPES[definition.marshaler], definition.name, id);
    }
    to.uint(0);
    to.uint(0);
  }

  #id(type: AnyGobType): number {
    return type.definition.kind === "built-in" ? type.definition.id : this.#ids.get(type)!;
  }
}

/**
 * A writer of bodies that hold one value each: definitions are made once, with fixed numbers, so that a body costs
 * only its value.
 */
export function gobBodyWriter<T>(type: GobType<T>, ids: GobIds): (value: T) => Uint8Array<ArrayBuffer> {
  const definitions = new GobEncoder(ids).definitions(type);
  const id = type.definition.kind === "built-in" ? type.definition.id : ids.get(type) ?? OWN_ID_MIN;
  const [message, scratch] = [new GobWriter(2048), new GobWriter(2048)];
  return (value) => {
    message.reset();
    message.raw(definitions);
    writeValue(message, id, type, value, scratch);
    return message.view().slice();
  };
}

/** Shape numbers of types that marshal themselves. */
const MARSHALER_SHAPES = { gob: 4, binary: 5, text: 6 } as const;

function writeValue<T>(to: GobWriter, id: number, type: GobType<T>, value: T, scratch: GobWriter): void {
  scratch.reset();
  scratch.int(id);
  if (type.definition.kind !== "struct") scratch.uint(0);
  type.write(scratch, value);
  to.bytes(scratch.view());
}

function openShape(to: GobWriter, shape: number, name: string, id: number): void {
  to.uint(shape + 1);
  to.uint(1);
  writeNamed(to, name, id);
}

/** A struct of a name and an id; an empty name is left out. */
function writeNamed(to: GobWriter, name: string, id: number): void {
  if (name !== "") {
    to.uint(1);
    to.text(name);
  }
  to.uint(name === "" ? 2 : 1);
  to.int(id);
  to.uint(0);
}

/** What a type is made of, in the order of its definition. */
function partsOf({ definition }: AnyGobType): AnyGobType[] {
  switch (definition.kind) {
    case "struct":
      return definition.fields.map(([, type]) => type);
    case "map":
      return [definition.key, definition.element];
    case "array":
    case "slice":
      return [definition.element];
    default:
      return [];
  }
}
