/**
 * The skysocks server: SOCKS5 for whoever reaches this visor over a route (routing.md 11.1).
 *
 *     Conn of a client --yamux--> stream --SOCKS5 CONNECT--> TCP connection from here
 *
 * What goes wrong in a stream ends that stream, in a session that session: the loop that accepts survives both,
 * and nothing of either is left (VI-3).
 *
 * @module
 */
import {
  type Conn,
  ConnClosedError,
  ConnResetError,
  describeError,
  LimitError,
  type Log,
  Scope,
} from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import {
  type DialOptions,
  sleep,
  type SocketAddress,
  type SocketConn,
  withTimeout,
} from "../../runtime/mod.ts";
import type { World } from "../../runtime/mod.ts";
import { YamuxSession, type YamuxStream } from "../../yamux/mod.ts";
import { Relays } from "../_relay.ts";
import {
  acceptSocks,
  encodeReply,
  refuseRequest,
  replyToDialFailure,
  SOCKS_REPLY,
  type SocksRequest,
} from "../socks5/mod.ts";
import { SKYSOCKS_MUX } from "./limits.ts";

/** A connection of a client whose key a handshake has proved: a route group, an app-direct stream, a dmsg stream. */
export type SkysocksConn = Conn & { readonly remote: { readonly publicKey: PublicKey } };

/** Where clients come from. Null: the listener is closed. */
export interface SkysocksListener {
  accept(): Promise<SkysocksConn | null>;
  close(): void;
}

export interface SkysocksServerOptions {
  readonly world: Pick<World, "clock" | "ledger">;
  /** Owned: closed with the server. */
  readonly listener: SkysocksListener;
  /** `world.network.dial`, or something that looks names up elsewhere. */
  readonly dialTcp: (to: SocketAddress, options: DialOptions) => Promise<SocketConn>;
  /** Keys that are served; others are closed before yamux. Undefined: everybody. */
  readonly whitelist?: ReadonlySet<PublicKey>;
  /** Asks for user and password (v24); either may hold it. */
  readonly passcode?: string;
  readonly log: Log;
}

/** Numbers of now, and totals since the start. */
export interface SkysocksServerStatus {
  readonly sessions: number;
  readonly connections: number;
  readonly sessionsTotal: number;
  readonly connectionsTotal: number;
  /** Sessions that were refused: not on the whitelist, or too many. */
  readonly refusedTotal: number;
}

/** Clients at the same time; a further one is closed before yamux. */
export const SKYSOCKS_SESSIONS_MAX = 256;
/** Connections of all clients at the same time; a further stream is reset. */
export const SKYSOCKS_CONNECTIONS_MAX = 4_096;
/** One dial of a target. */
export const TARGET_DIAL_TIMEOUT_MS = 30_000;
/** After an accept that failed; doubled each time. */
const ACCEPT_RETRY_MS = 100;
const ACCEPT_RETRY_MS_MAX = 5_000;

/** Starts a server. It ends on `close`, or by itself when its listener does. */
export function skysocksServer(options: SkysocksServerOptions): SkysocksServer {
  return new SkysocksServer(options);
}

/** Made by {@link skysocksServer}. */
export class SkysocksServer implements AsyncDisposable {
  /** Settles when nobody is accepted any more; clients that are here stay until `close`. Never rejects. */
  readonly ended: Promise<void>;
  readonly #options: SkysocksServerOptions;
  readonly #scope = new Scope();
  readonly #sessions = new Set<YamuxSession>();
  #connections = 0;
  #sessionsTotal = 0;
  #connectionsTotal = 0;
  #refusedTotal = 0;

  constructor(options: SkysocksServerOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#scope.spawn("skysocks accept", (signal) => this.#acceptAll(signal).finally(resolve));
  }

  status(): SkysocksServerStatus {
    return {
      sessions: this.#sessions.size,
      connections: this.#connections,
      sessionsTotal: this.#sessionsTotal,
      connectionsTotal: this.#connectionsTotal,
      refusedTotal: this.#refusedTotal,
    };
  }

  /** Ends the listener, every session and every connection, and waits for the last of them. */
  async close(
    reason: unknown = new ConnClosedError(undefined, "The skysocks server is closed"),
  ): Promise<void> {
    this.#scope.end(reason);
    this.#options.listener.close();
    for (const session of [...this.#sessions]) session.close(reason);
    await this.#scope[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #acceptAll(signal: AbortSignal): Promise<void> {
    const { listener, log, world } = this.#options;
    let retryMs = ACCEPT_RETRY_MS;
    while (!signal.aborted) {
      try {
        const conn = await listener.accept();
        if (conn === null) return;
        retryMs = ACCEPT_RETRY_MS;
        this.#admit(conn, signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn("Cannot accept a client", { why: describeError(error) });
        await sleep(world.clock, retryMs, signal).catch(() => {}); // its end is the loop's condition
        retryMs = Math.min(retryMs * 2, ACCEPT_RETRY_MS_MAX);
      }
    }
  }

  #admit(conn: SkysocksConn, signal: AbortSignal): void {
    const { whitelist, log } = this.#options;
    const client = conn.remote.publicKey;
    const refuse = (why: string) => {
      this.#refusedTotal++;
      log.warn("A client is refused", { client, why });
      conn.close(new LimitError(`The client is refused: ${why}`));
    };
    if (signal.aborted) return conn.close(signal.reason);
    if (whitelist !== undefined && !whitelist.has(client)) return refuse("not on the whitelist");
    if (this.#sessions.size >= SKYSOCKS_SESSIONS_MAX) return refuse(`${SKYSOCKS_SESSIONS_MAX} are here`);
    this.#scope.spawn("skysocks session", () => this.#serve(conn, client));
  }

  /** One client, until its Conn ends. Never rejects. */
  async #serve(conn: Conn, client: PublicKey): Promise<void> {
    const { world, log } = this.#options;
    const relays = new Relays(world.clock);
    const tasks = new Set<Promise<void>>();
    const session = new YamuxSession(conn, {
      role: "server",
      world,
      limits: SKYSOCKS_MUX,
      onStream: (stream) => {
        if (this.#connections >= SKYSOCKS_CONNECTIONS_MAX) {
          return stream.close(new LimitError(`The server has ${SKYSOCKS_CONNECTIONS_MAX} connections`));
        }
        const task = this.#connect(stream, relays).finally(() => tasks.delete(task));
        tasks.add(task);
      },
    });
    this.#sessionsTotal++;
    this.#sessions.add(session);
    log.debug("A client has come", { client });
    await session.ended;
    this.#sessions.delete(session);
    relays.sessionEnded(session.failure ?? new ConnResetError("The session has ended"));
    await session.closed;
    if (this.#scope.signal.aborted) relays.abort(this.#scope.signal.reason);
    await Promise.all(tasks);
    const why = session.failure === undefined ? undefined : describeError(session.failure);
    log.debug("A client has gone", { client, why });
  }

  /** One stream: handshake, dial, bytes. Never rejects; whatever happens, both ends are closed. */
  async #connect(stream: YamuxStream, relays: Relays): Promise<void> {
    const { world: { clock }, passcode, log } = this.#options;
    this.#connections++;
    this.#connectionsTotal++;
    try {
      const request = await acceptSocks(stream, { clock, admission: { passcode } }); // closes it when it fails
      const target = await this.#dial(stream, request);
      if (target !== undefined) await this.#relay(request.conn, target, relays);
    } catch (error) {
      log.debug("A connection has failed", { why: describeError(error) });
    } finally {
      this.#connections--;
    }
  }

  async #relay(conn: Conn, target: SocketConn, relays: Relays): Promise<void> {
    try {
      await conn.write(encodeReply(SOCKS_REPLY.succeeded, target.local));
    } catch (error) {
      target.close(error);
      conn.close(error);
      throw error;
    }
    try {
      await relays.run(conn, target);
    } finally {
      await target.closed;
    }
  }

  /** Undefined: the client was told why not. The dial ends with its stream. */
  async #dial(stream: YamuxStream, { target, conn }: SocksRequest): Promise<SocketConn | undefined> {
    const { world: { clock }, dialTcp, log } = this.#options;
    const gone = new AbortController();
    void stream.closed.then(() => gone.abort(new ConnResetError("The client has gone")));
    try {
      return await withTimeout(
        clock,
        { what: "The dial of a target", afterMs: TARGET_DIAL_TIMEOUT_MS, signal: gone.signal },
        (signal) => dialTcp(target, { signal }),
      );
    } catch (error) {
      if (gone.signal.aborted) {
        conn.close(error);
        throw error;
      }
      const reply = replyToDialFailure(error);
      log.debug("A target cannot be reached", { reply, why: describeError(error) });
      await refuseRequest(conn, reply);
      return undefined;
    }
  }
}
