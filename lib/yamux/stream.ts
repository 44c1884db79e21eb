/** What a user sees of a stream of a yamux session. @module */
import type { Conn } from "../base/mod.ts";
import type { YamuxSession } from "./session.ts";

/**
 * One stream of a session: a Conn with half-close.
 *
 * `close()` sends FIN and waits for the peer's, at most the close time-out of the session; `close(reason)`
 * sends RST. When the session ends first, bytes that had arrived stay readable; behind them is `null` if the
 * peer had ended the stream, else a `ConnResetError` whose `cause` is the failure of the session, or the
 * `TruncatedError` of a connection that ended inside a frame.
 */
export interface YamuxStream extends Conn {
  readonly halfClose: true;
  /** Odd when the client side of the session opened it, even when the server side did. */
  readonly id: number;
  readonly session: YamuxSession;
}
