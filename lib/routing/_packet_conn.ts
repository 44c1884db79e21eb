/**
 * The byte stream inside a route group, below its noise: data packets as a Conn (protocol: routing, sections
 * 6.3, 6.4, 6.6).
 *
 *     write(whole frames) --> [ header ][ frame ][ header ][ frame ]... --> one write of the transport
 *     router --> append(payload)... flush() --> read()
 *
 * Every write below is made of whole `[ length u16 ][ body ]` frames, and each becomes one packet. What nobody
 * reads is bounded: `isFull` says so, `room` waits, and after {@link RECEIVE_STALL_MS} the group ends, because a
 * packet that is left out would be a hole in the noise stream.
 *
 *     open --close()--> closing: close packet sent, answer awaited for 2 s --> gone
 *     open <-- peer's close packet: answered ------------------------------> gone
 *     any --abort, dead transport, stalled reader--------------------------> gone
 *
 * @module
 */
import {
  type Conn,
  ConnClosedError,
  ConnResetError,
  giveBuffer,
  READ_BYTES_MAX,
  ReceiveBuffer,
  takeBuffer,
  TimedOutError,
} from "../base/mod.ts";
import type { Clock, Timer } from "../runtime/mod.ts";
import { encodePacket, PACKET_HEADER_BYTES, PacketType, writePacketHeader } from "../transport/mod.ts";
import { RouteClosedByPeerError } from "./errors.ts";
import { CLOSE_CODE } from "./payloads.ts";

/** What a group holds that nobody reads; one read of a transport may come on top. Packets are not counted: they cost nothing. */
export const RECEIVE_BYTES_MAX = 1024 * 1024;
/** How long a full group may hold up its transport; then it ends. */
export const RECEIVE_STALL_MS = 8_000;
/** How long a close waits for writes under way and for the peer's answer. */
export const CLOSE_WAIT_MS = 2_000;

/** What an abort tells the peer: its reason is ours alone. */
const ABORT_TEXT = "route group was aborted";

const FRAME_PREFIX_BYTES = 2;
const encoder = new TextEncoder();

export interface PacketConnOptions {
  readonly clock: Clock;
  readonly nextRouteId: number;
  /** Writes whole packets on the group's transport, in call order. The bytes are its own until it settles. */
  readonly send: (packets: Uint8Array) => Promise<void>;
  /** Called once, when no packet goes or comes any more. */
  readonly onGone: () => void;
  /** Called when nobody read for too long. */
  readonly onStalled: (error: Error) => void;
}

interface Reader {
  readonly resolve: (view: Uint8Array | null) => void;
  readonly reject: (reason: unknown) => void;
}

export class PacketConn implements Conn {
  readonly halfClose = false;
  readonly closed: Promise<void>;
  readonly #options: PacketConnOptions;
  #phase: "open" | "closing" | "gone" = "open";
  #settle!: () => void;
  #closeReason: ConnClosedError | undefined; // of our own close()
  #lingerTimer: Timer | undefined;

  // Reading
  readonly #buffer = new ReceiveBuffer();
  #reader: Reader | undefined;
  #inputEnd: { readonly failure: unknown } | undefined; // behind what is buffered
  #room: { readonly promise: Promise<void>; readonly resolve: () => void; readonly timer: Timer } | undefined;

  // Writing
  readonly #writes = new Set<(reason: unknown) => void>();
  #idle: (() => void) | undefined; // waits for the writes under way
  #writeFailure: { readonly reason: unknown } | undefined;
  #ending: Promise<void> | undefined;

  /** What the peer said in front of its close. */
  closeErrorText: string | undefined;

  constructor(options: PacketConnOptions) {
    this.#options = options;
    this.closed = new Promise((resolve) => this.#settle = resolve);
  }

  // --- from the router ---------------------------------------------------------------------------

  /** Takes the payload of a data packet in; a copy. The reader is woken by {@link flush}. */
  append(payload: Uint8Array): void {
    if (this.#closeReason !== undefined || this.#inputEnd !== undefined) return;
    this.#buffer.append(payload);
  }

  /** Hands what came to a reader that waits: once for all packets of a batch. */
  flush(): void {
    const reader = this.#reader;
    if (reader === undefined || this.#buffer.size === 0) return;
    this.#reader = undefined;
    reader.resolve(this.#buffer.take(READ_BYTES_MAX));
  }

  get isFull(): boolean {
    return this.#buffer.size >= RECEIVE_BYTES_MAX;
  }

  /** Settles when there is room again, or the group has ended; never rejects. */
  room(): Promise<void> {
    if (!this.isFull) return Promise.resolve();
    if (this.#room === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = this.#options.clock.timer(RECEIVE_STALL_MS, () => {
        const stalled = new TimedOutError("Reading from a route group that is full", RECEIVE_STALL_MS);
        this.#options.onStalled(stalled);
        this.abort(stalled);
      });
      this.#room = { promise, resolve, timer };
    }
    return this.#room.promise;
  }

  /** The peer's close packet: the answer to ours, or to be answered. */
  peerClosed(): void {
    if (this.#phase === "gone") return;
    const isAnswer = this.#phase === "closing";
    if (!isAnswer) this.#sayClose();
    const text = this.closeErrorText;
    if (text === undefined) this.#endInput(undefined);
    else this.#endInput(new RouteClosedByPeerError(text));
    this.#breakWrites(
      text === undefined ? new ConnResetError("Route was closed by the peer") : this.#inputEnd!.failure,
    );
    this.#leave();
  }

  /** The way is gone: a dead transport, deleted rules, a stalled reader. Nothing is sent. */
  fail(reason: Error): void {
    if (this.#phase === "gone") return;
    const failure = reason instanceof ConnResetError
      ? reason
      : new ConnResetError(reason.message, { cause: reason });
    this.#endInput(failure);
    this.#breakWrites(failure);
    this.#leave();
  }

  /** As {@link fail}, but our way to the peer may still be there: it is told. */
  abort(reason: Error): void {
    if (this.#phase === "open") this.#sayClose(ABORT_TEXT);
    this.fail(reason);
  }

  // --- Conn --------------------------------------------------------------------------------------

  read(): Promise<Uint8Array | null> {
    if (this.#closeReason !== undefined) return Promise.reject(this.#closeReason);
    if (this.#reader !== undefined) return Promise.reject(new TypeError("A read is already pending"));
    const view = this.#buffer.take(READ_BYTES_MAX);
    if (this.#room !== undefined && !this.isFull) this.#giveRoom();
    if (view.length > 0) return Promise.resolve(view);
    if (this.#inputEnd !== undefined) {
      const { failure } = this.#inputEnd;
      return failure === undefined ? Promise.resolve(null) : Promise.reject(failure);
    }
    return new Promise((resolve, reject) => this.#reader = { resolve, reject });
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#writeFailure !== undefined) return Promise.reject(this.#writeFailure.reason);
    if (this.#ending !== undefined) {
      return Promise.reject(new ConnClosedError(undefined, "Write half is closed"));
    }
    if (bytes.length === 0) return Promise.resolve();
    const buffer = takeBuffer(packetBytes(bytes));
    const length = packFrames(bytes, buffer, this.#options.nextRouteId);
    return new Promise((resolve, reject) => {
      this.#writes.add(reject);
      this.#options.send(buffer.subarray(0, length)).then(() => {
        giveBuffer(buffer);
        if (this.#wrote(reject)) resolve();
      }, (error) => {
        this.fail(new ConnResetError("Route's transport failed", { cause: error }));
        this.#wrote(reject);
      });
    });
  }

  closeWrite(): Promise<void> {
    if (this.#ending === undefined && this.#writeFailure !== undefined) {
      const isPeersEnd = this.#inputEnd !== undefined && this.#inputEnd.failure === undefined;
      if (this.#closeReason === undefined && isPeersEnd) return Promise.resolve(); // both directions ended
      return Promise.reject(this.#writeFailure.reason);
    }
    if (this.#closeReason !== undefined) return Promise.reject(this.#closeReason);
    this.#ending ??= this.#end();
    return this.#ending;
  }

  close(reason?: unknown): void {
    const isFirst = this.#closeReason === undefined;
    if (isFirst) {
      this.#closeReason = new ConnClosedError(reason);
      this.#reader?.reject(this.#closeReason);
      this.#reader = undefined;
      this.#buffer.clear();
      this.#giveRoom();
    }
    if (this.#phase === "gone") return this.#settle();
    if (reason !== undefined) {
      this.#breakWrites(this.#closeReason!);
      if (this.#phase === "open") this.#sayClose(ABORT_TEXT);
      return this.#leave();
    }
    if (!isFirst) return;
    this.#lingerTimer = this.#options.clock.timer(CLOSE_WAIT_MS, () => {
      this.#lingerTimer = undefined;
      this.#breakWrites(this.#closeReason!);
      if (this.#phase === "open") this.#sayClose(ABORT_TEXT); // it may still get through
      this.#leave();
    });
    this.#ending ??= this.#end();
    this.#ending.catch(() => {}); // told by whatever failed
    this.#writeFailure ??= { reason: this.#closeReason };
  }

  /** Ends orderly, but with a text that the peer is told: nobody listens, for instance. */
  closeWithText(text: string): void {
    if (this.#phase === "open") {
      this.#phase = "closing";
      void this.#options.send(closePackets(this.#options.nextRouteId, text)).catch(() => {});
    }
    this.close();
  }

  // --- inside ------------------------------------------------------------------------------------

  /** Our close packet, behind every write that was called before. */
  async #end(): Promise<void> {
    if (this.#writes.size > 0) await new Promise<void>((resolve) => this.#idle = resolve);
    if (this.#phase !== "open") return;
    this.#phase = "closing";
    await this.#options.send(closePackets(this.#options.nextRouteId, undefined));
  }

  /** A close packet that nobody waits for. */
  #sayClose(text?: string): void {
    void this.#options.send(closePackets(this.#options.nextRouteId, text)).catch(() => {});
  }

  #endInput(failure: unknown): void {
    if (this.#inputEnd !== undefined) return;
    this.#inputEnd = { failure };
    this.flush();
    const reader = this.#reader;
    this.#reader = undefined;
    if (failure === undefined) reader?.resolve(null);
    else reader?.reject(failure);
  }

  /** No packet goes or comes any more. */
  #leave(): void {
    if (this.#phase === "gone") return;
    this.#phase = "gone";
    this.#lingerTimer?.cancel();
    this.#giveRoom();
    this.#endInput(undefined);
    this.#options.onGone();
    if (this.#closeReason !== undefined) this.#settle();
  }

  #wrote(reject: (reason: unknown) => void): boolean {
    const wasWaiting = this.#writes.delete(reject);
    if (this.#writes.size === 0) this.#idle?.();
    return wasWaiting;
  }

  #breakWrites(reason: unknown): void {
    this.#writeFailure ??= { reason };
    for (const reject of [...this.#writes]) reject(reason);
    this.#writes.clear();
    this.#idle?.();
  }

  #giveRoom(): void {
    this.#room?.timer.cancel();
    this.#room?.resolve();
    this.#room = undefined;
  }
}

/** How long `frames` are as packets, at most: every frame gets a header. */
function packetBytes(frames: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < frames.length; at = frameEnd(frames, at)) count++;
  return frames.length + count * PACKET_HEADER_BYTES;
}

function packFrames(frames: Uint8Array, into: Uint8Array, routeId: number): number {
  let length = 0;
  for (let at = 0; at < frames.length;) {
    const end = frameEnd(frames, at);
    length = writePacketHeader(into, length, PacketType.data, routeId, end - at);
    into.set(frames.subarray(at, end), length);
    length += end - at;
    at = end;
  }
  return length;
}

function frameEnd(frames: Uint8Array, at: number): number {
  const bytes = (frames[at]! << 8 | frames[at + 1]!) + FRAME_PREFIX_BYTES;
  return Math.min(at + bytes, frames.length);
}

/** The text, if there is one, and the close. */
export function closePackets(routeId: number, text: string | undefined): Uint8Array {
  const close = encodePacket(PacketType.close, routeId, Uint8Array.of(CLOSE_CODE.requested));
  if (text === undefined) return close;
  const error = encodePacket(PacketType.error, routeId, encoder.encode(text));
  const both = new Uint8Array(error.length + close.length);
  both.set(error);
  both.set(close, error.length);
  return both;
}
