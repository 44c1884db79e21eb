/**
 * Is the server behind a session still serving? Asked with the marker of two zero bytes on a fresh stream, or,
 * where a server never answers that (2024), with a yamux ping (dmsg.md 3.4, DC-8).
 *
 * @module
 */
import { describeError, type Log } from "../base/mod.ts";
import { type Clock, type Timer, withTimeout } from "../runtime/mod.ts";
import { ConnReader } from "../wire/mod.ts";
import { LIVENESS_MARKER } from "./_exchange.ts";
import type { Session } from "./session.ts";

export const LIVENESS_INTERVAL_MS = 60_000;
/** A congested server answered after more than 5 s, which evicted live sessions (seed E). */
export const LIVENESS_DEADLINE_MS = 18_000;
/** Who asks how a server of unknown age is waits so long for its answer, and then asks the mux. */
export const MARKER_PATIENCE_MS = 2_000;
/** Failures in a row that end a session. */
export const LIVENESS_MISSES_MAX = 2;

/** Pings one session until it is stopped or dead. Holds nothing while it waits but one timer. */
export class SessionLiveness {
  readonly #session: Session;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #ended = new AbortController();
  #timer: Timer;
  #misses = 0;
  #markerAnswered: boolean | undefined; // undefined: not asked yet

  constructor(session: Session, clock: Clock, log: Log) {
    this.#session = session;
    this.#clock = clock;
    this.#log = log;
    this.#timer = clock.timer(LIVENESS_INTERVAL_MS, () => void this.#check());
  }

  stop(): void {
    this.#timer.cancel();
    this.#ended.abort(new DOMException("Session closed", "AbortError"));
  }

  async #check(): Promise<void> {
    try {
      await this.#ping();
      this.#misses = 0;
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.#misses++;
      this.#log.debug("Liveness ping missed", {
        server: this.#session.remote,
        misses: this.#misses,
        cause: describeError(error),
      });
      if (this.#misses >= LIVENESS_MISSES_MAX) {
        this.#log.warn("Closing dead session (ping threshold exceeded); reconnect loop will re-dial", {
          server: this.#session.remote,
        });
        return this.#session.close(error);
      }
    }
    if (this.#ended.signal.aborted) return;
    this.#timer = this.#clock.timer(LIVENESS_INTERVAL_MS, () => void this.#check());
  }

  async #ping(): Promise<void> {
    const signal = this.#ended.signal;
    if (this.#markerAnswered === false) return await this.#muxPing(signal);
    try {
      await pingSession(this.#session, this.#clock, { signal });
      this.#markerAnswered = true;
    } catch (error) {
      if (this.#markerAnswered === true || signal.aborted) throw error;
      await this.#muxPing(signal); // dead, or of 2024: the mux answers in the second case
      this.#markerAnswered = false;
    }
  }

  async #muxPing(signal: AbortSignal): Promise<void> {
    await withTimeout(
      this.#clock,
      { what: "Liveness ping", afterMs: LIVENESS_DEADLINE_MS, signal },
      (ended) => this.#session.mux.ping(ended),
    );
  }
}

/**
 * One marker there and back, in milliseconds. Errors: TimedOutError after `timeoutMs`, the session's end,
 * TruncatedError when the server closes without an answer.
 */
async function pingSession(
  session: Session,
  clock: Clock,
  { timeoutMs = LIVENESS_DEADLINE_MS, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<number> {
  const what = `Ping of server ${session.remote}`;
  return await withTimeout(clock, { what, afterMs: timeoutMs, signal }, async (ended) => {
    const startedMs = clock.monotonicMs();
    const stream = session.mux.open();
    const onAbort = () => stream.close(ended.reason);
    ended.addEventListener("abort", onAbort, { once: true });
    try {
      await stream.write(LIVENESS_MARKER);
      await new ConnReader(stream).readExactly(2, "the answer to a liveness marker");
      return clock.monotonicMs() - startedMs;
    } finally {
      ended.removeEventListener("abort", onAbort);
      stream.close();
    }
  });
}

/**
 * One round trip with a server of any age, in milliseconds: by the marker, or by a mux ping where that is not
 * answered at once. Errors: TimedOutError, the session's end, the signal's reason.
 */
export async function pingServer(session: Session, clock: Clock, signal?: AbortSignal): Promise<number> {
  try {
    return await pingSession(session, clock, { timeoutMs: MARKER_PATIENCE_MS, signal });
  } catch {
    signal?.throwIfAborted(); // of 2024, or gone: the mux knows
  }
  const startedMs = clock.monotonicMs();
  const limit = { what: `Ping of server ${session.remote}`, afterMs: LIVENESS_DEADLINE_MS, signal };
  await withTimeout(clock, limit, (ended) => session.mux.ping(ended));
  return clock.monotonicMs() - startedMs;
}
