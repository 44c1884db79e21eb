/**
 * `ByteReader` and `ByteWriter`: the fields of a message that is whole in memory, big endian.
 *
 * Pure. Reading is total: any byte string gives the fields or a `MalformedError`, and no length that a peer
 * wrote is allocated. For bytes that are still to come see {@link import("./reader.ts").ConnReader}.
 *
 * @module
 */
import { MalformedError } from "../base/mod.ts";

/** Takes fields from the front of `bytes`. Nothing is copied: the bytes must not change meanwhile. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #offset = 0;

  /** `what` names the message in errors: `Route packet`. */
  constructor(bytes: Uint8Array, what = "Message") {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  /** Bytes taken so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes not taken yet. */
  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  /** The next `length` bytes, as a view. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Everything that is left, as a view; may be empty. */
  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  /** Called after the last field: more bytes than the message has are refused. */
  end(): void {
    if (this.remaining > 0) {
      throw new MalformedError(`${this.#what} has ${this.remaining} bytes too many at ${this.#offset}`);
    }
  }

  #take(length: number): number {
    if (!Number.isSafeInteger(length) || length < 0) throw new RangeError(`Cannot read ${length} bytes`);
    if (length > this.remaining) {
      throw new MalformedError(
        `${this.#what} is too short: ${length} bytes wanted at ${this.#offset}, ${this.remaining} left`,
      );
    }
    const start = this.#offset;
    this.#offset += length;
    return start;
  }
}

/** What a writer starts with, unless told: most messages of the protocols fit. */
const FIRST_BYTES = 256;

/**
 * Puts fields behind each other and grows as needed. A value that does not fit its field is the caller's bug:
 * `RangeError`, and nothing is written.
 */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(firstBytes: number = FIRST_BYTES) {
    this.#bytes = new Uint8Array(firstBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    checkUnsigned(value, 0xff);
    const start = this.#extend(1);
    this.#view.setUint8(start, value);
    return this;
  }

  u16(value: number): this {
    checkUnsigned(value, 0xffff);
    const start = this.#extend(2);
    this.#view.setUint16(start, value);
    return this;
  }

  u32(value: number): this {
    checkUnsigned(value, 0xffff_ffff);
    const start = this.#extend(4);
    this.#view.setUint32(start, value);
    return this;
  }

  u64(value: bigint): this {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError(`${value} does not fit 64 bits`);
    const start = this.#extend(8);
    this.#view.setBigUint64(start, value);
    return this;
  }

  /** Copies `bytes`. */
  bytes(bytes: Uint8Array): this {
    const start = this.#extend(bytes.length); // may replace the buffer
    this.#bytes.set(bytes, start);
    return this;
  }

  /** The message so far, as a copy that nobody else holds. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #extend(bytes: number): number {
    const start = this.#length;
    const needed = start + bytes;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, start));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return start;
  }
}

function checkUnsigned(value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`${value} is no whole number from 0 to ${max}`);
  }
}
