/**
 * `ConnReader`: reads of a Conn by need instead of by arrival, for handshakes and small requests.
 *
 *     reader = new ConnReader(conn)
 *     head   = await reader.readExactly(2, "the length of a greeting")
 *     conn   = withPrefix(conn, reader.rest())        what was read too far is not lost
 *
 * Not for bulk data: everything that it returns is a copy. It borrows the Conn: whoever made the reader closes
 * the Conn, and reads it directly only after {@link ConnReader.rest}.
 *
 * @module
 */
import { type Conn, LimitError, TruncatedError } from "../base/mod.ts";

/** Most bytes of one `readExactly`: above every message that the protocols read this way (gob: 1 MiB). */
export const READ_EXACTLY_BYTES_MAX = 4 * 1024 * 1024;

const NOTHING = new Uint8Array(0);

/** Reads by need. One call at a time: a second pending one rejects with `TypeError`. */
export class ConnReader {
  readonly #conn: Conn;
  #view: Uint8Array = NOTHING; // of the Conn's last read: what was not used yet
  #isReading = false;

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  /** True when the peer ended, and every byte was used. Waits until a byte or the end comes. */
  isAtEnd(): Promise<boolean> {
    return this.#alone(async () => !(await this.#fill()));
  }

  /**
   * The next `length` bytes, copied. Errors: `TruncatedError` when the peer ends before them (`what` names
   * them: `the length of a greeting`), `RangeError` above {@link READ_EXACTLY_BYTES_MAX}, the Conn's own.
   */
  readExactly(length: number, what = "a message"): Promise<Uint8Array> {
    if (!Number.isInteger(length) || length < 0 || length > READ_EXACTLY_BYTES_MAX) {
      return Promise.reject(new RangeError(`Cannot read ${length} bytes: 0 to ${READ_EXACTLY_BYTES_MAX}`));
    }
    return this.#alone(async () => {
      const message = new Gathered(length);
      while (message.length < length) {
        if (!(await this.#fill())) throw new TruncatedError(what);
        message.add(this.#use(Math.min(this.#view.length, length - message.length)));
      }
      return message.bytes();
    });
  }

  /**
   * Everything up to and with the first `delimiter` byte, copied; at most `bytesMax` bytes with it. Errors:
   * `LimitError` when it does not come within them, `TruncatedError` when the peer ends first.
   */
  readUntil(
    delimiter: number,
    { bytesMax, what = "a line" }: { readonly bytesMax: number; readonly what?: string },
  ): Promise<Uint8Array> {
    return this.#alone(async () => {
      const line = new Gathered(bytesMax);
      for (;;) {
        if (!(await this.#fill())) throw new TruncatedError(what);
        const index = this.#view.subarray(0, bytesMax - line.length).indexOf(delimiter);
        if (index < 0 && line.length + this.#view.length >= bytesMax) {
          throw new LimitError(`Cannot read ${what}: it is longer than ${bytesMax} bytes`);
        }
        line.add(this.#use(index < 0 ? this.#view.length : index + 1));
        if (index >= 0) return line.bytes();
      }
    });
  }

  /** What was read too far, copied, for `withPrefix` or to pass on; the reader has it no more. */
  rest(): Uint8Array {
    const rest = this.#view.slice();
    this.#view = NOTHING;
    return rest;
  }

  /** False at the peer's end; else the view has at least a byte. */
  async #fill(): Promise<boolean> {
    if (this.#view.length > 0) return true;
    const view = await this.#conn.read();
    if (view === null) return false;
    this.#view = view;
    return true;
  }

  #use(length: number): Uint8Array {
    const part = this.#view.subarray(0, length);
    this.#view = this.#view.subarray(length);
    return part;
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isReading) throw new TypeError("A read is already pending");
    this.#isReading = true;
    try {
      return await work();
    } finally {
      this.#isReading = false;
    }
  }
}

/**
 * Copies of pieces, one behind the other. Memory follows what came, at most twice as much, whatever length a peer
 * claimed and however small its pieces are.
 */
class Gathered {
  readonly #bytesMax: number;
  #bytes = NOTHING;
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get length(): number {
    return this.#length;
  }

  add(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.#bytesMax, Math.max(needed, this.#bytes.length * 2)));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = needed;
  }

  /** The whole; nothing is added afterwards. */
  bytes(): Uint8Array {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#length);
  }
}
