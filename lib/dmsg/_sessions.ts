/**
 * The sessions that one client keeps: at most one per server, dialled once however many ask (DC-2).
 *
 * The table is never held over a dial: `ensure` joins the dial in flight, or starts one.
 *
 * @module
 */
import { ConnClosedError, describeError, LimitError, type Log, type Scope, WorldError } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import type { PostQuantum } from "../noise/mod.ts";
import { Nudge, sleep, type SocketAddress, withTimeout, type World } from "../runtime/mod.ts";
import type { YamuxStream } from "../yamux/mod.ts";
import { orAbort } from "./_abortable.ts";
import { someAtOnce } from "./_at_once.ts";
import { byRandomWeight, unit } from "./_chance.ts";
import { SessionLiveness } from "./_liveness.ts";
import { SessionHistory } from "./_session_history.ts";
import { parseServerAddress } from "./address.ts";
import type { Entry } from "./entry.ts";
import { DmsgError } from "./errors.ts";
import { connectSession, type Session } from "./session.ts";

/** TCP dial to a server (dmsg.md 3.1). */
export const SERVER_DIAL_TIMEOUT_MS = 10_000;
/** First wait after a round in which no server could be reached (dmsg.md 11). */
export const SESSION_RETRY_FIRST_MS = 5_000;
export const SESSION_RETRY_GROWTH = 1.3;
/**
 * The longest wait between rounds. A peer that was cut off must be reached within 60 s of the end of that: it may
 * take the rest of a dial (3 s), this wait, and then what a caller remembers of its last failure
 * (`PAIR_FAILURE_MS`) with the caller's own pause. So it is well below the 1 min of dmsg.md 11.
 */
export const SESSION_RETRY_MAX_MS = 15_000;
/** Each wait between rounds is shorter by a random part of this share: a fleet that was cut off does not dial at once. */
export const SESSION_RETRY_JITTER = 0.25;
/**
 * Servers dialled at once. A discovery takes the entry of whoever has a key, so the length of its list is a
 * stranger's choice.
 */
export const SESSION_DIALS_MAX = 16;
/** Sessions of one client, strangers' and trusted ones. Places are kept for every trusted server. */
export const SESSIONS_MAX = 512;
/** A round begins no further dial after so long; the next one begins with the trusted servers again. */
export const SESSION_ROUND_MS = 30_000;

/** How long to wait between rounds in which sessions stayed missing. */
export interface SessionRetry {
  readonly firstMs: number;
  readonly growth: number;
  readonly maxMs: number;
}

/** A client's patience (dmsg.md 11). */
export const SESSION_RETRY: SessionRetry = {
  firstMs: SESSION_RETRY_FIRST_MS,
  growth: SESSION_RETRY_GROWTH,
  maxMs: SESSION_RETRY_MAX_MS,
};
/** How often the number of sessions is looked at without being told of a change (dmsg.md 11). */
export const RECONNECT_CHECK_MS = 15_000;
/** On close: what the last bytes of all sessions have; a visor's whole end is to take less than a second. */
export const SESSIONS_LINGER_MS = 300;
/** A lost session is dialled again after a random part of this: a restarted server meets its fleet spread out. */
export const RECONNECT_JITTER_MS = 500;

export interface SessionsOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network">;
  readonly local: KeyPair;
  readonly log: Log;
  /** Sessions to hold; 0 means one with every server (dmsg.md 11). */
  readonly sessionsMin: number;
  readonly retry?: SessionRetry;
  readonly postQuantum?: PostQuantum;
  readonly scope: Scope;
  /** Servers to choose from, now: from the discovery, else seeded. */
  readonly servers: (signal: AbortSignal) => Promise<Entry[]>;
  /** Seeded and configured servers: they come before those of which only a discovery knows. */
  readonly trusted?: ReadonlySet<PublicKey>;
  readonly onStream: (stream: YamuxStream, session: Session) => void;
  /** Called after each session that came or went. */
  readonly onChange: () => void;
}

/** Neither the discovery nor the seeds name a server. */
export class NoServersError extends WorldError {
  readonly code = "NO_DMSG_SERVERS";
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #live = new Map<PublicKey, Session>();
  readonly #dialing = new Map<PublicKey, Promise<Session>>();
  readonly #nudge = new Nudge();
  readonly #history: SessionHistory;
  #lastFailure: string | undefined;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#history = new SessionHistory(options.world.clock, () => this.live());
  }

  /** Begins to keep the wanted number of sessions. */
  start(): void {
    this.#options.scope.spawn("keep sessions", (signal) => this.#keep(signal));
  }

  /** Sessions that take streams now, in the order in which they were made. */
  live(): Session[] {
    return [...this.#live.values()].filter((session) => session.isLive);
  }

  get(server: PublicKey): Session | undefined {
    const session = this.#live.get(server);
    return session?.isLive ? session : undefined;
  }

  /** How they ended so far. */
  get history(): SessionHistory {
    return this.#history;
  }

  /** Why the last attempt to reach a server failed; undefined after a success. */
  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  /**
   * The session with the server of `entry`, dialled now when there is none. `signal` ends the wait; a dial that
   * others share goes on. Errors: 101 not a server, unreachable, handshake failed, timed out, `LimitError`.
   */
  ensure(entry: Entry, signal?: AbortSignal): Promise<Session> {
    const existing = this.get(entry.static);
    if (existing !== undefined) return Promise.resolve(existing);
    let dial = this.#dialing.get(entry.static);
    if (dial === undefined) {
      if (!this.#hasRoom(entry.static)) {
        return Promise.reject(
          new LimitError(`This client has sessions with ${SESSIONS_MAX} servers already`),
        );
      }
      dial = this.#dial(entry);
      this.#dialing.set(entry.static, dial);
      const forget = () => this.#dialing.delete(entry.static);
      dial.then(forget, forget);
    }
    return orAbort(dial, signal);
  }

  /** Sessions with those of `entries` that there are none with, some dialled at once; each end is told. */
  async ensureAll(
    entries: readonly Entry[],
    onEnd: (entry: Entry, failure: unknown) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    await someAtOnce(this.#byTrust(entries), SESSION_DIALS_MAX, async (entry) => {
      await this.ensure(entry, signal).then(() => onEnd(entry, undefined), (error) => {
        signal?.throwIfAborted();
        onEnd(entry, error);
      });
    });
  }

  /** Looks at once whether sessions are missing. */
  nudge(): void {
    this.#nudge.ring();
  }

  /** Ends every session and joins every dial; further dials fail. The scope must have ended. */
  async close(): Promise<void> {
    const sessions = [...this.#live.values()];
    for (const session of sessions) session.close();
    await Promise.allSettled(this.#dialing.values());
    // A server that takes nothing more must not hold our end up for the whole of a connection's linger.
    const timer = this.#options.world.clock.timer(SESSIONS_LINGER_MS, () => {
      for (const session of sessions) session.close(new ConnClosedError(undefined, "The client is closed"));
    });
    await Promise.all(sessions.map((session) => session.closed));
    timer.cancel();
  }

  async #dial(entry: Entry): Promise<Session> {
    const { world, local, log, postQuantum, scope } = this.#options;
    if (entry.server === undefined) throw new DmsgError(101);
    if (entry.protocol === "smux") throw new DmsgError(202, { cause: new Error("The server speaks smux") });
    const address = parseServerAddress(entry.server.address);
    const session = await dialSession(address, entry.static, {
      world,
      local,
      log,
      postQuantum,
      signal: scope.signal,
      onStream: this.#options.onStream,
    });
    if (scope.signal.aborted) {
      session.close();
      await session.closed;
      throw scope.signal.reason;
    }
    this.#install(session);
    return session;
  }

  #install(session: Session): void {
    const { log, scope, world } = this.#options;
    this.#live.get(session.remote)?.close();
    this.#live.delete(session.remote); // first: the table stays in the order in which sessions were made
    this.#live.set(session.remote, session);
    this.#lastFailure = undefined;
    log.info("Session established", {
      server: session.remote,
      address: session.status().remoteAddress,
      post_quantum: session.postQuantum,
    });
    this.#options.onChange();
    scope.spawn("watch session", async () => {
      const liveness = new SessionLiveness(session, world.clock, log);
      await session.closed;
      liveness.stop();
      // Only what is still ours is taken out: a late corpse must not evict its replacement (DC-11).
      if (this.#live.get(session.remote) !== session) return;
      this.#live.delete(session.remote);
      const ended = this.#history.ended(session);
      if (scope.signal.aborted) return;
      log.warn("Session ended", {
        server: session.remote,
        lived_ms: ended.livedMs,
        cause: describeError(session.mux.failure ?? "closed by the server"),
      });
      this.#options.onChange();
      // Two processes with one key evict each other: without the wait they would do so many times a second.
      if (this.#history.lost(ended)) this.#nudge.ring();
    });
  }

  /** Keeps the wanted number of sessions. A round that reaches nobody waits longer each time. */
  async #keep(signal: AbortSignal): Promise<void> {
    const { world: { clock, random }, log, retry = SESSION_RETRY } = this.#options;
    let retryMs = retry.firstMs;
    let jitter = false; // the first round of all starts at once
    while (!signal.aborted) {
      if (jitter) await sleep(clock, RECONNECT_JITTER_MS * unit(random), signal);
      jitter = true;
      const missing = await this.#connectMissing(signal).catch((error) => {
        if (signal.aborted) throw signal.reason;
        this.#lastFailure = describeError(error);
        log.debug("No servers to connect to", { cause: this.#lastFailure });
        return true;
      });
      const isCalm = !missing && this.#history.isCalm;
      const waitMs = isCalm ? RECONNECT_CHECK_MS : retryMs * (1 - SESSION_RETRY_JITTER * unit(random));
      retryMs = isCalm ? retry.firstMs : Math.min(retryMs * retry.growth, retry.maxMs);
      if (await this.#nudge.wait(clock, waitMs, signal)) retryMs = retry.firstMs;
    }
  }

  /** One round; true when sessions are still missing after it. */
  async #connectMissing(signal: AbortSignal): Promise<boolean> {
    const { sessionsMin, log, local } = this.#options;
    if (sessionsMin > 0 && this.live().length >= sessionsMin) return false;
    const servers = await this.#options.servers(signal);
    const others = byRandomWeight(servers, this.#options.world.random)
      .filter((entry) => entry.static !== local.publicKey);
    if (others.length === 0) throw new NoServersError("No dmsg server is known");
    const unconnected = () => others.filter((entry) => this.get(entry.static) === undefined);
    const isEvery = sessionsMin === 0;
    const missing = () => isEvery ? unconnected().length : sessionsMin - this.live().length;
    const untilMs = this.#options.world.clock.monotonicMs() + SESSION_ROUND_MS;
    // Of few that are wanted each server has its turn; only a round that is for all of them ends by the clock.
    const isOver = () => signal.aborted || (isEvery && this.#options.world.clock.monotonicMs() >= untilMs);
    const candidates = isEvery ? this.#byTrust(unconnected()) : unconnected();
    while (candidates.length > 0 && missing() > 0 && !isOver()) {
      const some = isEvery ? candidates.length : missing();
      const batch = candidates.splice(0, some).filter(({ static: server }) => this.#hasRoom(server));
      await someAtOnce(batch, SESSION_DIALS_MAX, async (entry) => {
        await this.ensure(entry, signal).catch((error) => {
          if (signal.aborted || error instanceof LimitError) return;
          this.#lastFailure = describeError(error);
          log.warn("Cannot reach server", { server: entry.static, cause: this.#lastFailure });
        });
      }, isOver);
    }
    return missing() > 0;
  }

  /** Trusted servers first, each of both kinds in the order in which they were. */
  #byTrust(entries: readonly Entry[]): Entry[] {
    const { trusted = NOBODY } = this.#options;
    return [
      ...entries.filter((entry) => trusted.has(entry.static)),
      ...entries.filter((entry) => !trusted.has(entry.static)),
    ];
  }

  /** Whether one more session, with `server`, is within {@link SESSIONS_MAX}: a trusted server's place is kept free. */
  #hasRoom(server: PublicKey): boolean {
    const { trusted = NOBODY } = this.#options;
    if (trusted.has(server)) return true;
    const strangers = [...this.#live.keys(), ...this.#dialing.keys()].filter((key) => !trusted.has(key));
    return new Set(strangers).size < SESSIONS_MAX - trusted.size;
  }
}

const NOBODY: ReadonlySet<PublicKey> = new Set();

/** TCP and handshake to one server; nothing is left of it when it fails. */
export async function dialSession(
  address: SocketAddress,
  server: PublicKey,
  options: {
    world: Pick<World, "clock" | "random" | "ledger" | "network">;
    local: KeyPair;
    log: Log;
    postQuantum?: PostQuantum;
    onStream: (stream: YamuxStream, session: Session) => void;
    signal: AbortSignal;
  },
): Promise<Session> {
  const { world, signal } = options;
  const conn = await withTimeout(
    world.clock,
    { what: `Connecting to server ${server}`, afterMs: SERVER_DIAL_TIMEOUT_MS, signal },
    (ended) => world.network.dial(address, { signal: ended }),
  );
  try {
    return await connectSession(conn, address, server, options);
  } catch (error) {
    await conn.closed; // by connectSession
    throw error;
  }
}
