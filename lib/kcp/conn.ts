/**
 * `KcpConn`: a KCP session as a Conn.
 *
 * One timer, lazily armed again, while something is under way or owed; none while the session is idle, and no
 * buffer either. What many calls of one turn wrote goes out together, at its end.
 *
 * @module
 */
import { ConnClosedError, ConnResetError, READ_BYTES_MAX } from "../base/mod.ts";
import { type Clock, LINGER_MS, type SocketAddress, type SocketConn, type Timer } from "../runtime/mod.ts";
import { KcpEngine } from "./engine.ts";
import { SILENCE_MAX_MS } from "./limits.ts";

interface PendingWrite {
  readonly bytes: Uint8Array;
  offset: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** What a session needs of the socket that carries it. */
export interface KcpCarrier {
  readonly clock: Clock;
  readonly local: SocketAddress;
  send(datagram: Uint8Array, to: SocketAddress): void;
  /** The session holds nothing any more: datagrams of it are a stranger's from now on. */
  forget(conn: KcpConn): void;
}

export interface KcpConnOptions {
  readonly conversation: number;
  readonly remote: SocketAddress;
  readonly keepsWrites: boolean;
  /** Uncounts the session. */
  readonly release: () => void;
}

export class KcpConn implements SocketConn {
  /** Between two of ours; other peers hear no end at all. */
  readonly halfClose = true;
  readonly closed: Promise<void>;
  readonly #carrier: KcpCarrier;
  readonly #engine: KcpEngine;
  readonly #writes: PendingWrite[] = [];
  #remote: SocketAddress;
  #heardMs: number | undefined;
  #pendingRead: PromiseWithResolvers<Uint8Array | null> | undefined;
  #writeEnd: PromiseWithResolvers<void> | undefined; // closeWrite was called
  #hasSentEnd = false;
  #failure: Error | undefined; // of every call from now on; a ConnClosedError after our own close
  #isOver = false;
  #isFlushing = false; // at the end of this turn
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  #linger: Timer | undefined;
  readonly #settleClosed: () => void;

  constructor(carrier: KcpCarrier, { conversation, remote, keepsWrites, release }: KcpConnOptions) {
    this.#carrier = carrier;
    this.#remote = remote;
    const send = (datagram: Uint8Array) => carrier.send(datagram, this.#remote);
    this.#engine = new KcpEngine({ conversation, keepsWrites, send });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#settleClosed = () => {
      release();
      resolve();
    };
  }

  get conversation(): number {
    return this.#engine.conversation;
  }
  get local(): SocketAddress {
    return this.#carrier.local;
  }
  get remote(): SocketAddress {
    return this.#remote;
  }
  /** False until the first datagram of the peer. */
  get hasHeard(): boolean {
    return this.#heardMs !== undefined;
  }
  /** When the last datagram of the peer came, on the monotonic clock. */
  get heardMs(): number | undefined {
    return this.#heardMs;
  }

  /** True once the peer has acknowledged something: it is where its datagrams say that it is. */
  get isAnswered(): boolean {
    return this.#engine.isAnswered;
  }

  /** The peer is found behind another address than the one that was dialled. Only before it was heard. */
  moveTo(remote: SocketAddress): void {
    if (!this.hasHeard) this.#remote = remote;
  }

  // --- Conn --------------------------------------------------------------------------------------

  read(): Promise<Uint8Array | null> {
    if (this.#pendingRead !== undefined) return Promise.reject(new TypeError("A read is already pending"));
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const view = this.#engine.read(READ_BYTES_MAX);
    if (view.length > 0) {
      this.#flushSoon(); // there is room again, and the peer may wait for it
      return Promise.resolve(view);
    }
    if (this.#engine.hasEnded) return Promise.resolve(null);
    this.#pendingRead = Promise.withResolvers();
    return this.#pendingRead.promise;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#writeEnd !== undefined) {
      return Promise.reject(new ConnClosedError(undefined, "Write half is closed"));
    }
    const offset = this.#writes.length === 0 ? this.#engine.write(bytes) : 0;
    if (offset > 0) this.#flushSoon();
    if (offset === bytes.length) return DONE;
    return new Promise((resolve, reject) => this.#writes.push({ bytes, offset, resolve, reject }));
  }

  closeWrite(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#writeEnd === undefined) {
      this.#writeEnd = Promise.withResolvers();
      this.#writeEnd.promise.catch(() => {}); // the caller may not look at it
      if (this.#writes.length === 0) this.#end();
    }
    return this.#writeEnd.promise;
  }

  /**
   * Writes under way when `close()` comes settle by their true result within the linger, as TCP's do. When that is
   * over and not all was taken in, or arrived, the peer is told of a reset: it never reads the end of a stream that
   * lacks bytes. Peers that are not ours know neither end nor reset, and cannot tell.
   */
  close(reason?: unknown): void {
    if (this.#failure !== undefined) {
      if (reason !== undefined && this.#linger !== undefined) return this.#abort(this.#failure);
      if (!(this.#failure instanceof ConnClosedError)) this.#failure = new ConnClosedError(reason);
      return;
    }
    const closed = this.#failure = new ConnClosedError(reason);
    if (reason !== undefined) return this.#abort(closed);
    this.#rejectReader(closed);
    this.#engine.discard();
    if (!this.#hasSentEnd && this.#writes.length === 0) this.#end();
    this.#linger = this.#carrier.clock.timer(LINGER_MS, () => this.#abort(closed));
    this.#flushSoon();
  }

  // --- called by the socket ----------------------------------------------------------------------

  /** A datagram of this session, or of somebody who says so. */
  input(datagram: Uint8Array, from: SocketAddress): void {
    const nowMs = this.#carrier.clock.monotonicMs();
    if (this.#isOver || !this.#engine.input(datagram, nowMs)) return;
    if (this.#heardMs === undefined) this.#remote = from;
    this.#heardMs = nowMs;
    if (this.#engine.wasReset) {
      this.#failure ??= new ConnResetError("The peer dropped the session");
      return this.#finish(this.#failure);
    }
    this.#moveWrites();
    this.#wakeReader();
    this.#flushSoon();
  }

  /** The socket is gone. */
  end(error: Error): void {
    this.#finish(this.#failure ??= error);
  }

  // --- within ------------------------------------------------------------------------------------

  #wakeReader(): void {
    const reader = this.#pendingRead;
    if (reader === undefined || (this.#engine.readable === 0 && !this.#engine.hasEnded)) return;
    this.#pendingRead = undefined;
    const view = this.#engine.read(READ_BYTES_MAX);
    reader.resolve(view.length > 0 ? view : null);
  }

  #moveWrites(): void {
    while (this.#writes.length > 0 && this.#engine.room > 0) {
      const write = this.#writes[0]!;
      write.offset += this.#engine.write(write.bytes.subarray(write.offset));
      if (write.offset < write.bytes.length) return;
      this.#writes.shift();
      write.resolve();
      const wantsEnd = this.#writeEnd !== undefined || this.#linger !== undefined;
      if (this.#writes.length === 0 && wantsEnd) this.#end();
    }
  }

  #end(): void {
    this.#hasSentEnd = true;
    this.#engine.end();
    this.#writeEnd?.resolve();
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#isFlushing || this.#isOver) return;
    this.#isFlushing = true;
    queueMicrotask(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isFlushing = false;
    if (this.#isOver) return;
    const nowMs = this.#carrier.clock.monotonicMs();
    if (this.#engine.stuckMs(nowMs) > SILENCE_MAX_MS) {
      return this.#abort(this.#failure ??= new ConnResetError(SILENT));
    }
    this.#engine.flush(nowMs);
    while (this.#writes.length > 0 && this.#engine.room > 0) { // what was sent made room
      this.#moveWrites();
      this.#engine.flush(nowMs);
    }
    const isComplete = this.#hasSentEnd && this.#engine.isDelivered;
    if (this.#linger !== undefined && isComplete) return this.#finish(this.#failure!);
    this.#arm(nowMs);
  };

  #arm(nowMs: number): void {
    const { dueMs } = this.#engine;
    if (dueMs === undefined || this.#timerAtMs <= dueMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = dueMs;
    this.#timer = this.#carrier.clock.timer(Math.max(0, dueMs - nowMs), () => {
      this.#timer = undefined;
      this.#timerAtMs = Infinity;
      this.#flush();
    });
  }

  #rejectReader(error: Error): void {
    this.#pendingRead?.reject(error);
    this.#pendingRead = undefined;
  }

  #abort(failure: Error): void {
    if (this.#isOver) return;
    this.#engine.reset();
    this.#finish(failure);
  }

  /** Nothing is sent or taken from now on: who waits is told why. */
  #finish(failure: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#rejectReader(failure);
    for (const write of this.#writes.splice(0)) write.reject(failure);
    if (!this.#hasSentEnd) this.#writeEnd?.reject(failure);
    this.#timer?.cancel();
    this.#linger?.cancel();
    this.#engine.discard();
    this.#carrier.forget(this);
    this.#settleClosed();
  }
}

const SILENT = `The peer acknowledged nothing for ${SILENCE_MAX_MS / 1_000} s`;
const DONE = Promise.resolve();
