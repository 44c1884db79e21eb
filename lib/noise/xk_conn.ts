/**
 * The XK handshake over a byte stream: how every session begins (protocol: dmsg, sections 2.5 and 3.1).
 *
 *     dialer -> [ length u16 ][ message 1 ] -> acceptor
 *            <- [ length u16 ][ message 2 ] <-
 *            -> [ length u16 ][ message 3 ] ->
 *
 * A failure closes the connection without a word, as the protocol wants. Nothing is written after message 3
 * here: old servers lose what arrives together with it, so that the caller decides when to go on.
 *
 * @module
 */
import { type Conn, withPrefix } from "../base/mod.ts";
import type { KeyPair, ProvenKey, PublicKey } from "../crypto/mod.ts";
import { type Clock, type Random, withTimeout } from "../runtime/mod.ts";
import { ConnReader, u16Frame } from "../wire/mod.ts";
import { FRAME_PREFIX_MAX, PREFIX_BYTES, prefixAt } from "./frames.ts";
import { type HandshakeResult, type SplitKeys, xkInitiator, xkResponder } from "./handshakes.ts";

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

export interface XkConnOptions {
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

/**
 * The dialer's handshake with `remote`. Owns `conn`: on failure it is closed. Errors: `HandshakeError`,
 * `LimitError` (a length above 4094), `TruncatedError`, `TimedOutError`, the signal's reason, the Conn's own.
 */
export function xkConnect(
  conn: Conn,
  { remote, ...options }: XkConnOptions & { readonly remote: PublicKey },
): Promise<HandshakenConn> {
  return withinTime(conn, options, async (messages, extension) => {
    const handshake = xkInitiator({ ...options, remote });
    await messages.write(handshake.writeMessage1(await extension.outgoing()));
    await extension.incoming(handshake.readMessage2(await messages.read()));
    const message3 = handshake.writeMessage3(await extension.outgoing());
    const result = await extended(handshake.finish(), extension);
    await messages.write(message3);
    return { conn: messages.rest(), result };
  });
}

/** The acceptor's handshake with whoever dialled. Owns `conn`. Errors as {@link xkConnect}. */
export function xkAccept(conn: Conn, options: XkConnOptions): Promise<HandshakenConn> {
  return withinTime(conn, options, async (messages, extension) => {
    const handshake = xkResponder(options);
    await extension.incoming(handshake.readMessage1(await messages.read()));
    await messages.write(handshake.writeMessage2(await extension.outgoing()));
    await extension.incoming(handshake.readMessage3(await messages.read()));
    const result = await extended(handshake.finish(), extension);
    return { conn: messages.rest(), result };
  });
}

async function extended(result: HandshakeResult, extension: HandshakeExtension): Promise<HandshakeResult> {
  return { ...result, keys: await extension.keys(result.keys, result.handshakeHash, result.remote) };
}

async function withinTime(
  conn: Conn,
  { clock, signal, timeoutMs = HANDSHAKE_TIMEOUT_MS, extension = NO_EXTENSION }: XkConnOptions,
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
class Messages {
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
