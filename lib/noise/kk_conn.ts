/**
 * The KK handshake over a byte stream: how transports on sockets begin (protocol: transport, section 5).
 *
 *     dialer -> [ length u16 ][ message 1 ] -> acceptor      both know each other's key beforehand
 *            <- [ length u16 ][ message 2 ] <-
 *
 * A failure closes the connection without a word, as the protocol wants. Message 1 may be a replay: the acceptor
 * knows that the dialer is there only when a frame opens.
 *
 * @module
 */
import type { Conn } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { extended, type HandshakeConnOptions, type HandshakenConn, withinTime } from "./_handshake_conn.ts";
import { kkInitiator, kkResponder } from "./handshakes.ts";

export interface KkConnOptions extends HandshakeConnOptions {
  /** The key of the other end. */
  readonly remote: PublicKey;
}

/**
 * The dialer's handshake with `remote`. Owns `conn`: on failure it is closed. Errors: `HandshakeError`,
 * `LimitError` (a length above 4094), `TruncatedError`, `TimedOutError`, the signal's reason, the Conn's own.
 */
export function kkConnect(conn: Conn, options: KkConnOptions): Promise<HandshakenConn> {
  return withinTime(conn, options, async (messages, extension) => {
    const handshake = kkInitiator(options);
    await messages.write(handshake.writeMessage1(await extension.outgoing()));
    await extension.incoming(handshake.readMessage2(await messages.read()));
    const result = await extended(handshake.finish(), extension);
    return { conn: messages.rest(), result };
  });
}

/** The acceptor's handshake with `remote`, who claims to have dialled. Owns `conn`. Errors as {@link kkConnect}. */
export function kkAccept(conn: Conn, options: KkConnOptions): Promise<HandshakenConn> {
  return withinTime(conn, options, async (messages, extension) => {
    const handshake = kkResponder(options);
    await extension.incoming(handshake.readMessage1(await messages.read()));
    const message2 = handshake.writeMessage2(await extension.outgoing());
    const result = await extended(handshake.finish(), extension); // a refusal is silent: message 2 is not sent
    await messages.write(message2);
    return { conn: messages.rest(), result };
  });
}
