/**
 * The address resolver's UDP side: visors keep a session with it, from the very port that they are dialled on. What
 * it sees as their address is what it tells to others; and whoever is about to be dialled is told, so that it opens
 * its NAT (protocol: services, sections 4.2 and 4.3; SV-3).
 *
 *     datagram of nobody known ── room? ──▶ handshake, 10 s ── key proved ──▶ session ── bind ──▶ in the store
 *                                  │ no                                          │ 3 min of silence, delBind, an end,
 *                                  ▼                                             ▼ or a newer session of its key
 *                               dropped                                     out of the store
 *
 * Whoever sends under a false address never sees the nonce: that costs no signature, and a place for 2 s.
 *
 * @module
 */
import {
  ConnClosedError,
  describeError,
  LimitError,
  type Log,
  MalformedError,
  Scope,
  TimedOutError,
} from "../../base/mod.ts";
import { type PublicKey, toHex } from "../../crypto/mod.ts";
import { type KcpConn, KcpSocket } from "../../kcp/mod.ts";
import {
  type DatagramSocket,
  renderSocketAddress,
  type SocketAddress,
  type World,
} from "../../runtime/mod.ts";
import { acceptAddressHandshake } from "../../transport/mod.ts";
import { addressOf } from "../hosting/mod.ts";
import type { BindingStore, ResolverWord } from "../store/mod.ts";
import { BoundSessions } from "./_bound_sessions.ts";
import { Places } from "./_places.ts";
import { UdpSession } from "./_udp_session.ts";
import { type AddressResolverSettings, BINDING_TTL_MS } from "./settings.ts";

/** Handshakes at once; what begins one more is dropped, and sent again by who means it. */
export const UDP_HANDSHAKES_MAX = 64;
/** Of these, from one address: many visors may be behind one, and a flood from one leaves room for others. */
export const UDP_HANDSHAKES_PER_ADDRESS_MAX = 16;
export const UDP_HANDSHAKE_TIMEOUT_MS = 10_000;
/**
 * When there is no room, the oldest handshake whose peer has acknowledged nothing for so long makes some: its address
 * may be a false one. Longer than any round trip.
 */
export const UDP_UNANSWERED_MS = 2_000;
/** After the handshake, until the first message. */
export const UDP_FIRST_MESSAGE_MS = 30_000;
/** Visors send a heartbeat each 10 s. */
export const UDP_SILENCE_MAX_MS = 3 * 60_000;
/** Sessions at once, handshakes among them: more visors than there are. */
export const UDP_SESSIONS_MAX = 16_384;
/** Of these, from one address. */
export const UDP_SESSIONS_PER_ADDRESS_MAX = 1_024;
/** Between two warnings of one kind: a flood must not fill the log. */
const WARNING_PAUSE_MS = 10_000;

/** What an operator decides about it. Everything has a default. */
export interface UdpSideSettings {
  /** Default {@link UDP_HANDSHAKES_MAX}, a quarter of it for one address. */
  readonly handshakesMax?: number;
  /** Default {@link UDP_HANDSHAKE_TIMEOUT_MS}. */
  readonly handshakeTimeoutMs?: number;
}

export interface UdpSideOptions {
  readonly world: Pick<World, "clock" | "ledger" | "random">;
  readonly log: Log;
  readonly store: BindingStore;
  readonly settings?: Pick<AddressResolverSettings, "entryTimeoutMs"> & UdpSideSettings;
}

/** How it is, and what happened since the start. */
export interface UdpCounters {
  /** Visors with a session now. */
  sessions: number;
  /** Handshakes in progress now. */
  handshakes: number;
  /** Keys that were proved. */
  proved: number;
  /** Handshakes that failed or did not end in time. */
  failed: number;
  /** Datagrams that would have begun a handshake too many: over all, or of one address. */
  dropped: number;
  /** Sessions that ended for a newer one of their key. */
  replaced: number;
  /** Sessions that were silent for too long. */
  silent: number;
  /** Sessions that said what cannot be read. */
  malformed: number;
  /** Visors that were told of a dial. */
  pushed: number;
  /** Dials that nobody could be told of. */
  unpushed: number;
}

interface Handshake {
  readonly conn: KcpConn;
  readonly sinceMs: number;
  /** Gives its place back. */
  readonly leave: () => void;
}

/** Owns `socket`. */
export class UdpSide implements AsyncDisposable {
  /** Settles when visors are heard no more, by its end or by itself. Never rejects. */
  readonly closed: Promise<unknown>;
  readonly #options: UdpSideOptions;
  readonly #handshakeTimeoutMs: number;
  readonly #kcp: KcpSocket;
  readonly #handshakes: Places;
  readonly #inProgress = new Set<Handshake>(); // the oldest first
  readonly #sessions: Places;
  readonly #bound: BoundSessions;
  readonly #scope = new Scope();
  readonly #hearing: AsyncDisposable | undefined;
  readonly #counts = {
    proved: 0,
    failed: 0,
    dropped: 0,
    replaced: 0,
    silent: 0,
    malformed: 0,
    pushed: 0,
    unpushed: 0,
  };
  #warnedAtMs = -Infinity;

  constructor(socket: DatagramSocket, options: UdpSideOptions) {
    const { world, log, store, settings = {} } = this.#options = options;
    const { handshakesMax = UDP_HANDSHAKES_MAX } = settings;
    const { entryTimeoutMs: ttlMs = BINDING_TTL_MS } = settings;
    const holder = toHex(world.random.bytes(HOLDER_BYTES));
    this.#bound = new BoundSessions({ clock: world.clock, log, store, ttlMs, holder });
    this.#hearing = store.hear?.((word) => this.#hear(word, holder), { clock: world.clock, log });
    this.#handshakeTimeoutMs = settings.handshakeTimeoutMs ?? UDP_HANDSHAKE_TIMEOUT_MS;
    this.#handshakes = new Places({
      max: handshakesMax,
      perAddressMax: Math.ceil(handshakesMax * UDP_HANDSHAKES_PER_ADDRESS_MAX / UDP_HANDSHAKES_MAX),
    });
    this.#sessions = new Places({ max: UDP_SESSIONS_MAX, perAddressMax: UDP_SESSIONS_PER_ADDRESS_MAX });
    this.#kcp = new KcpSocket(socket, {
      world,
      admits: (from) => this.#hasRoom(from),
      acceptedKeepWrites: true, // other visors read a push as a message
      limits: { sessionsMax: UDP_SESSIONS_MAX + handshakesMax, acceptQueueMax: handshakesMax },
      log,
    });
    this.#scope.spawn("accept sessions", () => this.#accept());
    const { signal } = this.#scope;
    const failed = new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    this.closed = Promise.race([this.#kcp.closed, failed]);
  }

  get address(): SocketAddress {
    return this.#kcp.address;
  }

  counters(): UdpCounters {
    return { sessions: this.#bound.size, handshakes: this.#handshakes.count, ...this.#counts };
  }

  /** `key` has a session here. */
  holds(key: PublicKey): boolean {
    return this.#bound.of(key) !== undefined;
  }

  /** Tells `key` that `dialer`, bound at `address`, is about to dial it. False when it has no session here. */
  tell(key: PublicKey, dialer: PublicKey, address: string): boolean {
    const isTold = this.#bound.of(key)?.push(dialer, address) ?? false;
    if (isTold) this.#counts.pushed++;
    else this.#counts.unpushed++;
    return isTold;
  }

  /** Ends every session; their bindings are gone then. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hearing?.[Symbol.asyncDispose]();
    this.#scope.end(CLOSED);
    this.#kcp.close(CLOSED);
    await this.#scope[Symbol.asyncDispose]();
    await this.#kcp.closed;
  }

  /** What other instances say; it may be for none of ours. */
  #hear(word: ResolverWord, holder: string): void {
    if (!this.holds(word.key)) return;
    if (word.type === "dial") this.tell(word.key, word.dialer, word.address);
    else if (word.holder !== holder) {
      this.#scope.spawn("end an older session", async () => {
        await this.#bound.boundElsewhere(word.key).catch((error) => { // its silence ends it later
          this.#options.log.warn("Cannot look who holds a session", { cause: describeError(error) });
        });
      });
    }
  }

  // --- handshakes --------------------------------------------------------------------------------

  /** Asked for each datagram that would begin a session, before anything is made of it. */
  #hasRoom({ hostname, port }: SocketAddress): boolean {
    if (!this.#handshakes.hasRoom(hostname)) this.#evict(hostname);
    if (this.#handshakes.hasRoom(hostname) && this.#sessions.hasRoom(hostname)) return true;
    this.#counts.dropped++;
    const nowMs = this.#options.world.clock.monotonicMs();
    if (nowMs - this.#warnedAtMs >= WARNING_PAUSE_MS) {
      this.#warnedAtMs = nowMs;
      this.#options.log.warn("Sudph handshakes are dropped: there is no room", {
        handshakes: this.#handshakes.count,
        sessions: this.#sessions.count,
        address: renderSocketAddress({ hostname, port }),
      });
    }
    return false;
  }

  /** Ends a handshake that may be a forger's, for one from `hostname`: of the same address when its share is used up. */
  #evict(hostname: string): void {
    const nowMs = this.#options.world.clock.monotonicMs();
    for (const handshake of this.#inProgress) {
      if (nowMs - handshake.sinceMs < UDP_UNANSWERED_MS) return; // so are all after it
      if (handshake.conn.isAnswered) continue;
      if (this.#handshakes.isFullFor(hostname) && handshake.conn.remote.hostname !== hostname) continue;
      handshake.leave();
      handshake.conn.close(new LimitError("Nothing was acknowledged, and another handshake begins"));
      return;
    }
  }

  /** Never rejects: a port that fails to receive is the socket's to wait for. */
  async #accept(): Promise<void> {
    for (let conn = await this.#kcp.accept(); conn !== null; conn = await this.#kcp.accept()) {
      const session = conn;
      // Several may have come since there was room.
      if (this.#hasRoom(conn.remote)) this.#scope.spawn("session", (ended) => this.#serve(session, ended));
      else conn.close(new ConnClosedError(undefined, "No room"));
    }
  }

  /** A session from its first datagram to its last. Never rejects. */
  async #serve(conn: KcpConn, signal: AbortSignal): Promise<void> {
    const { world, log } = this.#options;
    const { hostname, port } = conn.remote;
    const leave = this.#sessions.take(hostname);
    const endHandshake = this.#begin(conn);
    let session: UdpSession | undefined;
    try {
      const { conn: proved, remote } = await acceptAddressHandshake(conn, {
        world,
        signal,
        timeoutMs: this.#handshakeTimeoutMs,
        // Port 0 is the resolver alone: what was signed for a transport binds nobody here.
        isListening: (asked) => asked === 0,
      });
      endHandshake();
      this.#counts.proved++;
      session = new UdpSession(proved, {
        clock: world.clock,
        key: remote,
        address: renderSocketAddress({ hostname: addressOf(hostname) ?? hostname, port }),
        firstMs: UDP_FIRST_MESSAGE_MS,
        silenceMaxMs: UDP_SILENCE_MAX_MS,
      });
      await this.#follow(session);
      session.close();
    } catch (error) {
      if (session === undefined) this.#counts.failed++;
      else this.#countEnd(error);
      log.debug("A sudph session ended", { key: session?.key, hostname, cause: describeError(error) });
      if (session === undefined) conn.close(error);
      else session.close(error);
    } finally {
      endHandshake();
      if (session !== undefined) await this.#bound.remove(session);
      await conn.closed;
      leave();
    }
  }

  /** Counts a handshake, until what it returns is called. */
  #begin(conn: KcpConn): () => void {
    const giveBack = this.#handshakes.take(conn.remote.hostname);
    const leave = () => {
      this.#inProgress.delete(handshake);
      giveBack();
    };
    const handshake = { conn, sinceMs: this.#options.world.clock.monotonicMs(), leave };
    this.#inProgress.add(handshake);
    return leave;
  }

  /** Does what a session says until it says no more. */
  async #follow(session: UdpSession): Promise<void> {
    for (;;) {
      const message = await session.next();
      if (message === undefined || message.type === "unbind") return;
      if (message.type === "heartbeat") await this.#bound.renew(session);
      else if (await this.#bound.bind(session, message.listener)) this.#counts.replaced++;
    }
  }

  #countEnd(error: unknown): void {
    if (error instanceof MalformedError || error instanceof LimitError) this.#counts.malformed++;
    const cause = error instanceof ConnClosedError ? error.cause : error;
    if (cause instanceof TimedOutError) this.#counts.silent++;
  }
}

/** Instances on one store: no two draw the same. */
const HOLDER_BYTES = 8;
const CLOSED = new ConnClosedError(undefined, "The address resolver is closed");
