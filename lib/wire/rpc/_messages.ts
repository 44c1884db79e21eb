/**
 * Both streams of gob messages on one connection (routing.md 9): each value comes with the definitions that
 * the other side does not have yet.
 *
 *     [ length ][ definition ] …  [ length ][ header ]  [ length ][ definition ] …  [ length ][ argument or reply ]
 *
 * @module
 */
import { type Conn, LimitError, MalformedError } from "../../base/mod.ts";
import {
  GobDecoder,
  GobEncoder,
  type GobIds,
  gobStruct,
  gobText,
  type GobType,
  gobUint64,
  type GobValue,
  MESSAGE_BYTES_MAX,
} from "../gob/mod.ts";
import { ConnReader } from "../reader.ts";

/** In front of each argument. */
export const REQUEST = gobStruct("Request", { ServiceMethod: gobText, Seq: gobUint64 });
/** In front of each reply. */
export const RESPONSE = gobStruct("Response", { ServiceMethod: gobText, Seq: gobUint64, Error: gobText });
/** Stands in place of the reply after an error. */
export const NO_REPLY = gobStruct("", {});

export type Request = GobValue<typeof REQUEST>;
export type Response = GobValue<typeof RESPONSE>;

/** Reads the values of one direction, one after the other. */
export class MessageReader {
  readonly #reader: ConnReader;
  readonly #decoder = new GobDecoder();
  #payload: Uint8Array = new Uint8Array();

  constructor(conn: Conn) {
    this.#reader = new ConnReader(conn);
  }

  /** Goes to the header of the next call. False when the peer ended between two calls. */
  async next(): Promise<boolean> {
    if (await this.#reader.isAtEnd()) return false;
    await this.advance();
    return true;
  }

  /**
   * Goes to the next value. Definitions on the way are remembered; there are few of them, or a `LimitError`
   * says so. Errors: `TruncatedError`, `MalformedError`, `LimitError`, the Conn's own.
   */
  async advance(): Promise<void> {
    do this.#payload = await this.#message(); while (!this.#decoder.accept(this.#payload));
  }

  /** The value, as `type`. Errors: `MalformedError`; the stream can be read on all the same. */
  value<T>(type: GobType<T>): T {
    return this.#decoder.value(this.#payload, type);
  }

  /** Reads over the value, as strictly as if it were wanted. */
  skip(): void {
    this.#decoder.skip(this.#payload);
  }

  async #message(): Promise<Uint8Array> {
    const first = (await this.#reader.readExactly(1, "the length of a gob message"))[0]!;
    let length = first;
    if (first >= 0x80) {
      const bytes = 256 - first;
      if (bytes > 8) throw new MalformedError(`Gob length of ${bytes} bytes`);
      length = 0;
      for (const byte of await this.#reader.readExactly(bytes, "the length of a gob message")) {
        length = length * 256 + byte;
      }
    }
    if (length > MESSAGE_BYTES_MAX) throw new LimitError("Gob message is longer than 1 MiB");
    return await this.#reader.readExactly(length, "a gob message");
  }
}

/** Writes the values of one direction: header and body in one write each. */
export class MessageWriter {
  readonly #encoder: GobEncoder;
  readonly #conn: Conn;

  constructor(conn: Conn, ids?: GobIds) {
    this.#conn = conn;
    this.#encoder = new GobEncoder(ids);
  }

  /** What is encoded is sent, or the connection breaks: the definitions in it are never written again. */
  write<H, B>(headerType: GobType<H>, header: H, bodyType: GobType<B>, body: B): Promise<void> {
    const head = this.#encoder.encode(headerType, header);
    const rest = this.#encoder.encode(bodyType, body);
    const message = new Uint8Array(head.length + rest.length);
    message.set(head);
    message.set(rest, head.length);
    return this.#conn.write(message);
  }
}
