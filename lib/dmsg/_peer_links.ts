/**
 * A server's links with other servers: those that it dials and keeps, and those whose dialler announced itself.
 *
 *   dialled:   TCP -> XK (we begin) -> yamux client -> announcement, if wanted -> forwardable
 *   accepted:  a session of ours to serve -> its announcement was taken       -> forwardable
 *
 * Over a link requests of others' clients travel, so the source key of a request need not be the session's.
 * Source: peer-announce.md 3 and 4; DS-8.
 *
 * @module
 */
import { describeError, type Log, type Scope } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import type { PostQuantum } from "../noise/mod.ts";
import { sleep, type SocketConn, withTimeout, type World } from "../runtime/mod.ts";
import type { YamuxStream } from "../yamux/mod.ts";
import { orAbort } from "./_abortable.ts";
import { SessionLiveness } from "./_liveness.ts";
import { announceAsPeer } from "./_peer_announce.ts";
import { RelayedStreams } from "./_peer_streams.ts";
import { HEALTHY_SESSION_MS } from "./_session_history.ts";
import { SERVER_DIAL_TIMEOUT_MS } from "./_sessions.ts";
import { parseServerAddress } from "./address.ts";
import { connectSession, type Session } from "./session.ts";

/** Links at a time unless configured otherwise (`max_peer_links`): over it announcements are refused. */
export const PEER_LINKS_MAX = 512;
/** First wait after a dial that failed; it grows with each further one, and starts anew after a healthy link. */
export const PEER_RETRY_FIRST_MS = 5_000;
export const PEER_RETRY_GROWTH = 1.5;
export const PEER_RETRY_MAX_MS = 60_000;

/** A server to dial. */
export interface PeerServer {
  readonly publicKey: PublicKey;
  /** `host:port` of TCP. */
  readonly address: string;
}

/** What an operator says about peers. Everything is off by default. */
export interface PeerSettings {
  /** Servers to keep a link with. */
  readonly peers?: readonly PeerServer[];
  /** Ask each of them to forward requests for our clients to us. */
  readonly announce?: boolean;
  /** Take announcements of servers that dialled us. */
  readonly acceptAnnouncements?: boolean;
  /** Only of these; none: of anybody. */
  readonly acceptedKeys?: readonly PublicKey[];
  readonly linksMax?: number;
  readonly relayedStreamsMax?: number;
}

export interface PeerLinkStatus {
  readonly publicKey: PublicKey;
  readonly direction: "dialled" | "accepted";
  /** Whether requests for clients that are not here are tried there. */
  readonly forwardable: boolean;
}

export interface PeerLinksOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network">;
  readonly local: KeyPair;
  readonly log: Log;
  readonly settings: PeerSettings;
  readonly postQuantum?: PostQuantum;
  readonly scope: Scope;
  /** Serves a stream that the other end of a dialled link opens. Must not throw. */
  readonly onStream: (stream: YamuxStream, session: Session) => void;
  /** A session became a link: it is no client's any more. */
  readonly onPromoted: (session: Session) => void;
}

interface DialledLink {
  readonly session: Session;
  forwardable: boolean;
}

export class PeerLinks {
  readonly streams: RelayedStreams;
  readonly #options: PeerLinksOptions;
  readonly #configured: ReadonlyMap<PublicKey, PeerServer>;
  readonly #acceptedKeys: ReadonlySet<PublicKey>;
  readonly #dialled = new Map<PublicKey, DialledLink>();
  readonly #promoted = new Map<PublicKey, Session>();

  constructor(options: PeerLinksOptions) {
    const { peers = [], acceptedKeys, relayedStreamsMax } = options.settings;
    this.#options = options;
    this.streams = new RelayedStreams(relayedStreamsMax);
    this.#acceptedKeys = new Set(acceptedKeys);
    this.#configured = new Map(
      peers.filter(({ publicKey }) => publicKey !== options.local.publicKey)
        .map((peer) => [peer.publicKey, peer]),
    );
  }

  /** Begins to keep a link with each configured peer. */
  start(): void {
    for (const peer of this.#configured.values()) {
      this.#options.scope.spawn("keep peer link", (signal) => this.#keep(peer, signal));
    }
  }

  /** Announcements are looked for at all. */
  get takesAnnouncements(): boolean {
    return this.#options.settings.acceptAnnouncements === true;
  }

  /** Over this session requests of other sources are taken: a link, or one that a configured peer dialled. */
  isPeer(session: Session): boolean {
    const { remote } = session;
    return this.#dialled.get(remote)?.session === session || this.#promoted.get(remote) === session ||
      this.#configured.has(remote);
  }

  /** The decision on an announcement that came over `session`, whose key it has proven to be of. */
  admit(session: Session): boolean {
    const { log, settings: { linksMax = PEER_LINKS_MAX } } = this.#options;
    const { remote } = session;
    if (!session.isLive) return false;
    if (!this.isPeer(session)) {
      const isAllowed = this.#acceptedKeys.size === 0 || this.#acceptedKeys.has(remote);
      if (!isAllowed || this.#linkCount(remote) >= linksMax) {
        const cause = isAllowed ? `${linksMax} links are held` : "its key is not in accepted_peer_pks";
        log.warn("Refused inbound peer announcement", { peer: remote, cause });
        return false;
      }
    }
    // A second announcement, or one over the link that we dialled: it is what it asks to be.
    if (this.#promoted.get(remote) === session || this.#dialled.get(remote)?.session === session) return true;
    const older = this.#promoted.get(remote);
    this.#promoted.set(remote, session);
    this.#options.onPromoted(session);
    older?.close();
    log.info("Accepted inbound peer announcement; session is now forwardable.", { peer: remote });
    return true;
  }

  /** To be told of each accepted session that ended. Only what is still ours is taken out: a newer one stays. */
  forget(session: Session): void {
    if (this.#promoted.get(session.remote) === session) this.#promoted.delete(session.remote);
  }

  /**
   * Where to try a request of `source` for a client that is not here. One session per peer, none to `except`. A
   * peer that refuses others' requests in silence is asked for ourselves only.
   */
  routes(except: PublicKey, source: PublicKey): Session[] {
    const found = new Map<PublicKey, Session>();
    for (const [key, session] of this.#promoted) found.set(key, session);
    for (const [key, { session, forwardable }] of this.#dialled) {
      if (forwardable || source === this.#options.local.publicKey) found.set(key, session);
    }
    found.delete(except);
    return [...found.values()].filter((session) => session.isLive);
  }

  status(): PeerLinkStatus[] {
    return [
      ...[...this.#dialled].map(([publicKey, { forwardable }]) => ({
        publicKey,
        direction: "dialled" as const,
        forwardable,
      })),
      ...[...this.#promoted.keys()].map((publicKey) => ({
        publicKey,
        direction: "accepted" as const,
        forwardable: true,
      })),
    ];
  }

  /** Sessions that were accepted and are links now. */
  accepted(): Session[] {
    return [...this.#promoted.values()];
  }

  /** Every link but the accepted one of this key, which a newer one would replace. */
  #linkCount(except: PublicKey): number {
    return this.#dialled.size + this.#promoted.size - (this.#promoted.has(except) ? 1 : 0);
  }

  /** Dials, serves to the end, and dials again: at once after a healthy link, else after a wait that grows. */
  async #keep(peer: PeerServer, signal: AbortSignal): Promise<void> {
    const { world: { clock }, log } = this.#options;
    let retryMs = PEER_RETRY_FIRST_MS;
    const grown = () => Math.min(retryMs * PEER_RETRY_GROWTH, PEER_RETRY_MAX_MS);
    while (!signal.aborted) {
      const about = { peer: peer.publicKey, address: peer.address };
      let conn: SocketConn;
      try {
        conn = await this.#connect(peer, signal);
      } catch (error) {
        signal.throwIfAborted();
        log.warn("Cannot reach peer", { ...about, retry_ms: retryMs, cause: describeError(error) });
        await sleep(clock, retryMs, signal);
        retryMs = grown();
        continue;
      }
      let session: Session;
      try {
        session = await this.#handshake(conn, peer, signal);
      } catch (error) {
        signal.throwIfAborted();
        log.warn("No session with peer", { ...about, retry_ms: retryMs, cause: describeError(error) });
        await sleep(clock, retryMs, signal);
        continue;
      }
      const livedMs = await this.#serve(session, signal);
      log.warn("Peer link ended", {
        ...about,
        lived_ms: livedMs,
        cause: describeError(session.mux.failure ?? "closed by the peer"),
      });
      // Two servers with one key end each other's links: without a wait they would do so many times a second.
      if (livedMs >= HEALTHY_SESSION_MS) retryMs = PEER_RETRY_FIRST_MS;
      else {
        await sleep(clock, retryMs, signal);
        retryMs = grown();
      }
    }
  }

  #connect({ publicKey, address }: PeerServer, signal: AbortSignal): Promise<SocketConn> {
    const { clock, network } = this.#options.world;
    return withTimeout(
      clock,
      { what: `Connecting to peer ${publicKey}`, afterMs: SERVER_DIAL_TIMEOUT_MS, signal },
      (ended) => network.dial(parseServerAddress(address), { signal: ended }),
    );
  }

  async #handshake(conn: SocketConn, peer: PeerServer, signal: AbortSignal): Promise<Session> {
    const { world, local, log, postQuantum, onStream } = this.#options;
    try {
      return await connectSession(conn, parseServerAddress(peer.address), peer.publicKey, {
        world,
        local,
        log,
        postQuantum,
        onStream,
        signal,
      });
    } catch (error) {
      await conn.closed; // by connectSession
      throw error;
    }
  }

  /** A link from its handshake to its end; how long it lived. */
  async #serve(session: Session, signal: AbortSignal): Promise<number> {
    const { world: { clock }, local, log, settings } = this.#options;
    const link: DialledLink = { session, forwardable: false };
    this.#dialled.set(session.remote, link);
    const liveness = new SessionLiveness(session, clock, log);
    try {
      const outcome = settings.announce === true
        ? await announceAsPeer(session, { clock, local, log, signal })
        : undefined;
      // What a server of 2024 does not know it leaves unanswered; so would it every request (dmsg.md 7).
      link.forwardable = outcome !== "silent";
      await orAbort(session.closed, signal);
    } finally {
      liveness.stop();
      session.close();
      await session.closed;
      if (this.#dialled.get(session.remote) === link) this.#dialled.delete(session.remote);
    }
    return Math.round(clock.monotonicMs() - session.establishedMs);
  }
}
