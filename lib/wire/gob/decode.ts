/**
 * Reading gob: whole bodies with one value, or streams of many messages.
 *
 *     stream = ( [ length ][ int -id ][ definition ] )*  [ length ][ int id ][ value ]  …
 *
 * @module
 */
import { LimitError, MalformedError } from "../../base/mod.ts";
import { GobCursor } from "./_cursor.ts";
import { type Reader, TypeTable } from "./_definitions.ts";
import type { AnyGobType, GobType } from "./types.ts";

/** Longest single message of a stream (routing.md 9.2 finds 1 MiB plenty). */
export const MESSAGE_BYTES_MAX = 1024 * 1024;

/**
 * One direction of a gob conversation: definitions are remembered, values are read as they come.
 *
 * Not for single bodies: `decodeGob` is faster there.
 */
export class GobDecoder {
  readonly #table = new TypeTable();
  readonly #readers = new WeakMap<AnyGobType, Map<number, Reader<unknown>>>();

  /**
   * Takes the payload of one message, without its length. True when it holds a value, which `value` then reads;
   * false when it was a definition. Errors: `MalformedError`, `LimitError`.
   */
  accept(payload: Uint8Array): boolean {
    if (payload.length > MESSAGE_BYTES_MAX) throw new LimitError("Gob message is longer than 1 MiB");
    const from = new GobCursor(payload);
    const id = from.int();
    if (id >= 0) return true;
    this.#table.define(-id, from);
    expectEnd(from);
    return false;
  }

  /** Reads the value in `payload`, for which `accept` was true, as `type`. Errors: `MalformedError`. */
  value<T>(payload: Uint8Array, type: GobType<T>): T {
    const from = new GobCursor(payload);
    const id = from.int();
    const value = valueReader(this.#reader(id, type), type)(from);
    expectEnd(from);
    return value;
  }

  /** Reads over the value in `payload`, as strictly as if it were wanted. */
  skip(payload: Uint8Array): void {
    const from = new GobCursor(payload);
    const id = from.int();
    const skip = this.#table.skipper(id);
    if (this.#table.definition(id)?.kind !== "struct") expectZero(from);
    skip(from);
    expectEnd(from);
  }

  #reader<T>(id: number, type: GobType<T>): Reader<T> {
    let readers = this.#readers.get(type);
    if (readers === undefined) this.#readers.set(type, readers = new Map());
    const known = readers.get(id);
    if (known !== undefined) return known as Reader<T>;
    const reader = type.reader(id, this.#table);
    readers.set(id, reader);
    return reader;
  }
}

/**
 * Reads a body: definitions, then one value of `type`. Bytes after the value are ignored, as Go does.
 * Errors: `MalformedError`, `LimitError`.
 */
export function decodeGob<T>(body: Uint8Array, type: GobType<T>): T {
  const prefixes = knownPrefixes(type);
  for (const known of prefixes) {
    if (!startsWith(body, known.prefix)) continue;
    const message = openMessage(new GobCursor(body, known.prefix.length));
    if (message.int() !== known.id) break; // more definitions follow, or a value of another type
    const value = known.read(message);
    expectEnd(message);
    return value;
  }
  return decodeAnew(body, type, prefixes);
}

function decodeAnew<T>(body: Uint8Array, type: GobType<T>, prefixes: KnownPrefix<T>[]): T {
  const table = new TypeTable();
  const stream = new GobCursor(body);
  for (;;) {
    const start = stream.position;
    const message = openMessage(stream);
    const id = message.int();
    if (id < 0) {
      table.define(-id, message);
      expectEnd(message);
      stream.position = message.end;
      continue;
    }
    const read = valueReader(type.reader(id, table), type);
    const value = read(message);
    expectEnd(message);
    if (start <= PREFIX_BYTES_MAX) remember(prefixes, { prefix: body.slice(0, start), id, read });
    return value;
  }
}

/** The message at the cursor, as a cursor of its own. */
function openMessage(stream: GobCursor): GobCursor {
  const length = stream.uint();
  if (length > stream.remaining) {
    throw new MalformedError(`Gob message of ${length} bytes, but ${stream.remaining} are left`);
  }
  return new GobCursor(stream.bytes, stream.position, stream.position + length);
}

/** Values other than structs have a zero byte in front when they stand alone in a message. */
function valueReader<T>(read: Reader<T>, type: GobType<T>): Reader<T> {
  if (type.definition.kind === "struct") return read;
  return (from) => {
    expectZero(from);
    return read(from);
  };
}

function expectZero(from: GobCursor): void {
  if (from.uint() !== 0) throw new MalformedError("Gob value that is no struct lacks its zero byte");
}

function expectEnd(from: GobCursor): void {
  if (from.remaining !== 0) throw new MalformedError(`Gob message has ${from.remaining} bytes too many`);
}

// Peers of one program version define their types with the same bytes every time, and reading those costs more
// than reading the value. So definitions that led to a good value are remembered, a few per type.

/** Remembered definitions per type: three generations of programs, and some whose ids differ. */
const PREFIXES_MAX = 8;
/** Definitions longer than this are read anew each time; known ones are at most 170 bytes. */
const PREFIX_BYTES_MAX = 512;

interface KnownPrefix<T> {
  readonly prefix: Uint8Array;
  readonly id: number;
  readonly read: Reader<T>;
}

const prefixesByType = new WeakMap<AnyGobType, KnownPrefix<unknown>[]>();

function knownPrefixes<T>(type: GobType<T>): KnownPrefix<T>[] {
  let prefixes = prefixesByType.get(type);
  if (prefixes === undefined) prefixesByType.set(type, prefixes = []);
  return prefixes as KnownPrefix<T>[];
}

function remember<T>(prefixes: KnownPrefix<T>[], prefix: KnownPrefix<T>): void {
  if (prefixes.length >= PREFIXES_MAX) prefixes.shift();
  prefixes.push(prefix);
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}
