/**
 * Keeps one session with a skysocks server: dials, asks whether it answers, notices its end, dials again.
 *
 *     dialling --Conn--> proving --pong--> live --end, or no pong--> paused --back-off--> dialling
 *         \__________________ failure __________________/ \________________________________/
 *
 * @module
 */
import {
  type Conn,
  ConnResetError,
  describeError,
  type Log,
  MalformedError,
  type Scope,
  TimedOutError,
} from "../../base/mod.ts";
import { withTimeout, type World } from "../../runtime/mod.ts";
import { GoAwayError, YamuxSession } from "../../yamux/mod.ts";
import { Relays } from "../_relay.ts";
import { SKYSOCKS_MUX } from "./limits.ts";

/** One dial: a route may need several transports and set-ups. */
const DIAL_TIMEOUT_MS = 60_000;
/** Between two pings; the first comes at once. */
const PING_EVERY_MS = 5_000;
/** For the answer to a ping, or for any byte instead: behind an upload it comes late. */
const PING_TIMEOUT_MS = 15_000;
/** The first pause after a session that was good; doubled each time, with jitter. */
const RETRY_MS = 400;
const RETRY_MS_MAX = 30_000;
/** A session that lived so long was good. */
const GOOD_AFTER_MS = 10_000;
/** A connection that waits shortens the pause to this. */
const RETRY_AWAITED_MS = 1_000;

/** A session that answers. */
export interface SkysocksSession {
  readonly mux: YamuxSession;
  readonly relays: Relays;
  /** Of the last ping. */
  latencyMs: number;
}

interface Waiter {
  readonly resolve: (session: SkysocksSession) => void;
  readonly reject: (reason: unknown) => void;
}

export interface SessionKeeperOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger">;
  readonly dial: (signal: AbortSignal) => Promise<Conn>;
  readonly log: Log;
  /** Runs the keeper, and ends it. */
  readonly scope: Scope;
}

export class SessionKeeper {
  /** Sessions that answered. */
  sessionsTotal = 0;
  /** Why the last dial or session failed; kept while the next one is good. */
  lastError: string | undefined;
  readonly #options: SessionKeeperOptions;
  readonly #waiters = new Set<Waiter>();
  #session: SkysocksSession | undefined;
  #mux: YamuxSession | undefined; // also before it has answered
  #bytesSent = 0; // of sessions that are over
  #bytesReceived = 0;
  #wake: (() => void) | undefined; // ends the wait for the next ping
  #hurry: (() => void) | undefined; // shortens the pause
  #closed: { readonly reason: unknown } | undefined;

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
    options.scope.spawn("skysocks-client session", (signal) => this.#keep(signal));
  }

  /** The session that new connections may use; undefined while there is none. */
  get session(): SkysocksSession | undefined {
    return this.#session?.mux.isLive ? this.#session : undefined;
  }

  /** True once a dial or a session has failed. */
  get hasFailed(): boolean {
    return this.lastError !== undefined;
  }

  /** Bytes of all sessions, headers of the multiplexer included. */
  bytes(): { bytesSent: number; bytesReceived: number } {
    return {
      bytesSent: this.#bytesSent + (this.#mux?.bytesOut ?? 0),
      bytesReceived: this.#bytesReceived + (this.#mux?.bytesIn ?? 0),
    };
  }

  /** The session, or the next one. Rejects with a `TimedOutError` after `afterMs`, or the reason of `close`. */
  wait(afterMs: number): Promise<SkysocksSession> {
    const { session } = this;
    if (session !== undefined) return Promise.resolve(session);
    if (this.#closed !== undefined) return Promise.reject(this.#closed.reason);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve: (session) => (done(), resolve(session)),
        reject: (reason) => (done(), reject(reason)),
      };
      const timer = this.#options.world.clock.timer(afterMs, () => {
        waiter.reject(new TimedOutError("A session with the skysocks server", afterMs));
      });
      const done = () => (timer.cancel(), this.#waiters.delete(waiter));
      this.#waiters.add(waiter);
      this.#hurry?.();
    });
  }

  /** Ends the session and everybody who waits. The scope's end ends the rest. */
  close(reason: unknown): void {
    this.#closed ??= { reason };
    this.#mux?.close(reason);
    this.#session?.relays.abort(reason);
    for (const waiter of [...this.#waiters]) waiter.reject(reason);
  }

  async #keep(signal: AbortSignal): Promise<void> {
    const { world: { clock }, log } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const before = this.sessionsTotal;
      const startedMs = clock.monotonicMs();
      try {
        await this.#oneSession(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.lastError = describeError(error);
      }
      const wasGood = this.sessionsTotal > before && clock.monotonicMs() - startedMs >= GOOD_AFTER_MS;
      failures = wasGood ? 0 : failures + 1;
      const pauseMs = this.#pauseMs(failures);
      log.warn("The skysocks server is not connected", { why: this.lastError, againMs: Math.round(pauseMs) });
      await this.#pause(pauseMs, signal);
    }
  }

  /** Rejects when there was none, or when it is over. */
  async #oneSession(signal: AbortSignal): Promise<never> {
    const { world, dial, log, scope } = this.#options;
    const limits = { what: "The dial of the skysocks server", afterMs: DIAL_TIMEOUT_MS, signal };
    const conn = await withTimeout(world.clock, limits, dial);
    const mux = this.#mux = new YamuxSession(conn, {
      role: "client",
      world,
      limits: SKYSOCKS_MUX,
      onStream: (stream) => stream.close(new MalformedError("A skysocks server opens no streams")),
    });
    if (signal.aborted) mux.close(signal.reason);
    scope.spawn("skysocks-client session's end", () => mux.closed);
    const relays = new Relays(world.clock);
    let isOver = false;
    void mux.ended.then(() => {
      relays.sessionEnded(
        mux.failure ?? new ConnResetError("The session with the skysocks server has ended"),
      );
      isOver = true;
      this.#wake?.();
    });
    try {
      const session: SkysocksSession = { mux, relays, latencyMs: await this.#ping(mux) };
      this.#session = session;
      this.sessionsTotal++;
      log.info("The skysocks server is connected", { latencyMs: Math.round(session.latencyMs) });
      for (const waiter of [...this.#waiters]) waiter.resolve(session);
      for (;;) {
        if (!isOver) await this.#untilNextPing();
        if (!mux.isLive && mux.streamCount === 0) throw new GoAwayError(0);
        session.latencyMs = await this.#ping(mux);
      }
    } catch (error) {
      mux.close(error); // one that is over already keeps its reason
      throw mux.failure ?? error;
    } finally {
      this.#session = this.#mux = undefined;
      this.#bytesSent += mux.bytesOut;
      this.#bytesReceived += mux.bytesIn;
    }
  }

  /** Rejects when the server neither answers nor sends anything else in time. */
  async #ping(mux: YamuxSession): Promise<number> {
    for (;;) {
      const before = mux.bytesIn;
      try {
        const what = "The answer of the skysocks server";
        return await withTimeout(
          this.#options.world.clock,
          { what, afterMs: PING_TIMEOUT_MS },
          (signal) => mux.ping(signal),
        );
      } catch (error) {
        if (!(error instanceof TimedOutError) || mux.bytesIn === before) throw error;
      }
    }
  }

  #untilNextPing(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        timer.cancel();
        resolve();
      };
      const timer = this.#options.world.clock.timer(PING_EVERY_MS, this.#wake);
    });
  }

  /** Between a half and the whole of the back-off: clients of one server do not come back all at once. */
  #pauseMs(failures: number): number {
    const { random } = this.#options.world;
    const longestMs = Math.min(RETRY_MS * 2 ** Math.min(failures, 16), RETRY_MS_MAX);
    return longestMs * (0.5 + random.bytes(1)[0]! / 512);
  }

  #pause(pauseMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options.world;
    const sinceMs = clock.monotonicMs();
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        signal.removeEventListener("abort", done);
        this.#hurry = undefined;
        resolve();
      };
      let timer = clock.timer(pauseMs, done);
      signal.addEventListener("abort", done, { once: true });
      if (signal.aborted) return done();
      this.#hurry = () => {
        const leftMs = Math.min(pauseMs, RETRY_AWAITED_MS) - (clock.monotonicMs() - sinceMs);
        timer.cancel();
        timer = clock.timer(Math.max(0, leftMs), done);
      };
      if (this.#waiters.size > 0) this.#hurry();
    });
  }
}
