/**
 * A stream of bytes between two visors, carried by packets of their transport without any route (protocol:
 * transport, section 8.3).
 *
 *     [ stream id u64 ][ sender's key 33 ][ flags u8 ][ data ]      in packets of route id 0
 *
 * There is no window: the peer sends until our queue is full, and then the whole transport waits for the reader,
 * for at most {@link FULL_QUEUE_MS}. There is no reset either: however one side ends, the other one reads an end.
 *
 * @module
 */
import {
  type Conn,
  ConnClosedError,
  giveBuffer,
  READ_BYTES_MAX,
  ReceiveBuffer,
  takeBuffer,
  type TakenWrite,
  WriteQueue,
} from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { STREAM_DATA_BYTES, STREAM_FIN, STREAM_HEADER_BYTES, STREAM_SYN } from "./_stream_frame.ts";
import { PACKET_HEADER_BYTES } from "./packet.ts";
import type { Transport } from "./transport.ts";

/** Skywire queues 1024 frames of any size; ours are counted in bytes, as these are what costs. */
export const STREAM_QUEUE_BYTES_MAX = 1024 * 1024;
/** How long a full queue may stay full before the stream ends. */
export const FULL_QUEUE_MS = 30_000;
/** One write of a transport: as much as noise seals at once. */
export const STREAM_BATCH_BYTES = 64 * 1024;

/** What a stream needs of its transport. */
export interface StreamHost {
  readonly transport: Transport;
  /** Writes the header of a frame of this stream; gives the offset behind it. */
  writeHeader(into: Uint8Array, at: number, flags: number, dataBytes: number): number;
  write(packets: Uint8Array): Promise<void>;
  /** Sends a frame without data, if the peer takes any. */
  signal(flags: number): void;
  /** Nothing more is wanted of the peer. */
  onGone(): void;
}

/** Made by `Transport.openStream` and `TransportManager.onStream`. Never half-closes. */
export class VirtualStream implements Conn {
  readonly halfClose = false;
  readonly closed: Promise<void>;
  readonly #host: StreamHost;
  readonly #settleClosed: () => void;

  // Reading
  readonly #received = new ReceiveBuffer();
  #reader: { resolve: (view: Uint8Array | null) => void; reject: (reason: unknown) => void } | undefined;
  #hasPeerEnded = false;
  #onRoom: (() => void) | undefined;

  // Writing
  readonly #writes = new WriteQueue();
  #inFlight: readonly TakenWrite[] = []; // whole in the batch that the transport has: copies, so they may be let go
  #pumping: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #breakEnding = (_reason: unknown) => {};
  #hasEnded = false;

  #failure: { readonly reason: unknown } | undefined; // of both halves; set once it is closed

  constructor(host: StreamHost, readonly kind: number, { isOpener }: { readonly isOpener: boolean }) {
    this.#host = host;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#settleClosed = resolve;
    if (isOpener) host.signal(STREAM_SYN);
  }

  /** The key of the other end, which the transport has proved. */
  get remote(): PublicKey {
    return this.#host.transport.remote;
  }

  get transport(): Transport {
    return this.#host.transport;
  }

  read(): Promise<Uint8Array | null> {
    if (this.#reader !== undefined) return Promise.reject(new TypeError("A read is already pending"));
    if (this.#failure !== undefined) return Promise.reject(this.#failure.reason);
    const view = this.#received.take(READ_BYTES_MAX);
    this.#tellRoom();
    if (view.length > 0) return Promise.resolve(view);
    if (this.#hasPeerEnded) return Promise.resolve(null);
    return new Promise((resolve, reject) => this.#reader = { resolve, reject });
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.reason);
    if (this.#ending !== undefined) {
      return Promise.reject(new ConnClosedError(undefined, "Write half is closed"));
    }
    if (bytes.length === 0) return Promise.resolve();
    const written = this.#writes.push(bytes);
    this.#pumping ??= this.#pump();
    return written;
  }

  closeWrite(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.reason);
    this.#ending ??= this.#end();
    return this.#ending;
  }

  close(reason?: unknown): void {
    if (this.#failure !== undefined) return;
    this.fail(new ConnClosedError(reason));
    if (!this.#hasEnded) this.#host.signal(STREAM_FIN); // behind every batch that the transport has
  }

  // For the transport only, below.

  /** Copies data of the peer in. False: the queue is full now. */
  receive(data: Uint8Array): boolean {
    if (this.#failure !== undefined || this.#hasPeerEnded || data.length === 0) return true;
    this.#received.append(data);
    this.#serve();
    return this.#received.size < STREAM_QUEUE_BYTES_MAX;
  }

  /** The peer's FIN. */
  receiveEnd(): void {
    if (this.#failure !== undefined || this.#hasPeerEnded) return;
    this.#hasPeerEnded = true;
    this.#serve();
    if (this.#hasEnded) this.#leave();
  }

  /** Calls `onRoom` once when the queue has room again, or when it does not matter any more. */
  whenRoom(onRoom: () => void): void {
    this.#onRoom = onRoom;
  }

  /** Ends both halves at once, without a word to the peer. */
  fail(reason: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { reason };
    this.#received.clear();
    this.#reader?.reject(reason);
    this.#reader = undefined;
    for (const write of this.#inFlight) write.reject(reason);
    this.#writes.fail(reason);
    this.#breakEnding(reason);
    this.#tellRoom();
    this.#leave();
  }

  #serve(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const view = this.#received.take(READ_BYTES_MAX);
    if (view.length === 0 && !this.#hasPeerEnded) return;
    this.#reader = undefined;
    reader.resolve(view.length > 0 ? view : null);
  }

  #tellRoom(): void {
    if (this.#onRoom === undefined || this.#received.size >= STREAM_QUEUE_BYTES_MAX) return;
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom();
  }

  #leave(): void {
    this.#host.onGone();
    this.#settleClosed();
  }

  async #pump(): Promise<void> {
    while (!this.#writes.isEmpty) {
      const buffer = takeBuffer(STREAM_BATCH_BYTES);
      const { bytes, whole } = this.#fill(buffer);
      this.#inFlight = whole;
      try {
        await this.#host.write(buffer.subarray(0, bytes));
      } catch (reason) {
        this.fail(reason);
        break; // the buffer may still be in use below: it is left to the collector
      }
      giveBuffer(buffer);
      this.#inFlight = [];
      for (const write of whole) write.resolve();
    }
    this.#pumping = undefined;
  }

  /** Fills `buffer` with frames of the waiting writes, in order; `whole` are those that are in it to their end. */
  #fill(buffer: Uint8Array): { bytes: number; whole: TakenWrite[] } {
    const whole: TakenWrite[] = [];
    let at = 0;
    while (!this.#writes.isEmpty) {
      const room = STREAM_BATCH_BYTES - at - PACKET_HEADER_BYTES - STREAM_HEADER_BYTES;
      if (room < 1) break;
      const data = this.#writes.peek(Math.min(room, STREAM_DATA_BYTES));
      at = this.#host.writeHeader(buffer, at, 0, data.length);
      buffer.set(data, at);
      at += data.length;
      const write = this.#writes.take(data.length);
      if (write !== undefined) whole.push(write);
    }
    return { bytes: at, whole };
  }

  async #end(): Promise<void> {
    const { promise: broken, reject } = Promise.withResolvers<never>();
    this.#breakEnding = reject;
    await Promise.race([this.#pumping, broken]);
    if (this.#failure !== undefined) throw this.#failure.reason;
    this.#hasEnded = true;
    this.#host.signal(STREAM_FIN);
    if (this.#hasPeerEnded) this.#leave();
  }
}
