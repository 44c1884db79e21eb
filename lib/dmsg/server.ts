/**
 * The dmsg server: accepts sessions, relays streams between them, and says in the discovery that it is there.
 *
 * It sees who talks to whom, and never what: streams are encrypted end to end. Accepting starts at once and
 * waits for nothing else (DS-3): ready means accepting.
 *
 * @module
 */
import { ConnClosedError, describeError, LimitError, type Log, Scope, silentLog } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import { PostQuantum, type PostQuantumSettings, PqRequiredError } from "../noise/mod.ts";
import {
  sleep,
  type SocketAddress,
  type SocketConn,
  type SocketListener,
  type World,
} from "../runtime/mod.ts";
import { endOf } from "./_ended.ts";
import { OwnStreams } from "./_own_streams.ts";
import { PeerLinks, type PeerLinkStatus, type PeerSettings } from "./_peer_links.ts";
import { EntryPublisher, type PublisherStatus } from "./_publisher.ts";
import { PublisherGroup } from "./_publisher_group.ts";
import { relayStream } from "./_relay.ts";
import { STREAM_READ_IDLE_MS } from "./_respond.ts";
import type { YamuxStream } from "../yamux/mod.ts";
import type { Discovery } from "./discovery.ts";
import type { Listener } from "./listener.ts";
import { acceptSession, type Session, type SessionStatus } from "./session.ts";

export { PEER_LINKS_MAX, type PeerLinkStatus, type PeerServer, type PeerSettings } from "./_peer_links.ts";
export { RELAYED_STREAMS_MAX } from "./_peer_streams.ts";

/** Sessions that a server takes unless configured otherwise (dmsg.md 13.1). */
export const SERVER_SESSIONS_MAX = 2_048;
/** Handshakes under way at once; further connections wait in the system's backlog, at most for {@link HANDSHAKE_GRACE_MS}. */
export const SERVER_HANDSHAKES_MAX = 256;
/** A server's entry lives for 2 min in a discovery and is posted anew each minute (dmsg.md 8.4). */
export const SERVER_ENTRY_REFRESH_MS = 60_000;
/** When all places of handshakes are taken, one that is older is ended for the next: a handshake takes two round trips. */
export const HANDSHAKE_GRACE_MS = 1_000;
/** Wait after an accept that failed, e.g. for want of file descriptors. */
export const ACCEPT_RETRY_MS = 100;

/** A discovery to register at, and as what. */
export interface Registration {
  readonly discovery: Discovery;
  /** As in {@link DmsgServerOptions}, which it beats. */
  readonly publicAddress?: string | undefined;
}

export interface DmsgServerOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network">;
  readonly local: KeyPair;
  readonly log?: Log;
  readonly sessionsMax?: number;
  /** Where to register; none: clients must know the server otherwise. */
  readonly discovery?: Discovery;
  /** Further discoveries: of each deployment that the server is part of. */
  readonly registrations?: readonly Registration[];
  /** `host:port` under which clients reach it; the bound address when absent. */
  readonly publicAddress?: string;
  readonly entryRefreshMs?: number;
  /** Proves to the discovery that this is an official server; sent in clear (dmsg.md 9.4). */
  readonly authPassphrase?: string;
  /** The post-quantum hybrid of every session. Default: answered, never required. */
  readonly postQuantum?: PostQuantumSettings;
  /** Links with other servers (DS-8). Default: none, and no announcement is taken. */
  readonly peering?: PeerSettings;
}

export interface DmsgServerStatus {
  /** True while connections are accepted. */
  readonly ready: boolean;
  readonly publicKey: PublicKey;
  readonly address: string | undefined;
  readonly sessions: number;
  readonly sessionsMax: number;
  /** Of several: of one that is not published, if there is one. */
  readonly entry: PublisherStatus | undefined;
  readonly peers: readonly PeerLinkStatus[];
  /** Streams that are relayed from or to a peer. */
  readonly relayedStreams: number;
  /** A key that two processes use: its sessions replace each other. Undefined when none was seen. */
  readonly lastReplaced:
    | { readonly key: PublicKey; readonly atMs: number; readonly count: number }
    | undefined;
}

export class DmsgServer implements AsyncDisposable {
  readonly local: KeyPair;
  readonly #options: DmsgServerOptions;
  readonly #log: Log;
  readonly #postQuantum: PostQuantum;
  readonly #scope = new Scope();
  readonly #publishing = new Scope(this.#scope);
  readonly #sessions = new Map<PublicKey, Session>();
  readonly #relaying = new Set<Promise<void>>();
  readonly #peers: PeerLinks;
  readonly #own: OwnStreams;
  /** Connections whose handshake is under way, oldest first, with the time at which each was accepted. */
  readonly #handshakes = new Map<SocketConn, number>();
  #handshakeEnded: (() => void) | undefined;
  #listener: SocketListener | undefined;
  #publisher: PublisherGroup | undefined;
  #replaced: { key: PublicKey; atMs: number; count: number } | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: DmsgServerOptions) {
    this.#options = options;
    this.local = options.local;
    this.#log = options.log ?? silentLog;
    this.#postQuantum = new PostQuantum({
      ...options.postQuantum,
      random: options.world.random,
      log: this.#log,
    });
    this.#own = new OwnStreams({
      world: options.world,
      local: this.local,
      log: this.#log,
      postQuantum: this.#postQuantum,
      readIdleMs: STREAM_READ_IDLE_MS,
      scope: this.#scope,
    });
    this.#peers = new PeerLinks({
      world: options.world,
      local: options.local,
      log: this.#log,
      settings: options.peering ?? {},
      postQuantum: this.#postQuantum,
      scope: this.#scope,
      onStream: (stream, session) => this.#relay(stream, session),
      onPromoted: (session) => {
        this.#forgetClient(session);
        this.#publisher?.nudge();
      },
    });
  }

  /** Binds and accepts from now on. Registration follows in the background. Errors: those of `Network.listen`. */
  async listen(at: SocketAddress): Promise<SocketAddress> {
    if (this.#listener !== undefined) throw new TypeError("The server listens already");
    const listener = await this.#options.world.network.listen(at);
    if (this.#closing !== undefined) {
      listener.close();
      throw new ConnClosedError(undefined, "The dmsg server is closed");
    }
    this.#listener = listener;
    this.#scope.spawn("accept sessions", (signal) => this.#accept(listener, signal));
    this.#publish(listener.address);
    this.#peers.start();
    return listener.address;
  }

  /**
   * Takes streams to the server's own key on a dmsg port: of its clients, and of what peers forward. Errors: 400 when
   * the port is taken, 200 when the server has ended.
   */
  listenOn(port: number): Listener {
    return this.#own.listen(port);
  }

  /** Settles with the failure that ended the data plane, or undefined after an orderly close. */
  get ended(): Promise<unknown> {
    return endOf(this.#scope);
  }

  get publicKey(): PublicKey {
    return this.local.publicKey;
  }

  status(): DmsgServerStatus {
    return {
      ready: this.#listener !== undefined && !this.#scope.signal.aborted,
      publicKey: this.publicKey,
      address: this.#advertisedAddress(),
      sessions: this.#sessions.size,
      sessionsMax: this.#sessionsMax,
      entry: this.#publisher?.status(),
      peers: this.#peers.status(),
      relayedStreams: this.#peers.streams.count,
      lastReplaced: this.#replaced,
    };
  }

  sessions(): SessionStatus[] {
    return [...this.#sessions.values()].map((session) => session.status());
  }

  /** Ends in order: publishing (joined), the entry (deleted, DS-6), accepting, sessions. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Those that count towards the limit. */
  get #clientSessions(): number {
    return this.#sessions.size - (this.#sessions.has(this.publicKey) ? 1 : 0);
  }

  get #sessionsMax(): number {
    return this.#options.sessionsMax ?? SERVER_SESSIONS_MAX;
  }

  async #close(): Promise<void> {
    const reason = new ConnClosedError(undefined, "The dmsg server is closed");
    // The entry goes first, while a discovery that is a client of ours can still be told.
    this.#publishing.end(reason);
    await this.#publisher?.remove();
    this.#scope.end(reason);
    this.#listener?.close();
    this.#handshakeEnded?.();
    const sessions = [...this.#sessions.values(), ...this.#peers.accepted()];
    for (const session of sessions) session.close();
    await Promise.all(sessions.map((session) => session.closed));
    await Promise.all(this.#relaying);
    await this.#scope[Symbol.asyncDispose]();
  }

  #advertisedAddress(): string | undefined {
    const bound = this.#listener?.address;
    return this.#options.publicAddress || (bound && `${bound.hostname}:${bound.port}`);
  }

  /** One bad peer ends its own connection only; a failing accept backs off and goes on. */
  async #accept(listener: SocketListener, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let conn: SocketConn | null;
      try {
        conn = await listener.accept();
      } catch (error) {
        this.#log.warn("Accept failed", { cause: describeError(error) });
        await sleep(this.#options.world.clock, ACCEPT_RETRY_MS, signal);
        continue;
      }
      if (conn === null) {
        if (signal.aborted) return;
        throw new ConnClosedError(undefined, "The listener of the dmsg server ended by itself");
      }
      const accepted = conn;
      while (this.#handshakes.size >= SERVER_HANDSHAKES_MAX && !signal.aborted) await this.#handshakeRoom();
      if (signal.aborted) return accepted.close(signal.reason);
      this.#handshakes.set(accepted, this.#options.world.clock.monotonicMs());
      this.#scope.spawn("session", (ended) => this.#serve(accepted, ended));
    }
  }

  /**
   * Waits for a handshake to end, and ends the oldest one that had its time: connections that say nothing must not
   * keep out those that do.
   */
  async #handshakeRoom(): Promise<void> {
    const { clock } = this.#options.world;
    const [conn, acceptedMs] = this.#handshakes.entries().next().value!;
    const leftMs = acceptedMs + HANDSHAKE_GRACE_MS - clock.monotonicMs();
    if (leftMs <= 0) {
      this.#handshakes.delete(conn);
      return conn.close(new LimitError("More handshakes are under way than the server takes"));
    }
    await new Promise<void>((resolve) => {
      const timer = clock.timer(leftMs, resolve);
      this.#handshakeEnded = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#handshakeEnded = undefined;
  }

  /** A connection from its handshake to its end. Never rejects. */
  async #serve(conn: SocketConn, signal: AbortSignal): Promise<void> {
    const { world } = this.#options;
    const remoteAddress = conn.remote;
    let session: Session | undefined;
    try {
      session = await acceptSession(conn, remoteAddress, {
        world,
        local: this.local,
        log: this.#log,
        postQuantum: this.#postQuantum,
        signal,
        onStream: (stream, from) => this.#relay(stream, from),
      });
    } catch (error) {
      const address = `${remoteAddress.hostname}:${remoteAddress.port}`;
      const cause = describeError(error);
      if (error instanceof PqRequiredError) {
        this.#log.warn("Session refused", { key: error.peer, address, cause });
      } else if (!signal.aborted) this.#log.debug("Handshake failed", { address, cause });
    } finally {
      this.#handshakes.delete(conn);
      this.#handshakeEnded?.();
    }
    if (session === undefined) return await conn.closed;
    this.#install(session, signal);
    await session.closed;
    this.#peers.forget(session);
    this.#forgetClient(session);
    if (!signal.aborted) this.#publisher?.nudge();
  }

  /** Only what is still ours is taken out: a late corpse must not evict its replacement. */
  #forgetClient(session: Session): void {
    if (this.#sessions.get(session.remote) === session) this.#sessions.delete(session.remote);
  }

  #relay(stream: YamuxStream, from: Session): void {
    const { signal } = this.#scope;
    const relayed = relayStream(stream, from, {
      clock: this.#options.world.clock,
      local: this.local,
      log: this.#log,
      session: (key) => this.#sessions.get(key),
      peers: this.#peers,
      own: this.#own,
      signal,
    }).finally(() => this.#relaying.delete(relayed));
    this.#relaying.add(relayed);
  }

  /** Newest wins (DS-1): the older session of the key is closed, after the new one has taken its place. */
  #install(session: Session, signal: AbortSignal): void {
    if (signal.aborted) return session.close(signal.reason);
    const older = this.#sessions.get(session.remote);
    const isOwn = session.remote === this.publicKey; // of the transit client, which takes nobody's place
    if (older === undefined && !isOwn && this.#clientSessions >= this.#sessionsMax) {
      this.#log.warn("Session refused: the server is full", { sessions_max: this.#sessionsMax });
      return session.close();
    }
    this.#sessions.set(session.remote, session);
    const { remoteAddress: address, postQuantum } = session.status();
    this.#log.info("Session established", { client: session.remote, address, post_quantum: postQuantum });
    if (older !== undefined) this.#noteReplaced(older, session);
    this.#publisher?.nudge();
  }

  #noteReplaced(older: Session, session: Session): void {
    const now = session.status().remoteAddress;
    const before = older.status();
    older.close(new ConnClosedError(undefined, "A newer session of the same key took its place"));
    const isSameHost = older.remoteAddress.hostname === session.remoteAddress.hostname;
    this.#replaced = {
      key: session.remote,
      atMs: this.#options.world.clock.wallMs(),
      count: this.#replaced?.key === session.remote ? this.#replaced.count + 1 : 1,
    };
    this.#log.warn(
      "A newer session of the same key replaces an older one; are two processes using this key?",
      {
        key: session.remote,
        older_address: before.remoteAddress,
        newer_address: now,
        older_lived_ms: before.uptimeMs,
        same_host: isSameHost,
      },
    );
  }

  #publish(bound: SocketAddress): void {
    const { discovery, registrations = [] } = this.#options;
    const all = discovery === undefined ? registrations : [{ discovery }, ...registrations];
    if (all.length === 0) return;
    this.#publisher = new PublisherGroup(all.map((registration) => this.#publishAt(registration, bound)));
    this.#publisher.nudge();
  }

  #publishAt({ discovery, publicAddress }: Registration, bound: SocketAddress): EntryPublisher {
    const { world, entryRefreshMs = SERVER_ENTRY_REFRESH_MS, authPassphrase } = this.#options;
    const address = publicAddress || this.#options.publicAddress || `${bound.hostname}:${bound.port}`;
    return new EntryPublisher({
      world,
      local: this.local,
      log: this.#log,
      scope: this.#publishing,
      discovery,
      refreshMs: entryRefreshMs,
      content: () => ({
        server: {
          address,
          availableSessions: this.#sessionsMax - this.#clientSessions,
          serverType: authPassphrase || undefined,
        },
      }),
      same: (a, b) =>
        a.server?.address === b.server?.address &&
        a.server?.availableSessions === b.server?.availableSessions,
    });
  }
}
