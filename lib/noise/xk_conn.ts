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
import type { Conn } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { extended, type HandshakeConnOptions, type HandshakenConn, withinTime } from "./_handshake_conn.ts";
import { xkInitiator, xkResponder } from "./handshakes.ts";

export { HANDSHAKE_TIMEOUT_MS, type HandshakeExtension, type HandshakenConn } from "./_handshake_conn.ts";

export type XkConnOptions = HandshakeConnOptions;

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
