/**
 * What a session sends: headers and payloads of all its streams in one buffer, one write at a time.
 *
 *     streams --copy--> [ filling, up to 256 KiB ]  --swap-->  [ in flight ] --conn.write--> peer
 *
 * While a write is in flight the next batch fills; when nothing is in flight the batch goes out at the end of
 * the current turn of microtasks, so that one pass over another session's input becomes one write. Batches come
 * from load, never from a timer; an idle session holds no buffer.
 *
 * Data stops at {@link DATA_BYTES_MAX}; the rest of the buffer is the bounded queue of control frames, which
 * therefore never wait behind a writer, and keep their place behind the data of their stream (FIN).
 *
 * @module
 */
import { type Conn, giveBuffer, takeBuffer } from "../base/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import { HEADER_BYTES, putHeader, putU32, TYPE_DATA } from "./frame.ts";

/** The largest batch. */
export const OUTPUT_BYTES_MAX = 256 * 1024;
/** Kept free of data: 5,461 control frames; the ACK, FIN and window update of 2,048 streams need 72 KiB at worst. */
const CONTROL_BYTES_MIN = 76 * 1024;
/** What data may fill of a batch. */
const DATA_BYTES_MAX = OUTPUT_BYTES_MAX - CONTROL_BYTES_MIN;
/** What one waiting stream may send before it is the next one's turn; also the largest frame. */
export const TURN_BYTES = 64 * 1024;
/** Less room than this counts as none, else a full buffer would end in crumbs. */
const ROOM_BYTES_MIN = 1024;

// A batch must be written within the write time-out, also on a slow line: batches start small and shrink there.
/** A batch of the smallest size still passes in time at 1.6 KiB/s. */
const BATCH_BYTES_MIN = 16 * 1024;
/** A batch that took longer was too large. */
const BATCH_SLOW_MS = 1_000;

/** A stream that has bytes to send and window to send them. */
export interface Sender {
  /** Sends up to `bytesMax` (at least 1) by `Output.data`; true when it could go on. */
  sendTurn(bytesMax: number): boolean;
}

const NOTHING = new Uint8Array(0);

export class Output {
  readonly #conn: Conn;
  readonly #clock: Clock;
  readonly #writeTimeoutMs: number;
  readonly #onWriteStarted: (dueMs: number) => void;
  readonly #onFailed: (error: unknown) => void;
  #filling: Uint8Array = NOTHING;
  #filled = 0;
  #dataHeader = -1; // where the header of the last frame is, if it is a Data frame that can grow
  #dataId = 0;
  #dataLength = 0;
  #inFlight: Uint8Array = NOTHING;
  #isWriting = false;
  #writingSinceMs = 0;
  #lastWrite: Promise<void> | undefined;
  #isScheduled = false;
  #isEnded = false;
  #batchBytesMax = BATCH_BYTES_MIN;
  #batchBytesLast = 0;
  #waiting: Set<Sender> | undefined; // in the order of their turns; made on first need
  /** Bytes handed to the connection. */
  bytesOut = 0;

  constructor(
    conn: Conn,
    { clock, writeTimeoutMs, onWriteStarted, onFailed }: {
      clock: Clock;
      writeTimeoutMs: number;
      onWriteStarted: (dueMs: number) => void;
      onFailed: (error: unknown) => void;
    },
  ) {
    this.#conn = conn;
    this.#clock = clock;
    this.#writeTimeoutMs = writeTimeoutMs;
    this.#onWriteStarted = onWriteStarted;
    this.#onFailed = onFailed;
  }

  /**
   * When the write in flight must be done; Infinity when there is none. The time-out holds for each 64 KiB: a
   * kernel buffer takes the first batches at once and only then shows how slow the line is.
   */
  get writeDueMs(): number {
    if (!this.#isWriting) return Infinity;
    return this.#writingSinceMs + this.#writeTimeoutMs * Math.ceil(this.#batchBytesLast / TURN_BYTES);
  }

  /** Settles when no write is in flight any more; never rejects. The connection is closed before. */
  async joined(): Promise<void> {
    await this.#lastWrite;
  }

  /** Takes a frame without payload; false when the queue of control frames is full. */
  control(type: number, flags: number, id: number, length: number): boolean {
    if (this.#isEnded) return true;
    if (this.#filled + HEADER_BYTES > OUTPUT_BYTES_MAX) return false;
    this.#reserve(HEADER_BYTES);
    putHeader(this.#filling, this.#filled, type, flags, id, length);
    this.#filled += HEADER_BYTES;
    this.#dataHeader = -1;
    this.#schedule();
    return true;
  }

  /** Payload bytes that a stream may put into one frame without a turn; 0 while others wait. */
  directRoom(): number {
    return this.#waiting !== undefined && this.#waiting.size > 0 ? 0 : Math.min(this.#room(), TURN_BYTES);
  }

  /** Copies `bytes` of a stream in; no more than there is room for. Pieces of one stream in a row share a frame. */
  data(id: number, bytes: Uint8Array): void {
    const grows = this.#dataHeader >= 0 && this.#dataId === id &&
      this.#dataLength + bytes.length <= TURN_BYTES;
    this.#reserve(bytes.length + HEADER_BYTES);
    if (grows) {
      this.#dataLength += bytes.length;
      putU32(this.#filling, this.#dataHeader + 8, this.#dataLength);
    } else {
      putHeader(this.#filling, this.#filled, TYPE_DATA, 0, id, bytes.length);
      this.#dataHeader = this.#filled;
      this.#dataId = id;
      this.#dataLength = bytes.length;
      this.#filled += HEADER_BYTES;
    }
    this.#filling.set(bytes, this.#filled);
    this.#filled += bytes.length;
    this.#schedule();
  }

  /** Asks for a turn. A sender that waits already keeps its place. */
  wait(sender: Sender): void {
    if (this.#isEnded) return;
    (this.#waiting ??= new Set()).add(sender);
    this.#scheduleTurns();
  }

  /** Takes a sender out of the row. */
  forget(sender: Sender): void {
    this.#waiting?.delete(sender);
  }

  /** Hands what is left to the connection, which is then closed by the caller. Nothing more is taken. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#waiting = undefined;
    if (this.#filled > 0) {
      // Not pooled again: the connection may still read it when this promise is rejected by the close.
      const before = this.#lastWrite;
      this.bytesOut += this.#filled;
      const write = this.#conn.write(this.#filling.subarray(0, this.#filled)).catch(() => {});
      this.#lastWrite = Promise.all([before, write]).then(() => {});
    }
    this.#filling = NOTHING;
    this.#filled = 0;
  }

  /** Drops what is left. */
  drop(): void {
    this.#filled = 0;
    this.end();
  }

  #room(): number {
    if (this.#isEnded) return 0;
    let room = this.#batchBytesMax - this.#filled - HEADER_BYTES;
    if (room < ROOM_BYTES_MIN && !this.#isWriting) {
      this.#flush();
      room = this.#batchBytesMax - HEADER_BYTES;
    }
    return room < ROOM_BYTES_MIN ? 0 : room;
  }

  #reserve(bytes: number): void {
    const needed = this.#filled + bytes;
    if (needed <= this.#filling.length) return;
    const old = this.#filling;
    // The last batch tells how much is to come: a busy session starts with a buffer that need not grow.
    const next = takeBuffer(
      Math.max(needed, Math.min(old.length * 4, OUTPUT_BYTES_MAX), this.#batchBytesLast),
    );
    if (this.#filled > 0) next.set(old.subarray(0, this.#filled));
    giveBuffer(old);
    this.#filling = next;
  }

  #schedule(): void {
    if (!this.#isWriting) this.#scheduleTurns(); // else the end of the write goes on
  }

  #scheduleTurns(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(this.#onScheduled);
  }

  readonly #onScheduled = () => {
    this.#isScheduled = false;
    this.#serveWaiting();
    this.#flush();
  };

  #serveWaiting(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    while (waiting.size > 0) {
      const room = this.#room();
      if (room === 0) return;
      const sender: Sender = waiting.values().next().value!;
      waiting.delete(sender);
      if (sender.sendTurn(Math.min(room, TURN_BYTES))) waiting.add(sender);
    }
  }

  #flush(): void {
    if (this.#isWriting || this.#filled === 0 || this.#isEnded) return;
    const bytes = this.#filled;
    this.#inFlight = this.#filling;
    this.#filling = NOTHING;
    this.#filled = 0;
    this.#dataHeader = -1;
    this.#batchBytesLast = bytes;
    this.bytesOut += bytes;
    this.#isWriting = true;
    this.#writingSinceMs = this.#clock.monotonicMs();
    this.#onWriteStarted(this.writeDueMs);
    this.#lastWrite = this.#conn.write(this.#inFlight.subarray(0, bytes)).then(
      this.#onWritten,
      this.#onRejected,
    );
  }

  readonly #onWritten = () => {
    this.#isWriting = false;
    giveBuffer(this.#inFlight);
    this.#inFlight = NOTHING;
    this.#tuneBatch(this.#clock.monotonicMs() - this.#writingSinceMs);
    if (this.#isEnded) return;
    this.#flush();
    this.#serveWaiting();
  };

  readonly #onRejected = (error: unknown) => {
    this.#isWriting = false;
    this.#inFlight = NOTHING; // the connection may still hold it: left to the collector
    if (!this.#isEnded) this.#onFailed(error);
  };

  #tuneBatch(tookMs: number): void {
    const max = this.#batchBytesMax;
    if (tookMs > BATCH_SLOW_MS) this.#batchBytesMax = Math.max(BATCH_BYTES_MIN, max >>> 2);
    else if (this.#batchBytesLast * 2 > max) this.#batchBytesMax = Math.min(DATA_BYTES_MAX, max * 2);
  }
}
