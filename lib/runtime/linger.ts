/** How long a closed socket lives on, in both worlds. @module */

/** How long `close()` goes on sending what was taken in. Ctrl-C has 2 s for everything. */
export const LINGER_MS = 1_000;
/**
 * How long a closed socket then waits for the peer's end: a close with unread bytes would reset the
 * connection, and a reset takes what is still under way with it. Go's HTTP server waits as long.
 */
export const PEER_END_MS = 500;
