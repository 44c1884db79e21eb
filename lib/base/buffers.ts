/**
 * Byte buffers that are reused: a small pool, and the receive buffer of everything that demultiplexes.
 *
 * @module
 */

/** Sizes that are pooled. Anything larger than the last one is allocated and dropped. */
const CLASS_BYTES = [4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024] as const;
/** Free buffers kept per class: at most 32 x 340 KiB = 10.6 MiB in all. */
const FREE_MAX = 32;

const free: Uint8Array[][] = CLASS_BYTES.map(() => []);

/** A buffer of at least `bytes`; its content is arbitrary. Give it back with {@link giveBuffer} or drop it. */
export function takeBuffer(bytes: number): Uint8Array {
  for (let index = 0; index < CLASS_BYTES.length; index++) {
    const size = CLASS_BYTES[index]!;
    if (bytes <= size) return free[index]!.pop() ?? new Uint8Array(size);
  }
  return new Uint8Array(bytes);
}

/** Returns a whole buffer of {@link takeBuffer}, once. Nobody may hold a view of it any more; a view is dropped. */
export function giveBuffer(buffer: Uint8Array): void {
  const index = CLASS_BYTES.indexOf(buffer.length as (typeof CLASS_BYTES)[number]);
  const isWhole = buffer.length === buffer.buffer.byteLength; // a view would share, and pin, what it is a part of
  if (index >= 0 && isWhole && free[index]!.length < FREE_MAX) free[index]!.push(buffer);
}

const EMPTY = new Uint8Array(0);
/** A receive buffer that holds more goes on in further pieces of the pool's largest size: nothing is copied twice. */
const PIECE_BYTES_MAX = 256 * 1024;

/** A buffer that is full: bytes from `from` to `end` are not taken yet. */
interface Piece {
  readonly bytes: Uint8Array;
  from: number;
  readonly end: number;
}

/**
 * Bytes between a demultiplexer that copies them in and a reader that takes views out.
 *
 * Two buffers change places: while the reader holds a view of one, new bytes go into the other. Holds no
 * memory while empty and unread. The bound is the caller's: it appends no more than its window allows.
 */
export class ReceiveBuffer {
  #filling: Uint8Array = EMPTY;
  #filled = 0;
  #taken = 0; // of the filling buffer, when a take was limited
  #lent: Uint8Array = EMPTY;
  #pieces: Piece[] | undefined; // in front of the filling one, oldest first; made on first need
  #piecesBytes = 0;

  /** Bytes that can be taken now. */
  get size(): number {
    return this.#piecesBytes + this.#filled - this.#taken;
  }

  /** Copies `bytes` in. */
  append(bytes: Uint8Array): void {
    const needed = this.#filled + bytes.length;
    if (needed > this.#filling.length) {
      if (needed - this.#taken > PIECE_BYTES_MAX) return this.#appendInPieces(bytes);
      this.#makeRoom(bytes.length);
    }
    this.#filling.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  /**
   * What is there, up to `bytesMax`, or the first piece of it; valid until the next take. Empty when there is
   * nothing.
   */
  take(bytesMax: number): Uint8Array {
    if (this.#piecesBytes > 0) return this.#takePiece(bytesMax);
    const lent = this.#lent; // the reader asks again, so it is done with this one
    if (this.size === 0) {
      this.#lent = EMPTY;
      giveBuffer(lent);
      giveBuffer(this.#filling);
      this.#filling = EMPTY;
      this.#filled = this.#taken = 0;
      return EMPTY;
    }
    if (this.size > bytesMax) {
      const view = this.#filling.subarray(this.#taken, this.#taken + bytesMax);
      this.#taken += bytesMax;
      return view;
    }
    const view = this.#filling.subarray(this.#taken, this.#filled);
    this.#lent = this.#filling;
    this.#filling = lent;
    this.#filled = 0;
    this.#taken = 0;
    return view;
  }

  /**
   * Drops every byte. What the reader may still hold is left to the collector and never pooled: whoever closes
   * a connection does not know whether a view of it is being written elsewhere at this moment.
   */
  clear(): void {
    if (this.#taken === 0) giveBuffer(this.#filling);
    for (const { bytes, from } of this.#pieces ?? []) if (from === 0) giveBuffer(bytes);
    this.#pieces = undefined;
    this.#piecesBytes = 0;
    this.#filling = this.#lent = EMPTY;
    this.#filled = this.#taken = 0;
  }

  #appendInPieces(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      if (this.#filled === this.#filling.length) {
        const left = this.#filled - this.#taken;
        if (left > 0) {
          (this.#pieces ??= []).push({ bytes: this.#filling, from: this.#taken, end: this.#filled });
          this.#piecesBytes += left;
        }
        this.#filling = takeBuffer(PIECE_BYTES_MAX);
        this.#filled = this.#taken = 0;
      }
      const part = rest.subarray(0, this.#filling.length - this.#filled);
      this.#filling.set(part, this.#filled);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
    }
  }

  #takePiece(bytesMax: number): Uint8Array {
    const piece = this.#pieces![0]!;
    const start = piece.from;
    const length = Math.min(piece.end - start, bytesMax);
    this.#piecesBytes -= length;
    piece.from += length;
    if (piece.from === piece.end) {
      this.#pieces!.shift();
      giveBuffer(this.#lent); // the reader asks again, so it is done with this one
      this.#lent = piece.bytes;
    }
    return piece.bytes.subarray(start, start + length);
  }

  /**
   * Moves what was not taken to the front of a larger buffer: at most twice what is there, so that a reader
   * who never takes everything does not make it grow for ever.
   */
  #makeRoom(bytes: number): void {
    const old = this.#filling;
    const size = this.#filled - this.#taken;
    const next = takeBuffer(Math.max(size + bytes, Math.min(size * 2, PIECE_BYTES_MAX)));
    next.set(old.subarray(this.#taken, this.#filled));
    // A limited take may still be read from the old buffer: it is then left to the collector.
    if (this.#taken === 0) giveBuffer(old);
    this.#filling = next;
    this.#filled = size;
    this.#taken = 0;
  }
}
