/**
 * A transport that is up: packets to and from one visor over one kind of link (protocol: transport, section 8).
 *
 *     live ── the link ends, close() ──▶ closed        for good: what is closed is never live again (TP-3)
 *       └─── replaceConn() ──▶ live                    the peer connected anew; streams end, packets go on
 *
 * Batches are the unit of everything: a write is any number of whole packets, and the sink is given what lay in
 * one read. Packets of route id 0 are answered here and reach nobody else.
 *
 * @module
 */
import { type Conn, ConnResetError, type Log, silentLog } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { withTimeout, type World } from "../runtime/mod.ts";
import { endReason, Link } from "./_link.ts";
import { type Latency, TransportPings } from "./_pings.ts";
import { isStreamKind, type StreamKind, StreamMux } from "./_stream_mux.ts";
import { RefusalCounters } from "./counters.ts";
import { type TransportEntry, transportEntry } from "./entry.ts";
import { TransportClosedError } from "./errors.ts";
import { type TransportId, transportId } from "./id.ts";
import {
  encodePacket,
  PACKET_HEADER_BYTES,
  packetEndAt,
  packetPayloadAt,
  PacketType,
  packetTypeAt,
} from "./packet.ts";
import type { VirtualStream } from "./virtual_stream.ts";

/** Pongs, and ends of streams, that wait for a peer that reads nothing. Further ones are not sent. */
export const OWN_PACKETS_MAX = 2048;

/**
 * Takes whole packets with a route id other than 0, back to back. The view is the sink's, to change in place,
 * until what it returned settles; the transport reads no further until then. A failure ends the transport.
 */
export type PacketSink = (packets: Uint8Array, from: Transport) => void | Promise<void>;

export interface TransportOptions {
  readonly world: Pick<World, "clock" | "ledger">;
  readonly local: PublicKey;
  readonly remote: PublicKey;
  /** The name on the wire. */
  readonly type: string;
  readonly label: string;
  /** The settled connection. The transport owns it. */
  readonly conn: Conn;
  /** True on the side that dialled. */
  readonly isInitiator: boolean;
  readonly onPackets: PacketSink;
  /** Takes a stream that the peer opened; false: nobody does. Default: nobody. */
  readonly onStream?: (kind: StreamKind, stream: VirtualStream) => boolean;
  /** Called once, when the transport has closed and is not live any more. */
  readonly onClosed?: (transport: Transport, reason: unknown) => void;
  readonly refusals?: RefusalCounters;
  readonly log?: Log;
}

export class Transport {
  readonly id: TransportId;
  readonly type: string;
  readonly local: PublicKey;
  readonly remote: PublicKey;
  readonly label: string;
  /** Settles when nothing is held any more. Never rejects. */
  readonly closed: Promise<void>;
  readonly #options: TransportOptions;
  readonly #refusals: RefusalCounters;
  readonly #log: Log;
  readonly #links = new Set<Link>(); // the live one, and replaced ones until they are gone
  readonly #pings: TransportPings;
  readonly #streams: StreamMux;
  readonly #settleClosed: () => void;
  readonly #release: () => void;
  #link: Link | undefined; // undefined: closed
  #isInitiator: boolean;
  #reason: unknown;
  #ownPackets = 0;
  #bytesSent = 0;
  #bytesReceivedBefore = 0; // by links that are gone
  #connectedMs: number;
  readonly #createdMs: number;

  constructor(options: TransportOptions) {
    const { world, local, remote, type, label, conn, isInitiator } = options;
    this.#options = options;
    this.id = transportId(local, remote, type);
    this.type = type;
    this.local = local;
    this.remote = remote;
    this.label = label;
    this.#refusals = options.refusals ?? new RefusalCounters();
    this.#log = options.log ?? silentLog;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#settleClosed = resolve;
    this.#release = world.ledger.open("transport");
    this.#isInitiator = isInitiator;
    this.#connectedMs = this.#createdMs = world.clock.monotonicMs();
    const send = (packet: Uint8Array) => this.#sendOwn(packet);
    this.#streams = new StreamMux({
      transport: this,
      clock: world.clock,
      refusals: this.#refusals,
      onStream: options.onStream ?? (() => false),
      write: (packets) => this.#writeOnce(packets),
      send,
    });
    this.#link = this.#connect(conn);
    const heardMs = () => this.#link?.heardMs ?? 0;
    const isDelivering = () => this.#link?.isDelivering ?? false;
    this.#pings = new TransportPings(
      {
        send,
        close: (reason) => this.close(reason),
        get heardMs() {
          return heardMs();
        },
        get isDelivering() {
          return isDelivering();
        },
      },
      { clock: world.clock, refusals: this.#refusals, type: this.type },
    );
  }

  /** False from the moment at which its end is known: it is then never handed out, nor written to (TP-3). */
  get isLive(): boolean {
    return this.#link !== undefined;
  }

  /** True when this side dialled the connection that is in use. */
  get isInitiator(): boolean {
    return this.#isInitiator;
  }

  /** A transport of a visor to itself. */
  get isSelf(): boolean {
    return this.local === this.remote;
  }

  get entry(): TransportEntry {
    return transportEntry(this.local, this.remote, { type: this.type, label: this.label });
  }

  /** Round trips of pings in milliseconds; undefined while none was measured. */
  get latencyMs(): Latency | undefined {
    return this.#pings.latency;
  }

  /** Bytes of payloads, headers not counted, as Skywire logs them. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  get bytesReceived(): number {
    return this.#bytesReceivedBefore + (this.#link?.payloadBytesReceived ?? 0);
  }

  /** For how long the connection that is in use has been, in milliseconds. */
  get connAgeMs(): number {
    return this.#options.world.clock.monotonicMs() - this.#connectedMs;
  }

  /** Since it came to be, whatever connection it has now, in milliseconds. */
  get ageMs(): number {
    return this.#options.world.clock.monotonicMs() - this.#createdMs;
  }

  /** Virtual streams that are open. */
  get streamCount(): number {
    return this.#streams.count;
  }

  /**
   * Sends whole packets, back to back, as one unit. The bytes are the transport's until the promise settles, at
   * the latest after one minute without progress, which closes the transport (TP-2). Errors:
   * `TransportClosedError`; `TypeError` for bytes that are no whole packets.
   */
  async write(packets: Uint8Array): Promise<void> {
    const link = this.#link;
    try {
      await this.#writeOnce(packets);
    } catch (error) {
      if (!this.isLive || this.#link === link || error instanceof TypeError) throw error;
      await this.#writeOnce(packets); // the connection was replaced meanwhile: once more on the new one
    }
  }

  /** Sends one packet. Errors as {@link write}. */
  send(type: number, routeId: number, payload: Uint8Array): Promise<void> {
    return this.write(encodePacket(type, routeId, payload));
  }

  /** One round trip, in milliseconds. Errors: `TimedOutError` after 30 s, `TransportClosedError`, the signal's. */
  ping(signal?: AbortSignal): Promise<number> {
    if (!this.isLive) return Promise.reject(new TransportClosedError(this.id, this.#reason));
    return this.#pings.ping(signal);
  }

  /**
   * Whether the peer is heard on this connection within `withinMs`: by a pong, or by anything else. True, too, when
   * the connection was replaced meanwhile. Errors: the signal's reason.
   */
  async isAnswering(withinMs: number, signal?: AbortSignal): Promise<boolean> {
    const { clock } = this.#options.world;
    const [link, sinceMs] = [this.#link, clock.monotonicMs()];
    if (link === undefined) return false;
    try {
      const limit = { what: "A sign of life", afterMs: withinMs, signal };
      await withTimeout(clock, limit, (ended) => this.ping(ended));
      return true;
    } catch {
      signal?.throwIfAborted();
      const isSame = this.#link === link;
      return isSame ? link.isDelivering || link.heardMs > sinceMs : this.isLive;
    }
  }

  /**
   * Opens a stream of bytes to the visor itself. It is usable at once; one that the peer does not accept ends
   * soon. Errors, thrown: `TransportClosedError`, `LimitError`.
   */
  openStream(kind: StreamKind): VirtualStream {
    if (!this.isLive) throw new TransportClosedError(this.id, this.#reason);
    return this.#streams.open(kind);
  }

  /** Ends it for good. Idempotent; returns at once, and waits for no write (TP-2). */
  close(reason?: unknown): void {
    this.#end(reason, (link) => link.close(reason));
  }

  /** The peer connected anew: packets go on there, streams end, what is under way on the old one may be lost. */
  replaceConn(conn: Conn, { isInitiator }: { readonly isInitiator: boolean }): void {
    const old = this.#link;
    if (old === undefined) return conn.close(new TransportClosedError(this.id, this.#reason));
    const reason = new ConnResetError("The connection was replaced by a newer one");
    this.#isInitiator = isInitiator;
    this.#connectedMs = this.#options.world.clock.monotonicMs();
    this.#link = this.#connect(conn);
    this.#bytesReceivedBefore += old.payloadBytesReceived;
    this.#pings.restart();
    this.#streams.failAll(reason);
    old.close(reason);
  }

  /** As {@link write}, on the connection that is in use now and no other: frames of streams belong to one. */
  async #writeOnce(packets: Uint8Array): Promise<void> {
    const payloadBytes = payloadBytesOf(packets);
    if (this.#link === undefined) throw new TransportClosedError(this.id, this.#reason);
    try {
      await this.#link.write(packets);
    } catch (cause) {
      throw new TransportClosedError(this.id, cause);
    }
    this.#bytesSent += payloadBytes;
  }

  #connect(conn: Conn): Link {
    const link: Link = new Link(conn, {
      clock: this.#options.world.clock,
      onPackets: (packets) => this.#options.onPackets(packets, this),
      onOwnPacket: (packet) => this.#onOwnPacket(packet),
      onEnd: (link, reason) => {
        if (link === this.#link) this.#end(endReason(reason));
      },
    });
    this.#links.add(link);
    link.done.then(() => {
      this.#links.delete(link);
      this.#settleIfGone();
    });
    return link;
  }

  #end(reason: unknown, close?: (link: Link) => void): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#bytesReceivedBefore += link.payloadBytesReceived;
    this.#link = undefined;
    this.#reason = reason;
    this.#pings.stop(new TransportClosedError(this.id, reason));
    this.#streams.failAll(new TransportClosedError(this.id, reason));
    close?.(link);
    this.#options.onClosed?.(this, reason);
    this.#settleIfGone();
  }

  #settleIfGone(): void {
    if (this.#link !== undefined || this.#links.size > 0) return;
    this.#release();
    this.#settleClosed();
  }

  #onOwnPacket(packet: Uint8Array): void | Promise<void> {
    const type = packetTypeAt(packet, 0);
    if (isStreamKind(type)) return this.#streams.onPacket(packet);
    if (type === PacketType.transportPing) return this.#pings.onPing(packetPayloadAt(packet, 0));
    if (type === PacketType.transportPong) return this.#pings.onPong(packetPayloadAt(packet, 0));
    // Not served here, or of a later version: neither is a reason to part.
    this.#refusals.add("unknown packet");
    this.#log.debug("Ignored a packet without a route", { type, remote: this.remote });
  }

  /** A packet of our own, without anybody who waits for it. */
  #sendOwn(packet: Uint8Array): void {
    if (!this.isLive) return;
    if (this.#ownPackets >= OWN_PACKETS_MAX) return this.#refusals.add("unsent answer");
    this.#ownPackets++;
    this.#writeOnce(packet).catch(() => {}) // the link ends itself by it
      .finally(() => this.#ownPackets--);
  }
}

/** The sum of the payloads. `TypeError` when the bytes do not end where a packet does: a bug of the caller. */
function payloadBytesOf(packets: Uint8Array): number {
  let payloadBytes = packets.length;
  let at = 0;
  while (packets.length - at >= PACKET_HEADER_BYTES) {
    at = packetEndAt(packets, at);
    payloadBytes -= PACKET_HEADER_BYTES;
  }
  if (at !== packets.length) throw new TypeError(`${packets.length} bytes are not whole packets`);
  return payloadBytes;
}
