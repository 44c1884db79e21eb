/** Every bound of a KCP session, and of the socket that carries many. @module */

// Wire: what peers count on (protocol: transport, section 6.3).
/** Segments that a session takes in at first, and that a peer is believed to take until it says more. */
export const WINDOW_FIRST = 32;
/** Round trip time-out: at first, at least, at most. */
export const RTO_FIRST_MS = 200;
export const RTO_MIN_MS = 100;
export const RTO_MAX_MS = 60_000;
/** What a peer may add to a round trip before it acknowledges. */
export const INTERVAL_MS = 100;
/** When the peer's window is closed: first question, and the longest wait for the next one. */
export const PROBE_MS = 7_000;
export const PROBE_MAX_MS = 120_000;

// Policy
/**
 * Segments that a session holds unread or out of order, once its reader has taken a window's worth: 704 KB. Who
 * has not proved anything yet never gets there.
 */
export const RECEIVE_WINDOW_MAX = 512;
/** Segments under way, whatever the peer's window. */
export const SEND_WINDOW_MAX = 512;
/** Bytes that were taken in and not sent yet, before writers wait. */
export const SEND_AHEAD_BYTES_MAX = 64 * 1024;
/** Segments received before they are acknowledged at once. */
export const ACKNOWLEDGE_EVERY = 2;
/** Longest wait of an acknowledgement for data that goes along with it. */
export const ACKNOWLEDGE_DELAY_MS = 10;
/** Nothing of what was sent has arrived for so long: nobody is there. Above what a path is gone for in passing. */
export const SILENCE_MAX_MS = 45_000;
/** Segments sent in one turn: more would overflow the buffers of sockets, ours and the peer's. */
export const BURST_MAX = 32;
/** Between two bursts. */
export const BURST_PAUSE_MS = 1;

/** What a socket allows those who dial it. */
export interface KcpLimits {
  /** Sessions that were accepted, or wait for it. */
  readonly sessionsMax: number;
  /** Sessions that wait to be accepted; what would make one more is dropped. */
  readonly acceptQueueMax: number;
}

export const KCP_LIMITS: KcpLimits = { sessionsMax: 4_096, acceptQueueMax: 64 };
