/**
 * A dmsg session: one authenticated TCP connection between a client and a server, with yamux in clear on it.
 *
 *     TCP -> noise XK (3 frames) -> yamux on the bare socket
 *                                     each mux stream: one request object, one response object, then KK frames
 *
 * The noise keys of the session encrypt only those objects (dmsg.md 3 and 4). Knows nothing of entries,
 * discovery or tables: who keeps sessions, and for how long, is decided by client and server.
 *
 * @module
 */
import type { Conn, Log } from "../base/mod.ts";
import type { KeyPair, ProvenKey, PublicKey } from "../crypto/mod.ts";
import {
  type HandshakeResult,
  ObjectOpener,
  ObjectSealer,
  PostQuantum,
  xkAccept,
  xkConnect,
} from "../noise/mod.ts";
import { type Clock, sleep, type SocketAddress, withTimeout, type World } from "../runtime/mod.ts";
import { YamuxSession, type YamuxStream } from "../yamux/mod.ts";

// Wire: fixed by peers.
/**
 * Silence after message 3 before our first mux byte. Servers of 2024 read the handshake through a buffered
 * reader and drop the session when mux bytes share its last read (dmsg.md 3.1: 1 ms was enough on loopback).
 * One that took part in the hybrid is newer than that, and keeps them: it is pinged at once.
 */
export const QUIET_AFTER_HANDSHAKE_MS = 50;

// Policy.
/** The whole noise handshake of a session, on both sides (dmsg.md 2.5). */
export const SESSION_HANDSHAKE_TIMEOUT_MS = 5_000;
/** Streams alive at the same time in one session; further ones are refused (dmsg.md 3.1). */
export const SESSION_STREAMS_MAX = 2_048;

/** What of the World a session needs. */
export type SessionWorld = Pick<World, "clock" | "random" | "ledger">;

export interface SessionOptions {
  readonly world: SessionWorld;
  readonly local: KeyPair;
  readonly log: Log;
  /** Takes each mux stream that the peer opens. Must not throw. */
  readonly onStream: (stream: YamuxStream, session: Session) => void;
  readonly signal?: AbortSignal;
  /** Of the key `local`. Default: one for this session alone, which offers. */
  readonly postQuantum?: PostQuantum;
}

/** What `dmsg sessions` shows of one session. */
export interface SessionStatus {
  readonly remote: PublicKey;
  readonly remoteAddress: string;
  /** The handshake was the post-quantum hybrid. */
  readonly postQuantum: boolean;
  readonly streams: number;
  readonly uptimeMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** An established session. Ends when the TCP connection does, or on `close`. */
export class Session {
  /** The key that the peer proved in the handshake. */
  readonly remote: ProvenKey;
  readonly sealer: ObjectSealer;
  readonly opener: ObjectOpener;
  readonly mux: YamuxSession;
  /** The handshake was the post-quantum hybrid. */
  readonly postQuantum: boolean;
  /** `Clock.monotonicMs` when it was established. */
  readonly establishedMs: number;
  readonly #clock: SessionWorld["clock"];

  constructor(
    conn: Conn,
    result: HandshakeResult & { readonly postQuantum: boolean },
    readonly remoteAddress: SocketAddress,
    role: "client" | "server",
    { world, onStream }: SessionOptions,
  ) {
    this.remote = result.remote;
    this.postQuantum = result.postQuantum;
    this.sealer = new ObjectSealer(result.keys.send);
    this.opener = new ObjectOpener(result.keys.receive);
    this.#clock = world.clock;
    this.establishedMs = world.clock.monotonicMs();
    this.mux = new YamuxSession(conn, {
      role,
      world,
      limits: { streamsMax: SESSION_STREAMS_MAX },
      onStream: (stream) => onStream(stream, this),
    });
  }

  /** Settles when nothing of the session is held any more; never rejects. */
  get closed(): Promise<void> {
    return this.mux.closed;
  }

  /** False once the session has begun to end: it takes no new stream. */
  get isLive(): boolean {
    return this.mux.isLive;
  }

  status(): SessionStatus {
    return {
      remote: this.remote,
      remoteAddress: `${this.remoteAddress.hostname}:${this.remoteAddress.port}`,
      postQuantum: this.postQuantum,
      streams: this.mux.streamCount,
      uptimeMs: Math.round(this.#clock.monotonicMs() - this.establishedMs),
      bytesIn: this.mux.bytesIn,
      bytesOut: this.mux.bytesOut,
    };
  }

  /** Ends the session and every stream in it. */
  close(reason?: unknown): void {
    this.mux.close(reason);
  }
}

/**
 * Makes a session over a fresh connection to the server `remote`. Owns `conn`. Errors: those of `xkConnect`,
 * `PqRequiredError`.
 */
export async function connectSession(
  conn: Conn,
  remoteAddress: SocketAddress,
  remote: PublicKey,
  options: SessionOptions,
): Promise<Session> {
  const { world, local, signal } = options;
  const { clock, random } = world;
  using extension = postQuantumOf(options).begin("initiator");
  try {
    const handshake = await xkConnect(conn, {
      local,
      remote,
      clock,
      random,
      timeoutMs: SESSION_HANDSHAKE_TIMEOUT_MS,
      signal,
      extension,
    });
    if (!extension.isHybrid) await sleep(clock, QUIET_AFTER_HANDSHAKE_MS, signal);
    const result = { ...handshake.result, postQuantum: extension.isHybrid };
    const session = new Session(handshake.conn, result, remoteAddress, "client", options);
    if (extension.isHybrid) await untilKnown(session, clock, signal);
    return session;
  } catch (error) {
    conn.close(error);
    throw error;
  }
}

/** Until the server answers, and so knows this key; no longer than the quiet that others get. */
async function untilKnown({ mux }: Session, clock: Clock, signal?: AbortSignal): Promise<void> {
  const limit = { what: "The first ping of a session", afterMs: QUIET_AFTER_HANDSHAKE_MS, signal };
  await withTimeout(clock, limit, (ended) => mux.ping(ended)).catch(() => {}); // the session tells of its own end
  signal?.throwIfAborted();
}

/** Answers the handshake of a client that connected. Owns `conn`. Errors: those of `xkAccept`, `PqRequiredError`. */
export async function acceptSession(
  conn: Conn,
  remoteAddress: SocketAddress,
  options: SessionOptions,
): Promise<Session> {
  const { world, local, signal } = options;
  const { clock, random } = world;
  using extension = postQuantumOf(options).begin("responder");
  try {
    const { conn: inner, result } = await xkAccept(conn, {
      local,
      clock,
      random,
      timeoutMs: SESSION_HANDSHAKE_TIMEOUT_MS,
      signal,
      extension,
    });
    const hybrid = { ...result, postQuantum: extension.isHybrid };
    return new Session(inner, hybrid, remoteAddress, "server", options);
  } catch (error) {
    conn.close(error);
    throw error;
  }
}

function postQuantumOf({ postQuantum, world: { random }, log }: SessionOptions): PostQuantum {
  return postQuantum ?? new PostQuantum({ random, log });
}
