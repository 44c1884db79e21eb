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
import { type WindowBudget, YamuxSession, type YamuxStream } from "../../yamux/mod.ts";
import { Relays } from "../_relay.ts";
import {
  acceptSocks,
  encodeReply,
  refuseRequest,
  replyToDialFailure,
  SOCKS_REPLY,
  type SocksRequest,
} from "../socks5/mod.ts";
import { clientWindow, serverWindow, SKYSOCKS_MUX } from "./limits.ts";

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

/** One key's part of a server. */
interface Client {
  readonly key: PublicKey;
  /** The oldest first. */
  readonly sessions: Set<YamuxSession>;
  connections: number;
  readonly window: WindowBudget;
}

/** Sessions at the same time; for a further one the oldest without streams goes, else it is closed before yamux. */
export const SKYSOCKS_SESSIONS_MAX = 256;
/** Of these, those of one key: a user's programs share one, and keys of a household may be shared. */
export const SKYSOCKS_SESSIONS_OF_KEY_MAX = 16;
/** Connections of all clients at the same time; a further stream is reset. */
export const SKYSOCKS_CONNECTIONS_MAX = 4_096;
/** Of these, those of one key: as many as one session may have. */
export const SKYSOCKS_CONNECTIONS_OF_KEY_MAX = 1_024;
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
  /** By key; one without a session or a connection is not held. */
  readonly #clients = new Map<PublicKey, Client>();
  readonly #sessions = new Map<YamuxSession, Client>();
  readonly #window = serverWindow();
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
    for (const session of [...this.#sessions.keys()]) session.close(reason);
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
    const full = this.#makeRoom(client);
    if (full !== undefined) return refuse(full);
    this.#scope.spawn("skysocks session", () => this.#serve(conn, client));
  }

  /** For one more session of this key: the oldest one without streams goes. Gives why there is none. */
  #makeRoom(key: PublicKey): string | undefined {
    const own = this.#clients.get(key)?.sessions;
    if (own !== undefined && own.size >= SKYSOCKS_SESSIONS_OF_KEY_MAX && !this.#endIdle(own)) {
      return `${SKYSOCKS_SESSIONS_OF_KEY_MAX} of this key are here`;
    }
    const all = this.#sessions;
    if (all.size >= SKYSOCKS_SESSIONS_MAX && !this.#endIdle(all.keys())) {
      return `${SKYSOCKS_SESSIONS_MAX} are here`;
    }
    return undefined;
  }

  /** Ends the first session without streams. False: there is none. */
  #endIdle(sessions: Iterable<YamuxSession>): boolean {
    for (const session of sessions) {
      if (session.streamCount > 0) continue;
      this.#forget(session);
      session.close(new LimitError("A client has come, and there was no other room"));
      return true;
    }
    return false;
  }

  #forget(session: YamuxSession): void {
    const client = this.#sessions.get(session);
    if (client === undefined) return;
    this.#sessions.delete(session);
    client.sessions.delete(session);
    this.#drop(client);
  }

  #clientOf(key: PublicKey): Client {
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const client = {
      key,
      sessions: new Set<YamuxSession>(),
      connections: 0,
      window: clientWindow(this.#window),
    };
    this.#clients.set(key, client);
    return client;
  }

  #drop(client: Client): void {
    if (client.sessions.size === 0 && client.connections === 0) this.#clients.delete(client.key);
  }

  /** One session, until its Conn ends. Never rejects. */
  async #serve(conn: Conn, key: PublicKey): Promise<void> {
    const { world, log } = this.#options;
    const client = this.#clientOf(key);
    const relays = new Relays(world.clock);
    const tasks = new Set<Promise<void>>();
    const session = new YamuxSession(conn, {
      role: "server",
      world,
      limits: SKYSOCKS_MUX,
      windowBudget: client.window,
      onStream: (stream) => {
        if (this.#connections >= SKYSOCKS_CONNECTIONS_MAX) {
          return stream.close(new LimitError(`The server has ${SKYSOCKS_CONNECTIONS_MAX} connections`));
        }
        if (client.connections >= SKYSOCKS_CONNECTIONS_OF_KEY_MAX) {
          return stream.close(new LimitError(`This key has ${SKYSOCKS_CONNECTIONS_OF_KEY_MAX} connections`));
        }
        const task = this.#connect(stream, { client, relays }).finally(() => tasks.delete(task));
        tasks.add(task);
      },
    });
    this.#sessionsTotal++;
    this.#sessions.set(session, client);
    client.sessions.add(session);
    log.debug("A client has come", { client: key });
    await session.ended;
    this.#forget(session);
    relays.sessionEnded(session.failure ?? new ConnResetError("The session has ended"));
    await session.closed;
    if (this.#scope.signal.aborted) relays.abort(this.#scope.signal.reason);
    await Promise.all(tasks);
    const why = session.failure === undefined ? undefined : describeError(session.failure);
    log.debug("A client has gone", { client: key, why });
  }

  /** One stream: handshake, dial, bytes. Never rejects; whatever happens, both ends are closed. */
  async #connect(
    stream: YamuxStream,
    { client, relays }: { readonly client: Client; readonly relays: Relays },
  ): Promise<void> {
    const { world: { clock }, passcode, log } = this.#options;
    this.#connections++;
    client.connections++;
    this.#connectionsTotal++;
    try {
      const request = await acceptSocks(stream, { clock, admission: { passcode } }); // closes it when it fails
      const target = await this.#dial(stream, request);
      if (target !== undefined) await this.#relay(request.conn, target, relays);
    } catch (error) {
      log.debug("A connection has failed", { why: describeError(error) });
    } finally {
      this.#connections--;
      client.connections--;
      this.#drop(client);
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
