/**
 * JSON objects off a connection on which something else follows (protocol: transport, section 4.1).
 *
 * An object ends at its closing brace; the line end behind it is dropped, also when it comes late, in a segment
 * of its own. Nothing that follows in the protocol begins with one.
 *
 * @module
 */
import { type Conn, LimitError, MalformedError, TruncatedError, withPrefix } from "../base/mod.ts";

const LINE_END = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NOTHING = new Uint8Array(0);

/** Borrows the Conn until {@link JsonFrames.rest}. One call at a time. */
export class JsonFrames {
  readonly #conn: Conn;
  #view: Uint8Array = NOTHING;
  #owesLineEnd = false;

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  /** True when the peer ended before another byte. */
  async isAtEnd(): Promise<boolean> {
    return !(await this.#fill());
  }

  /** The byte that comes next, which stays; undefined when the peer ended before it. */
  async peek(): Promise<number | undefined> {
    return await this.#fill() ? this.#view[0] : undefined;
  }

  /** The next `length` bytes. Errors: `TruncatedError`. */
  async readExactly(length: number, what: string): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let have = 0; have < length;) {
      if (!(await this.#fill())) throw new TruncatedError(what);
      const piece = this.#view.subarray(0, length - have);
      bytes.set(piece, have);
      have += piece.length;
      this.#view = this.#view.subarray(piece.length);
    }
    return bytes;
  }

  /**
   * The text of the next object. Errors: `MalformedError` when none begins, `LimitError` when it is longer than
   * `bytesMax`, `TruncatedError`.
   */
  async readObject(what: string, bytesMax: number): Promise<string> {
    const bytes = new Uint8Array(bytesMax);
    let length = 0, depth = 0, isInText = false, isEscaped = false;
    for (;;) {
      if (!(await this.#fill())) throw new TruncatedError(what);
      for (let at = 0; at < this.#view.length; at++) {
        const byte = this.#view[at]!;
        if (length === bytesMax) {
          throw new LimitError(`Cannot read ${what}: it is longer than ${bytesMax} bytes`);
        }
        bytes[length++] = byte;
        if (length === 1 && byte !== 0x7b) {
          throw new MalformedError(`Cannot read ${what}: it is no JSON object`);
        }
        if (isEscaped) isEscaped = false;
        else if (isInText) {
          if (byte === BACKSLASH) isEscaped = true;
          else if (byte === QUOTE) isInText = false;
        } else if (byte === QUOTE) isInText = true;
        else if (byte === 0x7b) depth++;
        else if (byte === 0x7d && --depth === 0) {
          this.#view = this.#view.subarray(at + 1);
          this.#owesLineEnd = true;
          return new TextDecoder().decode(bytes.subarray(0, length));
        }
      }
      this.#view = NOTHING;
    }
  }

  /** The connection for what comes next. */
  rest(): Conn {
    const rest = this.#view.slice();
    const conn = withPrefix(this.#conn, rest);
    return this.#owesLineEnd ? new WithoutLineEnd(conn) : conn;
  }

  /** False at the peer's end; else the view has at least a byte. */
  async #fill(): Promise<boolean> {
    while (this.#view.length === 0) {
      const view = await this.#conn.read();
      if (view === null) return false;
      this.#view = view;
      if (this.#owesLineEnd && view[0] === LINE_END) this.#view = view.subarray(1);
      this.#owesLineEnd = false;
    }
    if (this.#owesLineEnd) {
      this.#owesLineEnd = false;
      if (this.#view[0] === LINE_END) {
        this.#view = this.#view.subarray(1);
        return await this.#fill();
      }
    }
    return true;
  }
}

/** A Conn without the line end that its first byte may be. */
class WithoutLineEnd implements Conn {
  readonly #conn: Conn;
  #isFirst = true;

  constructor(conn: Conn) {
    this.#conn = conn;
  }
  get halfClose(): boolean {
    return this.#conn.halfClose;
  }
  get closed(): Promise<void> {
    return this.#conn.closed;
  }
  read(): Promise<Uint8Array | null> {
    return this.#isFirst ? this.#readFirst() : this.#conn.read();
  }
  write(bytes: Uint8Array): Promise<void> {
    return this.#conn.write(bytes);
  }
  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }
  close(reason?: unknown): void {
    this.#conn.close(reason);
  }

  async #readFirst(): Promise<Uint8Array | null> {
    const view = await this.#conn.read();
    this.#isFirst = false;
    if (view === null || view[0] !== LINE_END) return view;
    return view.length > 1 ? view.subarray(1) : await this.#conn.read();
  }
}
