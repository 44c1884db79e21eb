/**
 * The reading side of an HTTP connection: heads and lines as text, bodies as views, one read at a time.
 *
 * @module
 */
import { type Conn, TruncatedError, withPrefix } from "../base/mod.ts";
import { HttpError } from "./errors.ts";

const EMPTY = new Uint8Array(0);
const TAB = 0x09, LF = 0x0a, CR = 0x0d, SPACE = 0x20, DELETE = 0x7f;

/** Where the scan of a head stands; survives the border between two reads. */
const IN_TEXT = 0, AFTER_CR = 1, LINE_START = 2, LINE_START_CR = 3;

/** What a Conn brings, taken in the pieces that HTTP needs. */
export class HttpInput {
  readonly #conn: Conn;
  #view: Uint8Array = EMPTY;
  #at = 0;
  #ahead: Promise<Uint8Array | null> | undefined;
  #ended = false;

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  /** Bytes that are there without waiting. */
  get buffered(): number {
    return this.#view.length - this.#at;
  }

  /**
   * Starts the next read without taking it, when nothing is buffered: to learn of the peer's end early. The
   * promise settles with what came; the next {@link fill} takes it. Views given out before are invalid.
   */
  readAhead(): Promise<Uint8Array | null> | undefined {
    if (this.buffered > 0 || this.#ended) return undefined;
    return this.#ahead ??= this.#conn.read();
  }

  /** Waits for more when nothing is buffered. False at the peer's end. */
  async fill(): Promise<boolean> {
    if (this.#at < this.#view.length) return true;
    if (this.#ended) return false;
    const reading = this.#ahead ?? this.#conn.read();
    this.#ahead = undefined;
    this.#view = EMPTY; // the view before is no longer ours
    this.#at = 0;
    const view = await reading;
    if (view === null) this.#ended = true;
    else this.#view = view;
    return view !== null;
  }

  /** At most `bytesMax` of what is buffered; valid until the next read. */
  take(bytesMax: number): Uint8Array {
    const end = Math.min(this.#view.length, this.#at + bytesMax);
    const view = this.#view.subarray(this.#at, end);
    this.#at = end;
    return view;
  }

  /** The connection for whoever takes it over, with what was read too far in front. Nothing may be read here any more. */
  handOver(): Conn {
    const rest = this.take(Infinity).slice();
    const ahead = this.#ahead;
    this.#ahead = undefined;
    return withPrefix(ahead === undefined ? this.#conn : new AheadConn(this.#conn, ahead), rest);
  }

  /**
   * Start line and fields, one byte per character, without the empty line. Null: ended before the first byte.
   * Errors: 414 and 431 at the bounds, 400 for control bytes, lone CR or LF and folded lines; `TruncatedError`.
   */
  async readHead(bounds: { headBytesMax: number; startLineBytesMax: number }): Promise<string | null> {
    let text = "";
    let at: number = IN_TEXT;
    let lines = 0;
    for (;;) {
      if (this.#at === this.#view.length && !(await this.fill())) {
        if (text === "") return null;
        throw new TruncatedError("an HTTP head");
      }
      const view = this.#view;
      const start = this.#at;
      const end = Math.min(view.length, start + bounds.headBytesMax - text.length);
      let index = start;
      for (; index < end; index++) {
        const byte = view[index]!;
        if (byte > SPACE && byte !== DELETE) {
          if (at === AFTER_CR || at === LINE_START_CR) throw badByte(CR);
          at = IN_TEXT;
        } else if (byte === CR) {
          if (at === AFTER_CR || at === LINE_START_CR) throw badByte(CR);
          at = at === LINE_START ? LINE_START_CR : AFTER_CR;
        } else if (byte === LF) {
          if (at === AFTER_CR) {
            at = LINE_START;
            lines++;
          } else if (at === LINE_START_CR) {
            this.#at = index + 1;
            text += latin1(view, start, index + 1);
            return text.slice(0, -4);
          } else throw badByte(LF);
        } else if (byte === SPACE || byte === TAB) {
          if (at === LINE_START) throw new HttpError(400, "HTTP head has a folded line");
          if (at !== IN_TEXT) throw badByte(CR);
        } else throw badByte(byte);
        if (lines === 0 && text.length + index - start > bounds.startLineBytesMax) {
          throw new HttpError(414, `HTTP start line exceeds ${bounds.startLineBytesMax} bytes`);
        }
      }
      text += latin1(view, start, index);
      this.#at = index;
      if (text.length >= bounds.headBytesMax) {
        throw new HttpError(431, `HTTP head exceeds ${bounds.headBytesMax} bytes`);
      }
    }
  }

  /** One line without its CRLF. Errors: 400 for control bytes, lone CR or LF, and above `bytesMax`. */
  async readLine(bytesMax: number): Promise<string> {
    let text = "";
    let afterCr = false;
    for (;;) {
      if (this.#at === this.#view.length && !(await this.fill())) throw new TruncatedError("a chunked body");
      const view = this.#view;
      const start = this.#at;
      for (let index = start; index < view.length; index++) {
        const byte = view[index]!;
        if (afterCr) {
          if (byte !== LF) throw badByte(CR);
          this.#at = index + 1;
          text += latin1(view, start, index + 1);
          return text.slice(0, -2);
        }
        if (byte === CR) afterCr = true;
        else if ((byte < SPACE && byte !== TAB) || byte === DELETE) throw badByte(byte);
        else if (text.length + index - start >= bytesMax) {
          throw new HttpError(400, `Line in a chunked body exceeds ${bytesMax} bytes`);
        }
      }
      text += latin1(view, start, view.length);
      this.#at = view.length;
    }
  }
}

/** A Conn whose first read was begun by someone else. */
class AheadConn implements Conn {
  readonly #conn: Conn;
  #ahead: Promise<Uint8Array | null> | undefined;
  constructor(conn: Conn, ahead: Promise<Uint8Array | null>) {
    this.#conn = conn;
    this.#ahead = ahead;
  }
  get halfClose(): boolean {
    return this.#conn.halfClose;
  }
  get closed(): Promise<void> {
    return this.#conn.closed;
  }
  read(): Promise<Uint8Array | null> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    return ahead ?? this.#conn.read(); // a second one while the first waits is the inner Conn's TypeError
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
}

function badByte(byte: number): HttpError {
  const shown = byte.toString(16).padStart(2, "0");
  return new HttpError(400, `HTTP line has a control byte where none may be: 0x${shown}`);
}

/** Each byte as the character of the same number. The web's `latin1` decoder is windows-1252 instead. */
function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at += 8192) { // arguments go on the stack
    const part = bytes.subarray(at, Math.min(end, at + 8192));
    text += String.fromCharCode.apply(null, part as unknown as number[]);
  }
  return text;
}
