/**
 * One end of a route group as its router sees it: what to do with each packet that arrives, the handshake packets,
 * and the keep-alive (protocol: routing, sections 6.1, 6.2, 6.5, 6.6).
 *
 * The group is here from the moment its rules are saved; the connection that apps see is made of it once the
 * handshakes are through.
 *
 * @module
 */
import { ConnResetError } from "../base/mod.ts";
import type { Clock, Timer } from "../runtime/mod.ts";
import {
  encodePacket,
  PACKET_HEADER_BYTES,
  packetPayloadAt,
  PacketType,
  type TransportId,
} from "../transport/mod.ts";
import { PacketConn } from "./_packet_conn.ts";
import { RoutePings } from "./_route_pings.ts";
import { ServicePackets } from "./_service_packets.ts";
import type { RouterCounters } from "./counters.ts";
import type { RouteAddress, RouteDescriptor } from "./descriptor.ts";
import {
  RouteClosedByPeerError,
  RouteHandshakeTimeoutError,
  RouteTransportMissingError,
  RouteUnencryptedError,
} from "./errors.ts";
import {
  encodeHandshake,
  parseErrorText,
  parseHandshake,
  parsePing,
  pongOf,
  type RouteHandshake,
} from "./payloads.ts";
import type { ForwardRule } from "./rule.ts";
import type { RuleEntry } from "./table.ts";

/** Waiting for the peer's handshake packet. */
export const HANDSHAKE_WAIT_MS = 6_000;
/** How often the source repeats its own while it waits. */
export const HANDSHAKE_REPEAT_MS = 1_000;
/** A group that sends nothing says that it is there this often, or at half the keep-alive of its rule. */
export const KEEP_ALIVE_MS = 300_000;

/** A rule whose keep-alive is shorter still is not kept alive more often. */
const KEEP_ALIVE_MS_MIN = 1_000;

const NOTHING = new Uint8Array(0);

/** A rule of a router's table: its owner is the group whose packets it leads. */
export type RouteEntry = RuleEntry<GroupWire>;

/** What a group needs of a transport; a `Transport` is one. */
export interface RouteTransport {
  readonly id: TransportId;
  /** Whole packets, as one unit, in call order; the bytes are the transport's until it settles. */
  write(packets: Uint8Array): Promise<void>;
}

export interface GroupWireOptions {
  readonly clock: Clock;
  readonly descriptor: RouteDescriptor;
  readonly isInitiator: boolean;
  /** The rule that our packets leave by. */
  readonly forward: RouteEntry;
  readonly reverse: RouteEntry;
  readonly transport: (id: TransportId) => RouteTransport | undefined;
  readonly counters: RouterCounters;
  readonly onGone: (wire: GroupWire) => void;
  readonly onStalled: (wire: GroupWire, error: Error) => void;
}

export class GroupWire {
  readonly descriptor: RouteDescriptor;
  readonly isInitiator: boolean;
  readonly forward: RouteEntry;
  readonly reverse: RouteEntry;
  readonly conn: PacketConn;
  readonly createdMs: number;
  readonly #options: GroupWireOptions;
  readonly #rule: ForwardRule;
  #isReady = false;
  #isGone = false;

  #peer: RouteHandshake | undefined;
  #peerFailure: Error | undefined;
  #onPeer: (() => void) | undefined;
  #hasAnswered = false;

  readonly #service: ServicePackets;
  #lastSentMs: number;
  #keepAliveTimer: Timer | undefined;

  readonly #pings: RoutePings;
  /** Of data packets, headers not counted; on the wire, so with the noise around the bytes of the app. */
  bytesSent = 0;
  bytesReceived = 0;

  constructor(options: GroupWireOptions) {
    this.#options = options;
    this.descriptor = options.descriptor;
    this.isInitiator = options.isInitiator;
    this.forward = options.forward;
    this.reverse = options.reverse;
    this.#rule = options.forward.rule as ForwardRule;
    this.createdMs = this.#lastSentMs = options.clock.monotonicMs();
    this.conn = new PacketConn({
      clock: options.clock,
      nextRouteId: this.#rule.nextRouteId,
      send: (packets) => {
        this.bytesSent += packets.length;
        return this.#send(packets);
      },
      onGone: () => this.#gone(),
      onStalled: (error) => options.onStalled(this, error),
    });
    this.#service = new ServicePackets({
      send: (packets) => this.#send(packets),
      onFailed: (error) => this.fail(error),
    });
    this.#pings = new RoutePings({
      clock: options.clock,
      remote: this.remote.publicKey,
      send: (payload) => {
        if (this.#isGone) throw this.#peerFailure!;
        this.#serve(PacketType.ping, payload);
      },
    });
  }

  /** Both addresses, as at either end: the descriptor's destination is ours. */
  get local(): RouteAddress {
    return this.descriptor.destination;
  }

  get remote(): RouteAddress {
    return this.descriptor.source;
  }

  get transportId(): TransportId {
    return this.#rule.nextTransportId;
  }

  get nextRouteId(): number {
    return this.#rule.nextRouteId;
  }

  /** Of the last ping that was answered. */
  get latencyMs(): number | undefined {
    return this.#pings.latencyMs;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Why there will be no handshake of the peer, or no packet any more; undefined while there may be. */
  get failure(): Error | undefined {
    return this.#peerFailure;
  }

  /** What the peer's handshake said; undefined before. */
  get peerHandshake(): RouteHandshake | undefined {
    return this.#peer;
  }

  // --- arriving ----------------------------------------------------------------------------------

  /** Takes the packet at `at` of `packets`. Data waits for `conn.flush()`. */
  receive(type: number, packets: Uint8Array, at: number, end: number): void {
    switch (type) {
      case PacketType.data:
        return this.#receiveData(packets, at, end);
      case PacketType.handshake:
        return this.#receiveHandshake(packetPayloadAt(packets, at));
      case PacketType.ping:
        return this.#receivePing(packetPayloadAt(packets, at));
      case PacketType.pong:
        return this.#receivePong(packetPayloadAt(packets, at));
      case PacketType.error:
        this.conn.closeErrorText = parseErrorText(packetPayloadAt(packets, at));
        return;
      case PacketType.close: // whatever its code: a leg that is retired was the only one
        this.#failPeer(new RouteClosedByPeerError(this.conn.closeErrorText ?? "without a reason"));
        this.conn.peerClosed();
        return;
      case PacketType.keepAlive:
        return;
      default:
        this.#options.counters.unknownType++; // of features that were not offered
    }
  }

  #receiveData(packets: Uint8Array, at: number, end: number): void {
    const start = at + PACKET_HEADER_BYTES;
    if (start === end) return; // an end of stream to peers of 2024: nothing to us
    if (this.#peer === undefined) {
      this.#peerFailure ??= new RouteUnencryptedError(this.remote.publicKey);
      this.#onPeer?.();
      return;
    }
    this.bytesReceived += end - start;
    this.conn.append(packets.subarray(start, end));
  }

  #receiveHandshake(payload: Uint8Array): void {
    if (payload.length === 0) {
      this.#options.counters.malformed++;
      return;
    }
    if (this.#peer === undefined) {
      const handshake = parseHandshake(payload);
      this.#peer = { ...handshake, rest: handshake.rest.slice() };
      this.#onPeer?.();
    } else if (this.#hasAnswered) this.sendHandshake(); // a duplicate: ours was lost
  }

  #receivePing(payload: Uint8Array): void {
    try {
      this.#serve(PacketType.pong, pongOf(parsePing(payload)));
    } catch {
      this.#options.counters.malformed++; // too short: 2024 peers crash on it
    }
  }

  #receivePong(payload: Uint8Array): void {
    try {
      this.#pings.pong(payload);
    } catch {
      this.#options.counters.malformed++;
    }
  }

  // --- handshake packets -------------------------------------------------------------------------

  /** Ours: encryption wanted, nothing else offered. */
  sendHandshake(): void {
    this.#hasAnswered = !this.isInitiator;
    this.#serve(PacketType.handshake, encodeHandshake({ encrypt: true, capabilities: 0 }));
  }

  /**
   * Waits for the peer's handshake packet; the source sends its own at once and each second again. Errors:
   * `RouteHandshakeTimeoutError`, `RouteUnencryptedError`, the failure of the group, the signal's reason.
   */
  async awaitPeer({ waitMs, signal }: { waitMs: number; signal: AbortSignal }): Promise<RouteHandshake> {
    const { clock } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timeout = clock.timer(
      waitMs,
      () => reject(new RouteHandshakeTimeoutError(this.remote.publicKey, waitMs)),
    );
    let repeat: Timer | undefined;
    const say = () => {
      this.sendHandshake();
      repeat = clock.timer(HANDSHAKE_REPEAT_MS, say);
    };
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#onPeer = resolve;
    try {
      if (signal.aborted) throw signal.reason;
      if (this.#peer === undefined && this.#peerFailure === undefined) {
        if (this.isInitiator) say();
        await promise;
      }
      if (this.#peerFailure !== undefined) throw this.#peerFailure;
      if (!this.#peer!.encrypt) throw new RouteUnencryptedError(this.remote.publicKey);
      return this.#peer!;
    } finally {
      this.#onPeer = undefined;
      timeout.cancel();
      repeat?.cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** The group ended before the peer's handshake came. */
  #failPeer(failure: Error): void {
    this.#peerFailure ??= failure;
    this.#onPeer?.();
  }

  // --- life --------------------------------------------------------------------------------------

  /** From here on the group is an app's: it is kept alive while nothing is sent. */
  ready(): void {
    if (this.#isGone) return;
    this.#isReady = true;
    this.#keepAlive(this.#keepAliveMs());
  }

  /** The way is gone; nothing is sent. */
  fail(reason: Error): void {
    this.#failPeer(reason);
    this.conn.fail(reason);
  }

  /** As {@link fail}, but the peer is told, if our way to it is still there. */
  abort(reason: Error): void {
    this.#failPeer(reason);
    this.conn.abort(reason);
  }

  /** Measures the round trip once, in ms. Errors: `TimedOutError` after 5 s, the signal's reason. */
  ping(signal?: AbortSignal): Promise<number> {
    return this.#pings.ping(signal);
  }

  #keepAliveMs(): number {
    return Math.max(KEEP_ALIVE_MS_MIN, Math.min(KEEP_ALIVE_MS, this.forward.keepAliveMs / 2));
  }

  /** One timer a group, re-armed when it fires: a busy group costs nothing. */
  #keepAlive(inMs: number): void {
    this.#keepAliveTimer = this.#options.clock.timer(inMs, () => {
      const intervalMs = this.#keepAliveMs();
      const silentMs = this.#options.clock.monotonicMs() - this.#lastSentMs;
      if (silentMs < intervalMs) return this.#keepAlive(intervalMs - silentMs);
      this.#serve(PacketType.keepAlive, NOTHING);
      this.#keepAlive(intervalMs);
    });
  }

  // --- leaving -----------------------------------------------------------------------------------

  #send(packets: Uint8Array): Promise<void> {
    const transport = this.#options.transport(this.transportId);
    if (transport === undefined) return Promise.reject(new RouteTransportMissingError(this.transportId));
    return transport.write(packets).then(this.#onSent);
  }

  readonly #onSent = () => {
    const nowMs = this.#options.clock.monotonicMs();
    this.#lastSentMs = nowMs;
    this.forward.touch(nowMs);
  };

  #serve(type: number, payload: Uint8Array): void {
    if (this.#isGone) return;
    if (this.#service.isFull) this.#options.counters.serviceDropped++;
    else this.#service.push(encodePacket(type, this.nextRouteId, payload));
  }

  #gone(): void {
    this.#isGone = true;
    this.#isReady = false;
    this.#keepAliveTimer?.cancel();
    this.#service.close();
    this.#failPeer(new ConnResetError("Route was closed"));
    this.#pings.end(this.#peerFailure); // in the peer's words, if it had any
    this.#options.onGone(this);
  }
}
