/**
 * The skysocks client: a local port whose connections leave the network at a server (routing.md 11.1).
 *
 *     program --TCP, SOCKS5 unread--> here --yamux stream over one Conn--> server --TCP--> target
 *
 * One session at a time, kept for ever: when it dies, or its server does not answer, every connection over it
 * ends with an error at once, and the next session is dialled. Who comes meanwhile waits for it, within a bound,
 * and is then told in SOCKS5.
 *
 * @module
 */
import { type Conn, ConnClosedError, describeError, LimitError, type Log, Scope } from "../../base/mod.ts";
import {
  sleep,
  type SocketAddress,
  type SocketConn,
  type SocketListener,
  type World,
} from "../../runtime/mod.ts";
import type { YamuxStream } from "../../yamux/mod.ts";
import { refuseSocks, SOCKS_REPLY } from "../socks5/mod.ts";
import { SessionKeeper, type SkysocksSession } from "./_session_keeper.ts";

export interface SkysocksClientOptions {
  readonly world: Pick<World, "clock" | "random" | "network" | "ledger">;
  /** A new Conn to the server, which proves its key; owned. */
  readonly dial: (signal: AbortSignal) => Promise<Conn>;
  /** Where programs connect to. Default: 127.0.0.1:1080. */
  readonly listen?: SocketAddress;
  readonly log: Log;
}

/** What is said of a client, computed when it is asked for. */
export interface SkysocksClientStatus {
  /** The words of Skywire's apps (visor.md 4.1). */
  readonly detail: "Starting" | "Running" | "Connection failed, reconnecting" | "Shutting down" | "Stopped";
  readonly listen: SocketAddress;
  /** Connections of programs now, those that wait for a session included. */
  readonly connections: number;
  readonly connectionsTotal: number;
  /** Bytes to and from the server since the start, headers of the multiplexer included. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Of the last ping to the server and back; undefined without a session. */
  readonly latencyMs: number | undefined;
  /** Sessions since the start: more than one means that it healed. */
  readonly sessions: number;
  /** How long the session lives, in milliseconds; undefined without one. */
  readonly upMs: number | undefined;
  /** Why the last session or dial failed. */
  readonly lastError: string | undefined;
}

/** Where v24 listens, on this machine alone. */
export const SKYSOCKS_LISTEN_DEFAULT: SocketAddress = { hostname: "127.0.0.1", port: 1080 };
/** A new connection waits so long for a session; then it is answered in SOCKS5 that there is none. */
export const SESSION_WAIT_MS = 10_000;
/** Connections of programs at the same time; a further one is reset. */
export const SKYSOCKS_CLIENT_CONNECTIONS_MAX = 1_024;
/** After an accept that failed (too many open files). */
const ACCEPT_RETRY_MS = 200;

/** Made by {@link SkysocksClient.start}. Counted as its listener, sockets and session. */
export class SkysocksClient implements AsyncDisposable {
  /** The bound address. */
  readonly listen: SocketAddress;
  /** Settles when no connection is taken any more: after `close`, or when the listener failed. Never rejects. */
  readonly ended: Promise<void>;
  readonly #options: SkysocksClientOptions;
  readonly #listener: SocketListener;
  readonly #scope = new Scope();
  readonly #keeper: SessionKeeper;
  readonly #conns = new Set<SocketConn>(); // of programs
  #connectionsTotal = 0;
  #isClosed = false;

  private constructor(options: SkysocksClientOptions, listener: SocketListener) {
    const { world, dial, log } = options;
    this.#options = options;
    this.#listener = listener;
    this.listen = listener.address;
    this.#keeper = new SessionKeeper({ world, dial, log, scope: this.#scope });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#scope.spawn("skysocks-client accept", (signal) => this.#acceptAll(signal).finally(resolve));
  }

  /** Listens at once and dials behind it. Errors: as `Network.listen`. */
  static async start(options: SkysocksClientOptions): Promise<SkysocksClient> {
    const listener = await options.world.network.listen(options.listen ?? SKYSOCKS_LISTEN_DEFAULT, {
      canReset: true,
    });
    return new SkysocksClient(options, listener);
  }

  status(): SkysocksClientStatus {
    const { session, lastError, sessionsTotal } = this.#keeper;
    const { bytesSent, bytesReceived } = this.#keeper.bytes();
    const { clock } = this.#options.world;
    return {
      detail: this.#detail(),
      listen: this.listen,
      connections: this.#conns.size,
      connectionsTotal: this.#connectionsTotal,
      bytesSent,
      bytesReceived,
      latencyMs: session?.latencyMs,
      sessions: sessionsTotal,
      upMs: session === undefined ? undefined : clock.monotonicMs() - session.mux.openedMs,
      lastError,
    };
  }

  /** Resolves when there is a session; rejects with a `TimedOutError` after `withinMs`, or when it is closed. */
  async ready(withinMs: number): Promise<void> {
    await this.#keeper.wait(withinMs);
  }

  /** Ends the listener, the session and every connection, and waits for the last of them. */
  async close(
    reason: unknown = new ConnClosedError(undefined, "The skysocks client is closed"),
  ): Promise<void> {
    this.#isClosed = true;
    this.#listener.close();
    this.#scope.end(reason);
    this.#keeper.close(reason);
    for (const conn of [...this.#conns]) conn.close(reason);
    await this.#scope[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #acceptAll(signal: AbortSignal): Promise<void> {
    const { world, log } = this.#options;
    for (;;) {
      try {
        const conn = await this.#listener.accept();
        if (conn === null) return;
        if (this.#conns.size >= SKYSOCKS_CLIENT_CONNECTIONS_MAX) {
          conn.close(new LimitError(`The proxy has ${SKYSOCKS_CLIENT_CONNECTIONS_MAX} connections`));
        } else this.#scope.spawn("skysocks-client connection", () => this.#serve(conn));
      } catch (error) {
        if (signal.aborted) return;
        log.warn("Cannot accept a connection", { why: describeError(error) });
        await sleep(world.clock, ACCEPT_RETRY_MS, signal).catch(() => {}); // an end shows at the next accept
      }
    }
  }

  /** One connection of a program. Never rejects. */
  async #serve(conn: SocketConn): Promise<void> {
    const { log } = this.#options;
    this.#conns.add(conn);
    this.#connectionsTotal++;
    try {
      const opened = await this.#openStream(conn);
      if (opened !== undefined) await opened.session.relays.run(conn, opened.stream);
    } catch (error) {
      log.debug("A connection has failed", { why: describeError(error) });
    } finally {
      this.#conns.delete(conn);
      await conn.closed;
    }
  }

  /** Undefined: there is no session, and the program was told so. */
  async #openStream(
    conn: SocketConn,
  ): Promise<{ session: SkysocksSession; stream: YamuxStream } | undefined> {
    const { world: { clock }, log } = this.#options;
    try {
      const session = this.#keeper.session ?? await this.#keeper.wait(SESSION_WAIT_MS);
      return { session, stream: session.mux.open() };
    } catch (error) {
      if (this.#isClosed) return void conn.close(error);
      log.debug("A connection is refused", { why: describeError(error) });
      return void await refuseSocks(conn, clock, SOCKS_REPLY.networkUnreachable);
    }
  }

  #detail(): SkysocksClientStatus["detail"] {
    if (this.#isClosed) return this.#scope.live > 0 ? "Shutting down" : "Stopped";
    if (this.#keeper.session !== undefined) return "Running";
    return this.#keeper.hasFailed ? "Connection failed, reconnecting" : "Starting";
  }
}
