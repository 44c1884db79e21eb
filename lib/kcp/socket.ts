/**
 * `KcpSocket`: one UDP port that carries many sessions, dialled and accepted, and bare datagrams beside them.
 *
 * A datagram is given to the first of these that wants it (protocol: transport, section 6.3):
 *
 * 1. the session that owns the address it comes from;
 * 2. the session that was dialled with its conversation number;
 * 3. the session that was accepted from that address with that number, which its first segment makes;
 * 4. whoever takes bare datagrams, when it is none of KCP's.
 *
 * One look-up for each datagram, however many sessions there are. Sessions of one address live side by side: who
 * can send in its name must not be able to end what was proved there.
 *
 * @module
 */
import { ConnClosedError, describeError, type Log, Scope, silentLog } from "../base/mod.ts";
import {
  type DatagramSocket,
  renderSocketAddress,
  sleep,
  type SocketAddress,
  type World,
} from "../runtime/mod.ts";
import { type KcpCarrier, KcpConn } from "./conn.ts";
import { KCP_LIMITS, type KcpLimits, WINDOW_FIRST } from "./limits.ts";
import {
  Command,
  commandAt,
  conversationAt,
  dataBytesAt,
  encodeSegment,
  Ending,
  fragmentAt,
  isDatagram,
  numberAt,
  timestampAt,
  unacknowledgedAt,
} from "./segment.ts";

/** After a failing receive: first and longest pause. */
const RECEIVE_RETRY_MS = 5;
const RECEIVE_RETRY_MAX_MS = 1_000;

export interface KcpSocketOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger">;
  /**
   * Asked before anything is made for a session that `from` begins; false drops its datagram in silence. Absent:
   * none is accepted.
   */
  readonly admits?: (from: SocketAddress) => boolean;
  /** Datagrams that are not KCP's: hole punches, say. The view is valid during the call. */
  readonly onBare?: (bytes: Uint8Array, from: SocketAddress) => void;
  /** Accepted sessions keep writes apart. Default false. */
  readonly acceptedKeepWrites?: boolean;
  readonly limits?: Partial<KcpLimits>;
  readonly log?: Log;
}

export interface KcpDialOptions {
  /** Default: at random. */
  readonly conversation?: number;
  /** Every datagram from the address that is dialled is this session's. Default false. */
  readonly ownsAddress?: boolean;
  /** Each write begins a segment of its own: for peers that read messages. Default false. */
  readonly keepsWrites?: boolean;
}

/** Owns `socket`. */
export class KcpSocket {
  /** Settles when the port is free and no session is left. Never rejects. */
  readonly closed: Promise<void>;
  readonly #socket: DatagramSocket;
  readonly #options: KcpSocketOptions;
  readonly #limits: KcpLimits;
  readonly #log: Log;
  readonly #scope = new Scope();
  readonly #carrier: KcpCarrier;
  readonly #sessions = new Set<KcpConn>();
  readonly #owners = new Map<string, KcpConn>(); // by address
  readonly #dialled = new Map<number, KcpConn>();
  readonly #accepted = new Map<string, KcpConn>();
  readonly #waiting: KcpConn[] = []; // to be accepted
  #pendingAccept: ((conn: KcpConn | null) => void) | undefined;
  #isClosed = false;
  #hasFreed = false;

  constructor(socket: DatagramSocket, options: KcpSocketOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#limits = { ...KCP_LIMITS, ...options.limits };
    this.#log = options.log ?? silentLog;
    this.#carrier = {
      clock: options.world.clock,
      local: socket.address,
      send: (datagram, to) => this.sendBare(datagram, to),
      forget: (conn) => this.#forget(conn),
    };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#scope.spawn("receive datagrams", async (signal) => {
      await this.#receive(signal);
      resolve();
    });
  }

  get address(): SocketAddress {
    return this.#socket.address;
  }

  /** Sessions that hold something. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** A session with whoever is at `to`; nothing is sent before its first write. Errors: `ConnClosedError`. */
  dial(
    to: SocketAddress,
    { conversation, ownsAddress = false, keepsWrites = false }: KcpDialOptions = {},
  ): KcpConn {
    if (this.#isClosed) throw new ConnClosedError(undefined, "The socket is closed");
    const chosen = conversation ?? this.#freeConversation();
    const conn = this.#make(chosen, to, keepsWrites);
    if (ownsAddress) this.#owners.set(addressKey(to), conn);
    this.#dialled.set(chosen, conn);
    return conn;
  }

  /** The next session that somebody began, or null once the socket is closed. One accept at a time. */
  accept(): Promise<KcpConn | null> {
    if (this.#pendingAccept !== undefined) {
      return Promise.reject(new TypeError("An accept is already pending"));
    }
    const conn = this.#waiting.shift();
    if (conn !== undefined) return Promise.resolve(conn);
    if (this.#isClosed) return Promise.resolve(null);
    return new Promise((resolve) => this.#pendingAccept = resolve);
  }

  /** Sends one datagram as it is. It may be lost. */
  sendBare(bytes: Uint8Array, to: SocketAddress): void {
    this.#socket.send(bytes, to).catch((error) => {
      this.#log.debug("Cannot send a datagram", { to: renderSocketAddress(to), cause: describeError(error) });
    });
  }

  /**
   * Dials and accepts no more; the port is freed once the last session has ended. With a reason every session
   * ends now, with it.
   */
  close(reason?: unknown): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      for (const conn of this.#waiting.splice(0)) {
        conn.close(reason ?? new ConnClosedError(undefined, CLOSED));
      }
      this.#pendingAccept?.(null);
      this.#pendingAccept = undefined;
    }
    if (reason !== undefined) { for (const conn of [...this.#sessions]) conn.close(reason); }
    this.#freeWhenLast();
  }

  // --- within ------------------------------------------------------------------------------------

  async #receive(signal: AbortSignal): Promise<void> {
    for (let pauseMs = RECEIVE_RETRY_MS; !signal.aborted;) {
      try {
        const datagram = await this.#socket.receive();
        if (datagram === null) return;
        pauseMs = RECEIVE_RETRY_MS;
        this.#give(datagram.bytes, datagram.from);
      } catch (error) {
        this.#log.warn("Cannot receive datagrams", { cause: describeError(error) });
        await sleep(this.#options.world.clock, pauseMs, signal).catch(() => {});
        pauseMs = Math.min(pauseMs * 2, RECEIVE_RETRY_MAX_MS);
      }
    }
  }

  #give(bytes: Uint8Array, from: SocketAddress): void {
    const key = addressKey(from);
    const owner = this.#owners.get(key);
    if (owner !== undefined) return owner.input(bytes, from);
    if (!isDatagram(bytes)) return this.#options.onBare?.(bytes, from);
    const conversation = conversationAt(bytes, 0);
    const dialled = this.#dialled.get(conversation);
    // Until it is heard, a peer may be behind another address than it is known by; the number is a secret.
    if (dialled !== undefined && (!dialled.hasHeard || isSame(dialled.remote, from))) {
      return this.#hear(dialled, bytes, from);
    }
    const accepted = this.#accepted.get(`${key} ${conversation}`);
    if (accepted !== undefined) return accepted.input(bytes, from);
    if (commandAt(bytes, 0) !== Command.push) return;
    if (numberAt(bytes, 0) === 0 && dataBytesAt(bytes, 0) > 0) this.#begin(bytes, from, key);
    else this.#answerStray(bytes, from);
  }

  /** A session that owns its peer's address owns the one that it is heard from: names become addresses so. */
  #hear(dialled: KcpConn, bytes: Uint8Array, from: SocketAddress): void {
    const before = addressKey(dialled.remote);
    dialled.input(bytes, from);
    if (this.#owners.get(before) !== dialled || !dialled.hasHeard) return;
    this.#owners.delete(before);
    const isLive = this.#sessions.has(dialled); // what was heard may have been its end
    if (isLive) this.#owners.set(addressKey(dialled.remote), dialled);
  }

  #begin(bytes: Uint8Array, from: SocketAddress, key: string): void {
    const { admits, acceptedKeepWrites = false } = this.#options;
    if (this.#isClosed || admits === undefined) return;
    if (
      this.#accepted.size >= this.#limits.sessionsMax || this.#waiting.length >= this.#limits.acceptQueueMax
    ) {
      return this.#log.debug("No room for a session", { from: key });
    }
    if (!admits(from)) return;
    const conversation = conversationAt(bytes, 0);
    const conn = this.#make(conversation, from, acceptedKeepWrites);
    this.#accepted.set(`${key} ${conversation}`, conn);
    conn.input(bytes, from);
    const accept = this.#pendingAccept;
    this.#pendingAccept = undefined;
    if (accept !== undefined) accept(conn);
    else this.#waiting.push(conn);
  }

  /**
   * Something of a session that is gone. Who still sends data learns that; who has ended, too, has its end
   * acknowledged. One answer, no longer than what it answers, and itself never answered.
   */
  #answerStray(bytes: Uint8Array, from: SocketAddress): void {
    const isEnd = dataBytesAt(bytes, 0) === 0;
    // Of a session that begins, and whose first segment comes late: it will be sent again. An end, too: who
    // acknowledged it would say that all before it arrived.
    if (unacknowledgedAt(bytes, 0) === 0 && numberAt(bytes, 0) < WINDOW_FIRST) return;
    if (isEnd && fragmentAt(bytes, 0) !== Ending.orderly) return;
    const number = numberAt(bytes, 0);
    this.sendBare(
      encodeSegment({
        conversation: conversationAt(bytes, 0),
        command: isEnd ? Command.acknowledge : Command.push,
        fragment: isEnd ? 0 : Ending.reset,
        window: 0,
        timestamp: timestampAt(bytes, 0),
        number: isEnd ? number : unacknowledgedAt(bytes, 0), // what the peer waits for
        unacknowledged: isEnd ? number + 1 : number,
      }),
      from,
    );
  }

  #make(conversation: number, remote: SocketAddress, keepsWrites: boolean): KcpConn {
    const release = this.#options.world.ledger.open("kcp-session");
    const conn = new KcpConn(this.#carrier, { conversation, remote, keepsWrites, release });
    this.#sessions.add(conn);
    return conn;
  }

  #freeConversation(): number {
    for (;;) {
      const [a, b, c, d] = this.#options.world.random.bytes(4);
      const conversation = (a! | b! << 8 | c! << 16 | d! << 24) >>> 0;
      if (!this.#dialled.has(conversation)) return conversation;
    }
  }

  #forget(conn: KcpConn): void {
    const key = addressKey(conn.remote);
    this.#sessions.delete(conn);
    if (this.#owners.get(key) === conn) this.#owners.delete(key);
    if (this.#dialled.get(conn.conversation) === conn) this.#dialled.delete(conn.conversation);
    const accepted = `${key} ${conn.conversation}`;
    if (this.#accepted.get(accepted) === conn) this.#accepted.delete(accepted);
    const waiting = this.#waiting.indexOf(conn);
    if (waiting >= 0) this.#waiting.splice(waiting, 1);
    this.#freeWhenLast();
  }

  #freeWhenLast(): void {
    if (!this.#isClosed || this.sessions > 0 || this.#hasFreed) return;
    this.#hasFreed = true;
    // What was just handed to the socket goes out first.
    queueMicrotask(() => this.#socket.close());
  }
}

/** One key for all datagrams of an address. */
function addressKey({ hostname, port }: SocketAddress): string {
  return `${hostname}:${port}`;
}

function isSame(a: SocketAddress, b: SocketAddress): boolean {
  return a.port === b.port && a.hostname === b.hostname;
}

const CLOSED = "The socket is closed";
