/** Reading gob's primitives from one message. @module */
import { MalformedError } from "../../base/mod.ts";

const scratch = new DataView(new ArrayBuffer(8));
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** A position in bytes that moves forward only and never past `end`. */
export class GobCursor {
  constructor(readonly bytes: Uint8Array, public position = 0, public end = bytes.length) {}

  get remaining(): number {
    return this.end - this.position;
  }

  /** An unsigned integer up to 2^53 - 1: a length, a count, a number of a field, any small value. */
  uint(): number {
    const byteCount = this.#byteCount();
    if (byteCount === 0) return this.bytes[this.position - 1]!;
    let value = 0;
    for (let i = 0; i < byteCount; i++) value = value * 256 + this.bytes[this.position++]!;
    if (value > Number.MAX_SAFE_INTEGER) throw new MalformedError("Gob integer is too big");
    return value;
  }

  /** An unsigned integer of 64 bits. */
  bigUint(): bigint {
    const byteCount = this.#byteCount();
    if (byteCount === 0) return BigInt(this.bytes[this.position - 1]!);
    this.#fillScratch(byteCount);
    return scratch.getBigUint64(0);
  }

  /** A signed integer of 64 bits: the lowest bit is the sign, the others are the value or its complement. */
  bigInt(): bigint {
    const bits = this.bigUint();
    return (bits & 1n) === 0n ? bits >> 1n : ~(bits >> 1n);
  }

  /** A signed integer whose bits fit a number: an id, a length in a definition. */
  int(): number {
    const bits = this.uint();
    const half = Math.floor(bits / 2);
    return bits % 2 === 0 ? half : -half - 1;
  }

  /** A flag; gob writes it as the integer 0 or 1. */
  bool(): boolean {
    const value = this.uint();
    if (value > 1) throw new MalformedError(`Gob flag is 0 or 1, not ${value}`);
    return value === 1;
  }

  /** A float64: its 8 bytes in reversed order, as an unsigned integer. */
  float(): number {
    const byteCount = this.#byteCount();
    if (byteCount === 0) scratch.setBigUint64(0, BigInt(this.bytes[this.position - 1]!));
    else this.#fillScratch(byteCount);
    return scratch.getFloat64(0, true);
  }

  /** Length and bytes; a view of the message. */
  view(): Uint8Array {
    const length = this.uint();
    if (length > this.remaining) {
      throw new MalformedError(`Gob text or bytes of ${length}, but ${this.remaining} bytes are left`);
    }
    this.position += length;
    return this.bytes.subarray(this.position - length, this.position);
  }

  /** A text. Bytes that are no UTF-8 become U+FFFD: gob itself allows any. */
  text(): string {
    return utf8.decode(this.view());
  }

  /** A number of elements, each of at least one byte. */
  count(): number {
    const count = this.uint();
    if (count > this.remaining) {
      throw new MalformedError(`Gob list of ${count} elements, but ${this.remaining} bytes are left`);
    }
    return count;
  }

  /** Bytes of the integer that starts here, 0 when it was the one byte just taken. Refuses leading zeros. */
  #byteCount(): number {
    if (this.position >= this.end) throw new MalformedError("Gob message ends inside a value");
    const first = this.bytes[this.position++]!;
    if (first < 128) return 0;
    const byteCount = 256 - first;
    if (byteCount > 8) throw new MalformedError(`Gob integer of ${byteCount} bytes, at most 8 are allowed`);
    if (byteCount > this.remaining) throw new MalformedError("Gob message ends inside an integer");
    const leading = this.bytes[this.position]!;
    if (leading === 0 || (byteCount === 1 && leading < 128)) {
      throw new MalformedError("Gob integer is longer than its value needs");
    }
    return byteCount;
  }

  #fillScratch(byteCount: number): void {
    scratch.setBigUint64(0, 0n);
    for (let i = 8 - byteCount; i < 8; i++) scratch.setUint8(i, this.bytes[this.position++]!);
  }
}
