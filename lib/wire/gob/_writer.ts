/** Writing gob's primitives. @module */

const scratch = new DataView(new ArrayBuffer(8));
const utf8 = new TextEncoder();

/** Bytes that grow as they are written. */
export class GobWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written, as a view; writing on may leave it behind. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Starts anew; views taken before are overwritten. */
  reset(): void {
    this.#length = 0;
  }

  /** Bytes as they are, without a length. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** An unsigned integer up to 2^53 - 1. */
  uint(value: number): void {
    this.#reserve(9);
    if (value < 128) {
      this.#bytes[this.#length++] = value;
      return;
    }
    let byteCount = 1;
    for (let rest = Math.floor(value / 256); rest > 0; rest = Math.floor(rest / 256)) byteCount++;
    this.#bytes[this.#length++] = 256 - byteCount;
    let rest = value;
    for (let i = byteCount - 1; i >= 0; i--) {
      this.#bytes[this.#length + i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.#length += byteCount;
  }

  /** An unsigned integer of 64 bits. */
  bigUint(value: bigint): void {
    scratch.setBigUint64(0, value);
    this.#scratch();
  }

  /** A signed integer of 64 bits. */
  bigInt(value: bigint): void {
    this.bigUint(value >= 0n ? value << 1n : (~value << 1n) | 1n);
  }

  /** A signed integer up to 2^52. */
  int(value: number): void {
    this.uint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  float(value: number): void {
    scratch.setFloat64(0, value, true);
    this.#scratch();
  }

  /** Length and bytes. */
  bytes(bytes: Uint8Array): void {
    this.uint(bytes.length);
    this.raw(bytes);
  }

  /** Length and UTF-8. */
  text(text: string): void {
    this.bytes(utf8.encode(text));
  }

  /** The integer in the scratch bytes, without its leading zeros. */
  #scratch(): void {
    this.#reserve(9);
    let first = 0;
    while (first < 7 && scratch.getUint8(first) === 0) first++;
    if (first === 7 && scratch.getUint8(7) < 128) {
      this.#bytes[this.#length++] = scratch.getUint8(7);
      return;
    }
    this.#bytes[this.#length++] = 256 - (8 - first);
    for (let i = first; i < 8; i++) this.#bytes[this.#length++] = scratch.getUint8(i);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.view());
    this.#bytes = grown;
  }
}
