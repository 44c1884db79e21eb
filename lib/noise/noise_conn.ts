/**
 * A connection inside noise: frames over any Conn, in order (protocol: dmsg, sections 2.3 and 2.4).
 *
 * Writing seals up to {@link BATCH_FRAMES_MAX} frames into one buffer and one write below. Reading opens every
 * whole frame of a view in place and hands up one chunk. There is no authenticated end: a `null` says "no
 * more", not "complete".
 *
 * @module
 */
import {
  type Conn,
  ConnClosedError,
  giveBuffer,
  type Ledger,
  takeBuffer,
  type TakenWrite,
  TruncatedError,
  WriteQueue,
} from "../base/mod.ts";
import {
  FRAME_OVERHEAD_BYTES,
  FRAME_PLAINTEXT_BYTES_MAX,
  FRAME_PREFIX_MAX,
  FrameOpener,
  FrameSealer,
  PREFIX_BYTES,
  wholeFrameBytes,
} from "./frames.ts";
import type { SplitKeys } from "./handshakes.ts";

/** Frames of one write below: 64 KiB, one frame of yamux, and one buffer of the pool. */
export const BATCH_FRAMES_MAX = 16;

/** Longest frame with its prefix. */
const FRAME_BYTES_MAX = PREFIX_BYTES + FRAME_PREFIX_MAX;

/**
 * `conn` inside noise. Owns `conn`. Never half-closes: what is below may end both directions at once.
 * A frame that is refused fails the read and closes the connection: `AuthenticationError`, `ReplayError`, `GapError`,
 * `LimitError`, `MalformedError`; an end inside a frame is a `TruncatedError`.
 * `ledger` counts it as kind `noise-conn` until it is closed.
 */
export function noiseConn(conn: Conn, keys: SplitKeys, options: NoiseConnOptions = {}): Conn {
  return new NoiseConn(conn, keys, options);
}

export interface NoiseConnOptions {
  readonly ledger?: Ledger;
  /** Frames of one write below: fewer where what is below adds to them and has a size of its own to keep. */
  readonly batchFramesMax?: number;
  /** A frame whose counter does not follow the last one fails the read: `GapError`. Default: gaps are let through. */
  readonly strict?: boolean;
}

class NoiseConn implements Conn {
  readonly halfClose = false;
  readonly closed: Promise<void>;
  readonly #conn: Conn;
  readonly #sealer: FrameSealer;
  readonly #opener: FrameOpener;
  readonly #batchFramesMax: number;

  // Reading
  #reading = false;
  #view: Uint8Array | undefined; // of the last read below: what is not yet opened
  #partial: Uint8Array | undefined; // one frame's bytes that came so far
  #partialBytes = 0;
  #failure: Error | undefined; // of a frame behind bytes that were good

  // Writing
  readonly #writes = new WriteQueue();
  #pumping: Promise<void> | undefined;
  #writeFailure: { readonly reason: unknown } | undefined;
  #ending: Promise<void> | undefined;

  constructor(
    conn: Conn,
    keys: SplitKeys,
    { ledger, batchFramesMax = BATCH_FRAMES_MAX, strict = false }: NoiseConnOptions,
  ) {
    this.#conn = conn;
    this.#batchFramesMax = batchFramesMax;
    this.#sealer = new FrameSealer(keys.send);
    this.#opener = new FrameOpener(keys.receive, { isStrict: strict });
    const release = ledger?.open("noise-conn");
    this.closed = release === undefined ? conn.closed : conn.closed.then(release);
  }

  async read(): Promise<Uint8Array | null> {
    if (this.#reading) throw new TypeError("A read is already pending");
    this.#reading = true;
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#view === undefined) this.#freePartial();
        const view = this.#view ?? await this.#conn.read();
        this.#view = undefined;
        if (view === null) {
          if (this.#partialBytes > 0) throw this.#fail(new TruncatedError("a noise frame"));
          return null;
        }
        const plaintext = this.#partialBytes > 0 ? this.#complete(view) : this.#open(view);
        if (plaintext.length > 0) return plaintext;
      }
    } catch (error) {
      if (error === this.#failure) this.close(error);
      throw error; // later reads find the connection closed
    } finally {
      this.#reading = false;
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#writeFailure !== undefined) return Promise.reject(this.#writeFailure.reason);
    if (this.#ending !== undefined) {
      return Promise.reject(new ConnClosedError(undefined, "Write half is closed"));
    }
    if (bytes.length === 0) return Promise.resolve();
    const written = this.#writes.push(bytes);
    this.#pumping ??= this.#pump();
    return written;
  }

  closeWrite(): Promise<void> {
    if (this.#writeFailure !== undefined) return Promise.reject(this.#writeFailure.reason);
    this.#ending ??= this.#end();
    return this.#ending;
  }

  close(reason?: unknown): void {
    this.#breakWrites(new ConnClosedError(reason));
    this.#view = this.#partial = this.#failure = undefined;
    this.#partialBytes = 0;
    this.#conn.close(reason);
  }

  /** Opens what is whole in `view`; keeps the rest. */
  #open(view: Uint8Array): Uint8Array {
    const { plaintextBytes, consumedBytes, failure } = this.#opener.open(view);
    if (failure !== undefined) {
      // Authentic bytes in front of a bad frame still arrive; the next read then fails.
      this.#failure = failure;
      if (plaintextBytes === 0) throw failure;
    } else if (consumedBytes < view.length) {
      this.#partial ??= takeBuffer(FRAME_BYTES_MAX);
      this.#partial.set(view.subarray(consumedBytes));
      this.#partialBytes = view.length - consumedBytes;
    }
    return view.subarray(0, plaintextBytes);
  }

  /** Fills the incomplete frame from `view` and opens it on its own; what is left of `view` is next. */
  #complete(view: Uint8Array): Uint8Array {
    const partial = this.#partial!;
    let taken = 0;
    if (this.#partialBytes < PREFIX_BYTES) partial[this.#partialBytes++] = view[taken++]!;
    let frameBytes: number;
    try {
      frameBytes = wholeFrameBytes(partial.subarray(0, this.#partialBytes), 0);
    } catch (error) {
      throw this.#fail(error as Error);
    }
    const part = view.subarray(taken, taken + frameBytes - this.#partialBytes);
    partial.set(part, this.#partialBytes);
    this.#partialBytes += part.length;
    taken += part.length;
    if (taken < view.length) this.#view = view.subarray(taken);
    if (this.#partialBytes < frameBytes) return view.subarray(0, 0);
    this.#partialBytes = 0;
    return this.#open(partial.subarray(0, frameBytes));
  }

  /** An idle connection holds no buffer. The reader asks again, so it is done with what it was given. */
  #freePartial(): void {
    if (this.#partial === undefined || this.#partialBytes > 0) return;
    giveBuffer(this.#partial);
    this.#partial = undefined;
  }

  #fail(error: Error): Error {
    this.#failure = error;
    return error;
  }

  /** Seals and writes until no write waits. Starts in the call of the first one: nothing is delayed. */
  async #pump(): Promise<void> {
    while (!this.#writes.isEmpty) {
      const buffer = takeBuffer(this.#batchBytes());
      const { bytes, whole } = this.#sealBatch(buffer);
      try {
        await this.#conn.write(buffer.subarray(0, bytes));
      } catch (reason) {
        for (const write of whole) write.reject(reason);
        this.#breakWrites(reason);
        break; // the buffer may still be in use below: it is left to the collector
      }
      giveBuffer(buffer);
      for (const write of whole) write.resolve();
    }
    this.#pumping = undefined;
  }

  /** Size of the next batch: what waits, framed, up to the bound. */
  #batchBytes(): number {
    let bytes = 0;
    const bytesMax = this.#batchFramesMax * FRAME_BYTES_MAX;
    const writes = Math.min(this.#writes.count, this.#batchFramesMax); // each is a frame or more
    for (let index = 0; index < writes && bytes < bytesMax; index++) {
      const left = this.#writes.leftOf(index);
      bytes += left + Math.ceil(left / FRAME_PLAINTEXT_BYTES_MAX) * FRAME_OVERHEAD_BYTES;
    }
    return Math.min(bytes, bytesMax);
  }

  /** Fills `buffer` with frames of the waiting writes, in order; `whole` are those that are sealed to the end. */
  #sealBatch(buffer: Uint8Array): { bytes: number; whole: TakenWrite[] } {
    const whole: TakenWrite[] = [];
    let bytes = 0;
    for (let frames = 0; frames < this.#batchFramesMax && !this.#writes.isEmpty; frames++) {
      const plaintext = this.#writes.peek(FRAME_PLAINTEXT_BYTES_MAX);
      bytes += this.#sealer.sealInto(plaintext, buffer, bytes);
      const write = this.#writes.take(plaintext.length);
      if (write !== undefined) whole.push(write);
    }
    return { bytes, whole };
  }

  async #end(): Promise<void> {
    await this.#pumping;
    if (this.#writeFailure !== undefined) throw this.#writeFailure.reason;
    await this.#conn.closeWrite();
  }

  #breakWrites(reason: unknown): void {
    this.#writeFailure ??= { reason };
    this.#writes.fail(this.#writeFailure.reason);
  }
}
