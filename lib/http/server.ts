/**
 * HTTP servers: one connection, or everything that a listener accepts.
 *
 * @module
 */
import { type Conn, describeError, type Log, silentLog } from "../base/mod.ts";
import { renderSocketAddress, sleep, type SocketAddress, type World } from "../runtime/mod.ts";
import type { AnyHandler } from "./handler.ts";
import type { HttpLimits } from "./limits.ts";
import { type ServeOptions, ServerConn } from "./_server_conn.ts";
import { toRawHandler } from "./_web.ts";

export type { ServeOptions } from "./_server_conn.ts";

/** Connections of one server at once. Above it an idle one ends to make room; when none is, new ones wait. */
export const CONNECTIONS_MAX = 4096;
/** How long requests in progress may take to end when a server closes. */
export const CLOSE_MS = 5_000;
/** For a handler to end after its signal, at a close; then it is named in the log, and waited for no more. */
export const HANDLER_END_MS = 1_000;
/** After a failing accept: first and longest pause. */
const ACCEPT_RETRY_MS = 5;
const ACCEPT_RETRY_MAX_MS = 1_000;

/**
 * Serves HTTP/1.1 on `conn` until it ends, and joins it. Owns `conn`. Never rejects: what goes wrong on one
 * connection ends it and is logged. `signal` ends it at once.
 */
export async function serveHttpConn(
  conn: Conn,
  handler: AnyHandler,
  { signal, ...options }: ServeOptions & { readonly signal?: AbortSignal },
): Promise<void> {
  const server = new ServerConn(conn, toRawHandler(handler), options);
  const onAbort = () => server.abort(signal!.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await server.run();
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** What brings connections: a TCP listener, or a dmsg one. */
export interface ConnListener<C extends Conn = Conn> {
  /** The next connection, or null once closed. One accept at a time. */
  accept(): Promise<C | null>;
  close(): void;
}

export interface ServeHttpOptions {
  readonly world: Pick<World, "clock" | "ledger">;
  readonly log?: Log;
  readonly limits?: Partial<HttpLimits>;
  readonly connectionsMax?: number;
  readonly closeMs?: number;
  /** Default {@link HANDLER_END_MS}. */
  readonly handlerEndMs?: number;
  readonly sendDate?: boolean;
}

/** Serves everything that a TCP listener accepts. Owns `listener`. */
export function serveHttp(
  listener: ConnListener<Conn & { readonly remote: SocketAddress }>,
  handler: AnyHandler,
  options: ServeHttpOptions,
): HttpServer {
  return serveHttpOver(listener, handler, (conn) => renderSocketAddress(conn.remote), options);
}

/** As {@link serveHttp} for any listener; `remoteOf` names who is at the other end of a connection. */
export function serveHttpOver<C extends Conn>(
  listener: ConnListener<C>,
  handler: AnyHandler,
  remoteOf: (conn: C) => string,
  options: ServeHttpOptions,
): HttpServer {
  return new AcceptingServer(listener, handler, remoteOf, options);
}

/** A server that runs. */
export interface HttpServer extends AsyncDisposable {
  /** Settles once it accepts no more and every connection has ended. Never rejects. */
  readonly closed: Promise<void>;
  /** Connections now. */
  readonly connections: number;
  /**
   * Stops accepting, lets requests in progress end for at most `closeMs`, aborts their signals then, and joins
   * everything. A handler that still runs `handlerEndMs` later is logged as an error and left alone: its
   * connection is closed, and the ledger counts it until the handler ends.
   */
  close(): Promise<void>;
}

class AcceptingServer<C extends Conn> implements HttpServer {
  readonly closed: Promise<void>;
  readonly #conns = new Map<ServerConn, Promise<void>>();
  readonly #listener: ConnListener<C>;
  readonly #options: ServeHttpOptions;
  readonly #log: Log;
  readonly #stop = new AbortController();
  /** Aborted once those connections that are still there are waited for no more. */
  readonly #leave = new AbortController();
  #roomWanted: (() => void) | undefined;

  constructor(
    listener: ConnListener<C>,
    handler: AnyHandler,
    remoteOf: (conn: C) => string,
    options: ServeHttpOptions,
  ) {
    this.#listener = listener;
    this.#options = options;
    this.#log = options.log ?? silentLog;
    const raw = toRawHandler(handler);
    const onWaiting = () => this.#roomWanted?.();
    this.closed = this.#accept((conn) => {
      const { world, log, limits, sendDate } = this.#options;
      return new ServerConn(conn, raw, {
        clock: world.clock,
        ledger: world.ledger,
        log,
        limits,
        sendDate,
        remote: remoteOf(conn),
        onWaiting,
      });
    });
  }

  get connections(): number {
    return this.#conns.size;
  }

  async close(): Promise<void> {
    if (!this.#stop.signal.aborted) {
      this.#stop.abort(new DOMException("Server closed", "AbortError"));
      this.#roomWanted?.();
      this.#listener.close();
      for (const conn of this.#conns.keys()) conn.finish();
    }
    const { world, closeMs = CLOSE_MS, handlerEndMs = HANDLER_END_MS } = this.#options;
    const timer = world.clock.timer(closeMs, () => {
      for (const conn of this.#conns.keys()) conn.abort(this.#stop.signal.reason);
    });
    const last = world.clock.timer(closeMs + handlerEndMs, () => this.#leaveHandlers());
    await this.closed;
    timer.cancel();
    last.cancel();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #accept(serve: (conn: C) => ServerConn): Promise<void> {
    const release = this.#options.world.ledger.open("http-server");
    const { signal } = this.#stop;
    let retryMs = ACCEPT_RETRY_MS;
    while (!signal.aborted) {
      try {
        const conn = await this.#listener.accept();
        if (conn === null) break;
        retryMs = ACCEPT_RETRY_MS;
        await this.#room();
        this.#add(serve(conn));
      } catch (error) {
        this.#log.warn("Accepting an HTTP connection failed", { reason: describeError(error), retryMs });
        await sleep(this.#options.world.clock, retryMs, signal).catch(() => {}); // the loop looks at the signal
        retryMs = Math.min(ACCEPT_RETRY_MAX_MS, retryMs * 2);
      }
    }
    this.#listener.close();
    const { signal: left } = this.#leave;
    const leaving = new Promise<void>((resolve) =>
      left.addEventListener("abort", () => resolve(), { once: true })
    );
    while (this.#conns.size > 0 && !left.aborted) {
      await Promise.race([leaving, Promise.all(this.#conns.values())]);
    }
    release();
  }

  #leaveHandlers(): void {
    if (this.#leave.signal.aborted) return;
    for (const { request, remote } of this.#conns.keys()) {
      this.#log.error("HTTP handler did not end when its server closed, and is left alone", {
        method: request?.method,
        target: request?.target,
        remote,
      });
    }
    this.#leave.abort();
  }

  #add(conn: ServerConn): void {
    this.#conns.set(
      conn,
      conn.run().finally(() => {
        this.#conns.delete(conn);
        this.#roomWanted?.();
      }),
    );
    if (this.#stop.signal.aborted) conn.finish(); // accepted while closing
  }

  /** Waits until there is room for one more connection; asks the oldest one that is idle to leave. */
  async #room(): Promise<void> {
    const { connectionsMax = CONNECTIONS_MAX } = this.#options;
    while (this.#conns.size >= connectionsMax && !this.#stop.signal.aborted) {
      for (const conn of this.#conns.keys()) {
        if (!conn.isWaiting) continue;
        conn.finish();
        break;
      }
      await new Promise<void>((resolve) => this.#roomWanted = resolve);
      this.#roomWanted = undefined;
    }
  }
}
