/** Bounds of skysocks that both sides share. @module */
import { WindowBudget, type YamuxLimits } from "../../yamux/mod.ts";

/** Where a skysocks server listens (visor.md 4.1). */
export const SKYSOCKS_PORT = 3;

/** Streams of one session: connections of one user's programs at the same time. */
const STREAMS_MAX = 1_024;
/** What v26 announces for each stream: 100 MB/s over a path of 160 ms. */
const WINDOW_BYTES_MAX = 16 * 1024 * 1024;
/** All streams of one key together, above 256 KiB each: what a peer can make us hold. */
const WINDOW_EXTRA_BYTES_MAX = 64 * 1024 * 1024;
/** All streams of a server together, above 256 KiB each: what everybody can make it hold. */
const SERVER_WINDOW_EXTRA_BYTES_MAX = 256 * 1024 * 1024;
/** For the ACK of a new stream (routing.md 11.1); it may wait behind an upload. */
const OPEN_TIMEOUT_MS = 75_000;

/** How skysocks uses yamux: no keep-alive of its own (routing.md 11.1), and windows as v26 has them. */
export const SKYSOCKS_MUX: Partial<YamuxLimits> = {
  streamsMax: STREAMS_MAX,
  keepAliveMs: Infinity,
  openTimeoutMs: OPEN_TIMEOUT_MS,
  windowBytesMax: WINDOW_BYTES_MAX,
  windowExtraBytesMax: WINDOW_EXTRA_BYTES_MAX,
};

/** Larger windows for all clients of a server. */
export function serverWindow(): WindowBudget {
  return new WindowBudget(SERVER_WINDOW_EXTRA_BYTES_MAX);
}

/** Those of one key, however many sessions it has. */
export function clientWindow(server: WindowBudget): WindowBudget {
  return new WindowBudget(WINDOW_EXTRA_BYTES_MAX, server);
}
