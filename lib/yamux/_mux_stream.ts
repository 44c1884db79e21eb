/**
 * One stream: two windows, what waits to be sent, what waits to be read. Knows nothing of other streams but the
 * one that it is spliced to.
 *
 *     open --FIN sent--> half closed --FIN received--> forgotten       (either order)
 *     any  --RST, end of the session, close time-out--> forgotten
 *
 * @module
 */
import {
  type Conn,
  ConnClosedError,
  ConnResetError,
  MalformedError,
  READ_BYTES_MAX,
  ReceiveBuffer,
  WriteQueue,
} from "../base/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import type { Engine } from "./_engine.ts";
import type { Sender } from "./_output.ts";
import type { Splice } from "./splice.ts";
import { FLAG_FIN, FLAG_RST, WINDOW_BYTES } from "./frame.ts";
import type { YamuxSession } from "./session.ts";
import type { YamuxStream } from "./stream.ts";

/** A window is a promise of the peer; more than a u32 of it is not counted. */
const SEND_WINDOW_MAX = 0xffff_ffff;

interface PendingRead {
  readonly resolve: (view: Uint8Array | null) => void;
  readonly reject: (reason: unknown) => void;
}

const DONE: Promise<void> = Promise.resolve();
const NOTHING = new Uint8Array(0);

export class MuxStream implements YamuxStream, Sender, Conn {
  readonly halfClose = true;
  readonly closed: Promise<void>;
  readonly id: number;
  readonly #engine: Engine;
  #settleClosed!: () => void;

  // Sending.
  #sendWindow = WINDOW_BYTES;
  readonly #writes = new WriteQueue();
  #writeEnd: PromiseWithResolvers<void> | undefined; // closeWrite was called
  #finSent = false;

  // Receiving.
  #receiveWindow: number; // what the peer may still send
  #unannounced = 0; // taken by the reader, not yet given back to the peer
  readonly #received = new ReceiveBuffer();
  #pendingRead: PendingRead | undefined;
  #isToWake = false;
  #finReceived = false;

  // Ending.
  #failure: Error | undefined; // of both halves; bytes that had arrived before may still be read
  #isForgotten = false;
  /** When the close time-out began: `Clock.monotonicMs`. */
  closingSinceMs = 0;
  /** When the SYN was sent, for a stream of ours. */
  openedMs = 0;

  // Spliced: what arrives here goes to the partner.
  #splice: Splice | undefined;
  #partner: MuxStream | undefined;
  #backlog: Uint8Array = NOTHING; // the rest of a view of #received that is being moved

  /** `extraWindow`: bytes of the receive window above those of the protocol, taken from the session's. */
  constructor(engine: Engine, id: number, readonly extraWindow: number) {
    this.#engine = engine;
    this.id = id;
    this.#receiveWindow = WINDOW_BYTES + extraWindow;
    const release = engine.ledger.open("yamux-stream");
    this.closed = new Promise((resolve) =>
      this.#settleClosed = () => {
        release();
        resolve();
      }
    );
  }

  get session(): YamuxSession {
    return this.#engine.session;
  }

  get clock(): Clock {
    return this.#engine.clock;
  }

  // --- Conn --------------------------------------------------------------------------------------

  read(): Promise<Uint8Array | null> {
    if (this.#pendingRead !== undefined) return Promise.reject(new TypeError("A read is already pending"));
    if (this.#splice !== undefined) {
      return Promise.reject(new TypeError("The stream is spliced to another one"));
    }
    const view = this.#received.take(READ_BYTES_MAX);
    if (view.length > 0) {
      this.#took(view.length);
      return Promise.resolve(view);
    }
    if (this.#finReceived && !(this.#failure instanceof ConnClosedError)) return Promise.resolve(null);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#pendingRead = { resolve, reject });
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#splice !== undefined) {
      return Promise.reject(new TypeError("The stream is spliced to another one"));
    }
    if (this.#writeEnd !== undefined) return Promise.reject(writeHalfClosed());
    const sent = this.#writes.isEmpty ? this.#sendDirect(bytes) : 0;
    if (sent === bytes.length) return DONE;
    const written = this.#writes.push(bytes, sent);
    this.#askTurn();
    return written;
  }

  closeWrite(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#writeEnd === undefined) {
      this.#writeEnd = Promise.withResolvers();
      this.#writeEnd.promise.catch(() => {}); // the caller may not look at it
      if (this.#writes.isEmpty) this.#sendFin();
    }
    return this.#writeEnd.promise;
  }

  close(reason?: unknown): void {
    if (this.#isForgotten) {
      // Both ends are done with it; later calls still have to hear of our close.
      if (!(this.#failure instanceof ConnClosedError)) this.#fail(new ConnClosedError(reason));
      return;
    }
    const isClosing = this.#failure !== undefined;
    if (isClosing && reason === undefined) return;
    if (!isClosing) this.#fail(new ConnClosedError(reason), reason);
    if (reason !== undefined) return this.reset();
    if (!this.#finSent) this.#sendFin();
    if (!this.#isForgotten) this.#engine.awaitFin(this);
  }

  // --- called by the engine ----------------------------------------------------------------------

  /** The header of a Data frame: all of it must fit the window. */
  expect(bytes: number): void {
    if (bytes > this.#receiveWindow) {
      throw new MalformedError(
        `Stream ${this.id} sent ${bytes} bytes into a window of ${this.#receiveWindow}`,
      );
    }
    this.#receiveWindow -= bytes;
  }

  /** A piece of payload. What comes after FIN or our close is dropped: the peer may not know yet. */
  onPayload(piece: Uint8Array): void {
    if (this.#failure !== undefined || this.#finReceived || this.#isForgotten) return;
    if (this.#partner !== undefined) return this.#relay(piece);
    this.#received.append(piece);
    this.#wakeLater();
  }

  onWindow(bytes: number): void {
    this.#sendWindow = Math.min(this.#sendWindow + bytes, SEND_WINDOW_MAX);
    this.#askTurn();
  }

  onFin(): void {
    if (this.#finReceived) throw new MalformedError(`Stream ${this.id} was ended twice`);
    this.#finReceived = true;
    this.#wakeLater();
    if (this.#finSent) this.forget();
    if (this.#splice !== undefined && this.#hasMovedAll()) this.#splice.end();
  }

  /** The peer's RST. */
  onReset(): void {
    this.forget();
    this.#dropReceived();
    if (this.#failure === undefined) {
      const error = new ConnResetError(`Stream ${this.id} was reset by the peer`);
      this.#fail(error, error);
    }
  }

  /** The session is over. `error` is a `ConnClosedError` after our own close. */
  onSessionEnd(error: Error): void {
    this.forget();
    if (this.#failure !== undefined) return;
    if (!(error instanceof ConnClosedError)) this.wake(); // what had arrived is the reader's
    this.#fail(error, error);
  }

  /** Gives the waiting reader what has come during one pass over the input. */
  wake(): void {
    this.#isToWake = false;
    const reader = this.#pendingRead;
    if (reader === undefined) return;
    const view = this.#received.take(READ_BYTES_MAX);
    if (view.length === 0 && !this.#finReceived) return;
    this.#pendingRead = undefined;
    if (view.length > 0) this.#took(view.length);
    reader.resolve(view.length > 0 ? view : null);
  }

  /** Sends RST and forgets the stream. */
  reset(): void {
    if (this.#isForgotten) return;
    this.#engine.windowUpdate(this.id, 0, FLAG_RST);
    this.#dropReceived();
    this.forget();
  }

  /** Leaves the session: frames of this id are now those of an unknown stream. */
  forget(): void {
    if (this.#isForgotten) return;
    this.#isForgotten = true;
    this.#engine.forget(this);
    this.#settleClosed();
  }

  // --- called by the output ----------------------------------------------------------------------

  sendTurn(bytesMax: number): boolean {
    let left = bytesMax;
    while (left > 0 && this.#sendWindow > 0) {
      if (this.#writes.isEmpty) {
        const moved = this.#partner?.moveTo(this, left) ?? 0;
        if (moved === 0) return false;
        left -= moved;
        continue;
      }
      const part = this.#writes.peek(Math.min(left, this.#sendWindow));
      this.#send(part);
      left -= part.length;
      this.#writes.sent(part.length);
      if (this.#writes.isEmpty && this.#writeEnd !== undefined) this.#sendFin();
    }
    return this.#hasToSend();
  }

  // --- splicing ----------------------------------------------------------------------------------

  /** False when a caller is in the middle of a read, or another splice has the stream. */
  get canSplice(): boolean {
    return this.#pendingRead === undefined && this.#splice === undefined && this.#writeEnd === undefined;
  }

  /** From now on what arrives goes to `partner`. The splice hears of the end: of this direction, or by failure. */
  spliceTo(partner: MuxStream, splice: Splice): void {
    this.#splice = splice;
    this.#partner = partner;
  }

  /** Both streams know each other: moves what has arrived already, and tells what has ended already. */
  startSplice(): void {
    const [splice, partner] = [this.#splice, this.#partner];
    if (splice === undefined || partner === undefined) return; // the other stream had failed
    if (this.#failure !== undefined) splice.fail(this.#failure);
    else if (this.#finReceived && this.#hasMovedAll()) splice.end();
    else partner.#askTurn();
  }

  /** Back to an ordinary stream, which the splice closes. */
  unsplice(): void {
    this.#splice = this.#partner = undefined;
  }

  /** Moves up to `bytesMax` of what waits here into the output of `to`; how much that was. */
  moveTo(to: MuxStream, bytesMax: number): number {
    if (this.#backlog.length === 0) this.#backlog = this.#received.take(READ_BYTES_MAX);
    const part = this.#backlog.subarray(0, Math.min(bytesMax, to.#sendWindow));
    if (part.length === 0) return 0;
    to.#send(part);
    this.#backlog = this.#backlog.subarray(part.length);
    this.#moved(part.length);
    return part.length;
  }

  /** Straight from the input of this session into the output of the other, as far as window and room go. */
  #relay(piece: Uint8Array): void {
    const partner = this.#partner!;
    const isFirst = this.#hasMovedAll() && partner.#writes.isEmpty;
    const sent = isFirst ? partner.#sendDirect(piece) : 0;
    if (sent < piece.length) {
      this.#received.append(sent === 0 ? piece : piece.subarray(sent));
      partner.#askTurn();
    }
    if (sent > 0) this.#moved(sent);
  }

  #moved(bytes: number): void {
    this.#took(bytes);
    const splice = this.#splice!;
    splice.movedMs = Math.max(this.#engine.heardMs, this.#partner!.#engine.heardMs);
    if (this.#finReceived && this.#hasMovedAll()) splice.end();
  }

  #hasMovedAll(): boolean {
    return this.#backlog.length === 0 && this.#received.size === 0;
  }

  // --- within ------------------------------------------------------------------------------------

  #sendDirect(bytes: Uint8Array): number {
    let sent = 0;
    while (sent < bytes.length) {
      const room = Math.min(this.#engine.output.directRoom(), this.#sendWindow, bytes.length - sent);
      if (room === 0) break;
      this.#send(room === bytes.length ? bytes : bytes.subarray(sent, sent + room));
      sent += room;
    }
    return sent;
  }

  #send(bytes: Uint8Array): void {
    this.#sendWindow -= bytes.length;
    this.#engine.output.data(this.id, bytes);
  }

  #hasToSend(): boolean {
    if (this.#sendWindow === 0) return false;
    return !this.#writes.isEmpty || (this.#partner !== undefined && !this.#partner.#hasMovedAll());
  }

  #askTurn(): void {
    if (this.#failure === undefined && this.#hasToSend()) this.#engine.output.wait(this);
  }

  #sendFin(): void {
    this.#finSent = true;
    this.#engine.windowUpdate(this.id, 0, FLAG_FIN);
    this.#writeEnd?.resolve();
    if (this.#finReceived) this.forget();
  }

  /** The reader took `bytes`: gives the peer its window back once that is half of it, as the Go library does. */
  #took(bytes: number): void {
    this.#unannounced += bytes;
    if (this.#unannounced < (WINDOW_BYTES + this.extraWindow) / 2 || this.#finReceived || this.#isForgotten) {
      return;
    }
    this.#receiveWindow += this.#unannounced;
    this.#engine.windowUpdate(this.id, this.#unannounced, 0);
    this.#unannounced = 0;
  }

  #wakeLater(): void {
    if (this.#isToWake || this.#pendingRead === undefined) return;
    this.#isToWake = true;
    this.#engine.wakeAfterPass(this);
  }

  /** Both halves reject from now on. Without a reason it is our own orderly close. */
  #fail(error: Error, reason?: unknown): void {
    if (this.#failure === undefined) this.#engine.giveWindow(this.extraWindow);
    this.#failure = error;
    if (error instanceof ConnClosedError) this.#dropReceived();
    this.#pendingRead?.reject(error);
    this.#pendingRead = undefined;
    this.#writes.fail(error);
    if (!this.#finSent) this.#writeEnd?.reject(error);
    this.#engine.output.forget(this);
    if (reason === undefined) this.#splice?.end();
    else this.#splice?.fail(error);
  }

  #dropReceived(): void {
    this.#received.clear();
    this.#backlog = NOTHING;
  }
}

function writeHalfClosed(): ConnClosedError {
  return new ConnClosedError(undefined, "Write half is closed");
}
