/**
 * One connection of a transport: packets in, packets out, and its deadlines (protocol: transport, section 8.1).
 *
 *     reading    view ──▶ [ whole packets ][ part ]     runs of routed packets go up as they lie, in one view;
 *                                     └─▶ kept, and completed by the next view
 *
 * One await for each view, none for each packet. What is above decides when reading goes on.
 *
 * @module
 */
import { type Conn, ConnClosedError, giveBuffer, takeBuffer, TruncatedError } from "../base/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import { withDeadlines } from "../wire/mod.ts";
import { PACKET_HEADER_BYTES, packetEndAt, packetPayloadBytesAt, packetRouteIdAt } from "./packet.ts";

/** A peer of 2026 sends something each minute; after this time without a byte it is gone. */
export const READ_IDLE_MS = 3 * 60_000;
/** TP-2: for each write by itself. */
export const WRITE_TIMEOUT_MS = 60_000;

/** What a link hands up. Views are valid until what was returned settles. */
export interface LinkEvents {
  /** Whole packets of route ids other than 0, back to back. */
  onPackets(packets: Uint8Array): void | Promise<void>;
  /** One packet of route id 0. */
  onOwnPacket(packet: Uint8Array): void | Promise<void>;
  /** The link ended, once; undefined for the peer's orderly end. */
  onEnd(link: Link, reason: unknown): void;
}

/** Made over a connection on which the settlement is done. Owns it. */
export class Link {
  /** Settles when the connection is gone and nothing of it is being delivered. Never rejects. */
  readonly done: Promise<void>;
  readonly #conn: Conn;
  readonly #clock: Clock;
  readonly #events: LinkEvents;
  #part: Uint8Array = NOTHING; // a buffer for the packet that is not whole yet
  #partBytes = 0;
  #isDelivering = false;
  #heardMs: number;
  payloadBytesReceived = 0;

  constructor(conn: Conn, { clock, ...events }: LinkEvents & { readonly clock: Clock }) {
    this.#conn = withDeadlines(conn, clock, { readIdleMs: READ_IDLE_MS, writeMs: WRITE_TIMEOUT_MS });
    this.#clock = clock;
    this.#events = events;
    this.#heardMs = clock.monotonicMs();
    this.done = this.#run();
  }

  /** True while what was read waits for somebody here: the peer is not to blame for its silence. */
  get isDelivering(): boolean {
    return this.#isDelivering;
  }

  /** When the last bytes came, on the monotonic clock. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Whole packets, as one unit. The bytes are the link's until it settles. A failure ends the link. */
  write(packets: Uint8Array): Promise<void> {
    return this.#conn.write(packets);
  }

  /** Returns at once, whatever is being written (TP-2). */
  close(reason?: unknown): void {
    this.#conn.close(reason);
  }

  async #run(): Promise<void> {
    let reason: unknown;
    try {
      await this.#read();
    } catch (error) {
      reason = error;
    }
    this.#freePart();
    this.#conn.close(reason);
    this.#events.onEnd(this, reason);
    await this.#conn.closed;
  }

  async #read(): Promise<void> {
    for (;;) {
      const view = await this.#conn.read();
      if (view === null) {
        if (this.#partBytes > 0) throw new TruncatedError("a packet");
        return;
      }
      this.#isDelivering = true;
      await this.#deliver(view);
      this.#isDelivering = false;
      this.#heardMs = this.#clock.monotonicMs(); // from here on: what went before was time of ours
    }
  }

  async #deliver(view: Uint8Array): Promise<void> {
    let at = 0;
    while (this.#partBytes > 0 && at < view.length) {
      at += this.#complete(view.subarray(at));
      if (this.#partBytes < PACKET_HEADER_BYTES || this.#partBytes < packetEndAt(this.#part, 0)) continue;
      const packet = this.#part.subarray(0, this.#partBytes);
      await this.#deliverWhole(packet);
      this.#partBytes = 0; // only now: the buffer is the receiver's until then
      this.#freePart();
    }
    const end = wholePacketsEnd(view, at);
    if (end > at) await this.#deliverWhole(view.subarray(at, end));
    if (end < view.length) this.#keep(view.subarray(end));
  }

  /** Hands whole packets up: runs of routed ones as they lie, the link's own one by one. */
  async #deliverWhole(packets: Uint8Array): Promise<void> {
    let runAt = 0;
    for (let at = 0; at < packets.length;) {
      const end = packetEndAt(packets, at);
      this.payloadBytesReceived += packetPayloadBytesAt(packets, at);
      if (packetRouteIdAt(packets, at) === 0) {
        if (runAt < at) await this.#events.onPackets(packets.subarray(runAt, at));
        runAt = end;
        const pending = this.#events.onOwnPacket(packets.subarray(at, end));
        if (pending !== undefined) await pending;
      }
      at = end;
    }
    if (runAt < packets.length) await this.#events.onPackets(packets.subarray(runAt));
  }

  /** Takes from `view` what the packet in parts lacks: first its header, then its payload. The bytes taken. */
  #complete(view: Uint8Array): number {
    const isHeaderWhole = this.#partBytes >= PACKET_HEADER_BYTES;
    const wanted = isHeaderWhole ? packetEndAt(this.#part, 0) : PACKET_HEADER_BYTES;
    const piece = view.subarray(0, wanted - this.#partBytes);
    this.#part.set(piece, this.#partBytes);
    this.#partBytes += piece.length;
    if (!isHeaderWhole && this.#partBytes === PACKET_HEADER_BYTES) this.#makeRoom();
    return piece.length;
  }

  /** Keeps the beginning of a packet. */
  #keep(beginning: Uint8Array): void {
    const isHeaderWhole = beginning.length >= PACKET_HEADER_BYTES;
    this.#part = takeBuffer(isHeaderWhole ? packetEndAt(beginning, 0) : PACKET_HEADER_BYTES);
    this.#part.set(beginning);
    this.#partBytes = beginning.length;
  }

  /** The length is known now: at most 7 + 65535 bytes, whatever the peer says. */
  #makeRoom(): void {
    const bytes = packetEndAt(this.#part, 0);
    if (bytes <= this.#part.length) return;
    const buffer = takeBuffer(bytes);
    buffer.set(this.#part.subarray(0, this.#partBytes));
    giveBuffer(this.#part);
    this.#part = buffer;
  }

  /** An idle link holds no buffer. */
  #freePart(): void {
    giveBuffer(this.#part);
    this.#part = NOTHING;
    this.#partBytes = 0;
  }
}

/** Where the last whole packet from `at` on ends. */
function wholePacketsEnd(packets: Uint8Array, at: number): number {
  while (packets.length - at >= PACKET_HEADER_BYTES) {
    const end = packetEndAt(packets, at);
    if (end > packets.length) break;
    at = end;
  }
  return at;
}

/** What a link's end is to those who use it. */
export function endReason(reason: unknown): unknown {
  return reason ?? new ConnClosedError(undefined, "The peer closed the connection");
}

const NOTHING = new Uint8Array(0);
