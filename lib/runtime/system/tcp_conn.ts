/**
 * `TcpConn`: a socket as a Conn. The hot path of everything: no promise or closure per read or write
 * beyond what the caller and Deno need.
 *
 * @module
 */
import { ConnClosedError, type Ledger, WriteQueue } from "../../base/mod.ts";
import { LINGER_MS, PEER_END_MS } from "../linger.ts";
import type { Clock, SocketAddress, SocketConn, Timer } from "../world.ts";
import { connFailure } from "./failures.ts";
import { ReadBuffer } from "./read_buffer.ts";

/** Where closed sockets' last bytes go: one for all, never looked at. */
const SINK = new Uint8Array(64 * 1024);

interface PendingRead {
  readonly resolve: (view: Uint8Array | null) => void;
  readonly reject: (reason: unknown) => void;
}

/** What a `TcpConn` needs of a socket: Deno's have it. One that can `reset()` tells its peer of an abort by it. */
export interface RawSocket {
  readonly localAddr: Deno.Addr;
  readonly remoteAddr: Deno.Addr;
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
  reset?(): void;
}

export interface TcpConnOptions {
  readonly clock: Clock;
  readonly ledger: Ledger;
  /** False for TLS, where ends are the record layer's. Default true. */
  readonly halfClose?: boolean;
}

export class TcpConn implements SocketConn {
  readonly halfClose: boolean;
  readonly closed: Promise<void>;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly #socket: RawSocket;
  readonly #clock: Clock;

  readonly #buffer = new ReadBuffer();
  #lastCount = 0;
  #pendingRead: PendingRead | undefined;
  #isReading = false; // an operation of Deno's, which may outlive the caller's read
  #peerEnded = false;

  readonly #writes = new WriteQueue();
  #isWriting = false;
  #hasWritten = false;
  #writeEnd: { promise: Promise<void>; resolve: () => void; reject: (reason: unknown) => void } | undefined;
  #writeEndSent = false;

  #state: "open" | "lingering" | "closed" = "open";
  #reason: ConnClosedError | undefined; // of our own close
  #failure: Error | undefined; // of the connection
  #writeFailure: Error | undefined; // of the write half: what the peer sent before can still be read
  #lingerTimer: Timer | undefined;
  #settleClosed!: () => void;

  constructor(socket: RawSocket, { clock, ledger, halfClose = true }: TcpConnOptions) {
    this.#socket = socket;
    this.#clock = clock;
    this.halfClose = halfClose;
    this.local = socketAddress(socket.localAddr);
    this.remote = socketAddress(socket.remoteAddr);
    const release = ledger.open("socket");
    this.closed = new Promise((resolve) =>
      this.#settleClosed = () => {
        release();
        resolve();
      }
    );
  }

  read(): Promise<Uint8Array | null> {
    const refused = this.#reason ?? this.#failure;
    if (refused !== undefined) return Promise.reject(refused);
    if (this.#pendingRead !== undefined) return Promise.reject(new TypeError("A read is already pending"));
    if (this.#peerEnded) return Promise.resolve(null);
    this.#buffer.prepare(this.#lastCount);
    return new Promise((resolve, reject) => {
      this.#pendingRead = { resolve, reject };
      this.#startRead();
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    const refused = this.#reason ?? this.#writeFailure;
    if (refused !== undefined) return Promise.reject(refused);
    if (this.#writeEnd !== undefined) return Promise.reject(writeHalfClosed());
    if (bytes.length === 0) return Promise.resolve();
    this.#hasWritten = true;
    const written = this.#writes.push(bytes);
    this.#continueWriting();
    return written;
  }

  closeWrite(): Promise<void> {
    const refused = this.#reason ?? this.#writeFailure;
    if (refused !== undefined) return Promise.reject(refused);
    return this.#endWrites();
  }

  /**
   * Writes under way when `close()` comes settle by their true result within the linger: until then their
   * bytes are still being sent, so that the caller must not have them back.
   */
  close(reason?: unknown): void {
    this.#reason ??= new ConnClosedError(reason ?? this.#failure);
    if (this.#state === "closed" || (this.#state === "lingering" && reason === undefined)) return;
    this.#pendingRead?.reject(this.#reason);
    this.#pendingRead = undefined;
    const hasToSend = !this.#writes.isEmpty || (this.#hasWritten && !this.#peerEnded);
    if (reason !== undefined) return this.#finish(true);
    if (this.#writeFailure !== undefined || !hasToSend) return this.#finish();
    this.#state = "lingering";
    this.#buffer.drop(); // its last view may be on its way elsewhere: what comes now goes into the sink
    this.#linger();
  }

  // --- reading -----------------------------------------------------------------------------------

  #startRead(): void {
    this.#isReading = true;
    const into = this.#state === "open" ? this.#buffer.target : SINK;
    this.#socket.read(into).then(this.#onRead, this.#onReadFailed);
  }

  readonly #onRead = (count: number | null) => {
    this.#isReading = false;
    if (count === null) this.#peerEnded = true;
    else this.#lastCount = count;
    if (this.#state !== "open") return this.#afterClosedRead();
    if (count === null && this.#writeFailure !== undefined) return this.#fail(this.#writeFailure);
    const { resolve } = this.#pendingRead!;
    this.#pendingRead = undefined;
    resolve(count === null ? null : this.#buffer.view(count));
  };

  readonly #onReadFailed = (error: unknown) => {
    this.#isReading = false;
    if (this.#state !== "open") {
      this.#peerEnded = true;
      return this.#afterClosedRead();
    }
    this.#fail(this.#writeFailure ?? connFailure(error));
  };

  // --- writing -----------------------------------------------------------------------------------

  #continueWriting(): void {
    if (this.#isWriting || this.#state === "closed") return;
    if (this.#writes.isEmpty) return this.#sendWriteEnd();
    this.#isWriting = true;
    this.#socket.write(this.#writes.peek()).then(this.#onWritten, this.#onWriteFailed);
  }

  readonly #onWritten = (count: number) => {
    this.#isWriting = false;
    if (!this.#writes.isEmpty) this.#writes.sent(count);
    if (this.#state === "closed") return this.#settleIfIdle();
    this.#continueWriting();
  };

  readonly #onWriteFailed = (error: unknown) => {
    this.#isWriting = false;
    if (this.#state === "closed") return this.#settleIfIdle();
    if (this.#state === "lingering") return this.#finish();
    // What the peer sent before it went can still be read; the reset is found after it.
    this.#writeFailure = connFailure(error);
    this.#rejectWrites(this.#writeFailure);
  };

  #endWrites(): Promise<void> {
    if (this.#writeEnd === undefined) {
      this.#writeEnd = Promise.withResolvers<void>();
      this.#writeEnd.promise.catch(() => {}); // close() asks for the end without waiting for it
      this.#continueWriting();
    }
    return this.#writeEnd.promise;
  }

  #sendWriteEnd(): void {
    if (this.#writeEnd === undefined || this.#writeEndSent) return;
    this.#writeEndSent = true;
    this.#isWriting = true;
    this.#socket.closeWrite().then(() => {
      this.#isWriting = false;
      this.#writeEnd!.resolve();
      if (this.#state === "lingering") this.#awaitPeerEnd();
      else if (this.#state === "closed") this.#settleIfIdle();
    }, this.#onWriteFailed);
  }

  // --- ending ------------------------------------------------------------------------------------

  /** The connection broke: both halves fail alike, and nothing of the socket is kept. */
  #fail(failure: Error): void {
    this.#failure = failure;
    this.#writeFailure ??= failure;
    this.#finish();
  }

  #linger(): void {
    this.#lingerTimer = this.#clock.timer(LINGER_MS, () => this.#finish());
    if (this.#writeEndSent && !this.#isWriting) this.#awaitPeerEnd();
    else this.#endWrites();
  }

  /** Our end is sent. Whatever still comes is read and dropped until the peer's end. */
  #awaitPeerEnd(): void {
    this.#lingerTimer?.cancel();
    if (this.#peerEnded) return this.#finish();
    this.#lingerTimer = this.#clock.timer(PEER_END_MS, () => this.#finish());
    if (!this.#isReading) this.#startRead();
  }

  #afterClosedRead(): void {
    if (this.#state === "closed") return this.#settleIfIdle();
    if (!this.#writeEndSent || this.#isWriting) return; // awaitPeerEnd goes on from here
    if (this.#peerEnded) this.#finish();
    else this.#startRead();
  }

  #finish(isAborted = false): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#lingerTimer?.cancel();
    const reason = this.#reason ?? this.#failure;
    this.#pendingRead?.reject(reason);
    this.#pendingRead = undefined;
    this.#rejectWrites(reason);
    this.#buffer.drop();
    // Either wakes the socket's pending operations; they settle `closed`.
    if (isAborted && this.#socket.reset !== undefined) this.#socket.reset();
    else this.#socket.close();
    this.#settleIfIdle();
  }

  #rejectWrites(reason: unknown): void {
    this.#writes.fail(reason);
    this.#writeEnd?.reject(reason);
  }

  #settleIfIdle(): void {
    if (!this.#isReading && !this.#isWriting) this.#settleClosed();
  }
}

function writeHalfClosed(): ConnClosedError {
  return new ConnClosedError(undefined, "Write half is closed");
}

/** Deno's address of a TCP or UDP socket. */
export function socketAddress(address: Deno.Addr): SocketAddress {
  const { hostname, port } = address as Deno.NetAddr;
  return { hostname, port };
}
