/** Every bound of a yamux session. @module */

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
}

/** The values of the Go network of 2026 (dmsg.md 3.2). */
export const YAMUX_LIMITS: YamuxLimits = {
  streamsMax: 2_048,
  keepAliveMs: 30_000,
  writeTimeoutMs: 10_000,
  openTimeoutMs: 20_000,
  closeTimeoutMs: 30_000,
};
