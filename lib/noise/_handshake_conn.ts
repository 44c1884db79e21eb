/**
 * A handshake over a byte stream: length-prefixed messages within a time, whatever the pattern.
 *
 *     [ length u16 ][ message ]      big endian
 *
 * @module
 */
import { type Conn, withPrefix } from "../base/mod.ts";
import type { KeyPair, ProvenKey } from "../crypto/mod.ts";
import { type Clock, type Random, withTimeout } from "../runtime/mod.ts";
import { ConnReader, u16Frame } from "../wire/mod.ts";
import { FRAME_PREFIX_MAX, PREFIX_BYTES, prefixAt } from "./frames.ts";
import type { HandshakeResult, SplitKeys } from "./handshakes.ts";

/** What Go peers allow for the whole handshake, on both sides. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;

/**
 * What rides in the payloads of a handshake, and what becomes of its keys. One object per handshake. What it
 * throws fails the handshake.
 */
export interface HandshakeExtension {
  /** The payload of our next message. */
  outgoing(): Uint8Array | Promise<Uint8Array>;
  /** The payload of a message that was just read and is authentic, empty or not. */
  incoming(payload: Uint8Array): void | Promise<void>;
  /**
   * The keys to use instead, for a handshake with `remote`. Called before our last message goes out, so that a
   * refusal is silent.
   */
  keys(keys: SplitKeys, handshakeHash: Uint8Array, remote: ProvenKey): SplitKeys | Promise<SplitKeys>;
}

export interface HandshakeConnOptions {
  readonly local: KeyPair;
  readonly clock: Clock;
  readonly random: Random;
  /** For the whole handshake. */
  readonly timeoutMs?: number;
  /** Ends the handshake, never the connection that it returned. */
  readonly signal?: AbortSignal;
  /** Default: empty payloads, which are ignored by whoever gets them, and the keys as they are. */
  readonly extension?: HandshakeExtension;
  /** A fixed ephemeral key, for tests. */
  readonly ephemeral?: KeyPair;
}

/** A connection with a completed handshake; `conn` still has every byte that came behind it. */
export interface HandshakenConn {
  readonly conn: Conn;
  readonly result: HandshakeResult;
}

/** `result` with the keys that the extension makes of its own. */
export async function extended(
  result: HandshakeResult,
  extension: HandshakeExtension,
): Promise<HandshakeResult> {
  return { ...result, keys: await extension.keys(result.keys, result.handshakeHash, result.remote) };
}

/**
 * Runs one handshake. Owns `conn`: closes it when the time is over, the signal is aborted, or `work` fails.
 */
export async function withinTime(
  conn: Conn,
  { clock, signal, timeoutMs = HANDSHAKE_TIMEOUT_MS, extension = NO_EXTENSION }: HandshakeConnOptions,
  work: (messages: Messages, extension: HandshakeExtension) => Promise<HandshakenConn>,
): Promise<HandshakenConn> {
  try {
    return await withTimeout(
      clock,
      { what: "The noise handshake", afterMs: timeoutMs, signal },
      async (signal) => {
        signal.addEventListener("abort", () => conn.close(signal.reason), { once: true });
        const handshaken = await work(new Messages(conn), extension);
        signal.throwIfAborted(); // too late by a hair: the connection is closed already
        return handshaken;
      },
    );
  } catch (error) {
    conn.close(error);
    throw error;
  }
}

const NOTHING = new Uint8Array(0);

const NO_EXTENSION: HandshakeExtension = {
  outgoing: () => NOTHING,
  incoming() {},
  keys: (keys) => keys,
};

/** Length-prefixed messages on a Conn; what was read too far stays with the reader. */
export class Messages {
  readonly #conn: Conn;
  readonly #reader: ConnReader;

  constructor(conn: Conn) {
    this.#conn = conn;
    this.#reader = new ConnReader(conn);
  }

  async write(message: Uint8Array): Promise<void> {
    if (message.length > FRAME_PREFIX_MAX) {
      throw new RangeError(`Handshake message of ${message.length} bytes is above ${FRAME_PREFIX_MAX}`);
    }
    await this.#conn.write(u16Frame(message));
  }

  async read(): Promise<Uint8Array> {
    const prefix = await this.#reader.readExactly(PREFIX_BYTES, "the noise handshake");
    return await this.#reader.readExactly(prefixAt(prefix, 0), "the noise handshake");
  }

  /** The connection from here on. */
  rest(): Conn {
    return withPrefix(this.#conn, this.#reader.rest());
  }
}
