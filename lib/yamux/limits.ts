/** Every bound of a yamux session. @module */

import { WINDOW_BYTES } from "./frame.ts";

/** What a session allows itself and its peer. */
export interface YamuxLimits {
  /** Streams alive at the same time, opened by either side; a further SYN is answered with RST. */
  readonly streamsMax: number;
  /** Time between keep-alive pings. */
  readonly keepAliveMs: number;
  /** How long each 64 KiB may take to be written, and how long the peer may be silent after a keep-alive ping. */
  readonly writeTimeoutMs: number;
  /** How long an opened stream may stay without ACK; then the session ends. */
  readonly openTimeoutMs: number;
  /** How long a closed stream waits for the peer's FIN; then it is reset and forgotten. */
  readonly closeTimeoutMs: number;
  /**
   * What a stream may hold unread. Above the 256 KiB that the protocol starts with, it is announced with the SYN
   * or the ACK; below, it changes nothing.
   */
  readonly windowBytesMax: number;
  /**
   * What all streams of a session may hold above 256 KiB each. A new stream is given a quarter of what is left
   * at most, so that the first ones do not take it all.
   */
  readonly windowExtraBytesMax: number;
}

/** The values of the Go network of 2026 (dmsg.md 3.2). */
export const YAMUX_LIMITS: YamuxLimits = {
  streamsMax: 2_048,
  keepAliveMs: 30_000,
  writeTimeoutMs: 10_000,
  openTimeoutMs: 20_000,
  closeTimeoutMs: 30_000,
  windowBytesMax: WINDOW_BYTES,
  windowExtraBytesMax: 0,
};
