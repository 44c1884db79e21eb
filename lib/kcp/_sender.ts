/**
 * The sending half of a session: bytes in, segments out, again when they are lost.
 *
 *     unsent ──▶ under way ──▶ acknowledged        in the order in which they were sent
 *                 │     ▲
 *                 ▼     │ sent again
 *                 lost ─┘
 *
 * A segment is lost when one that was sent later has arrived, and it has not some time after that, or at its
 * time-out. What comes then after all shows by its timestamp, and the verdict is taken back.
 *
 * @module
 */
import { Congestion } from "./_congestion.ts";
import { RoundTrip } from "./_round_trip.ts";
import { RTO_MAX_MS, SEND_AHEAD_BYTES_MAX, SEND_WINDOW_MAX, WINDOW_FIRST } from "./limits.ts";
import { distance, HEADER_BYTES, MSS_BYTES } from "./segment.ts";

/** Places of the queue that are empty before it is moved up. */
const TAKEN_MAX = 256;

/** A segment of ours: room for its header, and its data. */
export interface Outgoing {
  /** Header and data; of the header only the place. */
  bytes: Uint8Array;
  dataBytes: number;
  readonly fragment: number;
  number: number;
  /** Which transmission of the session its last one was. */
  order: number;
  sentAtMs: number;
  timestamp: number;
  transmissions: number;
}

export class Sender {
  /** The next number that was never sent; the first that is not acknowledged. */
  next = 0;
  unacknowledged = 0;
  /** Segments that the peer has room for, from its first missing one on. */
  remoteWindow = WINDOW_FIRST;
  readonly roundTrip = new RoundTrip();
  readonly congestion = new Congestion();
  readonly #keepsWrites: boolean;
  readonly #unsent: Outgoing[] = [];
  #unsentAt = 0; // the first of #unsent that is still there
  #unsentBytes = 0;
  readonly #underWay = new Map<number, Outgoing>(); // by number, the longest under way first
  readonly #lost = new Map<number, Outgoing>();
  #order = 0;
  #newestArrived = -1; // order
  #recoveryOrder = -1; // what was sent before it is of a round whose loss is accounted for
  #timeouts = 0; // one after the other
  #progressMs = 0; // when something arrived last, or began to be waited for
  #isLimited = false; // by the congestion window

  constructor(keepsWrites: boolean) {
    this.#keepsWrites = keepsWrites;
  }

  /** Bytes that can be taken in now. */
  get room(): number {
    return Math.max(0, SEND_AHEAD_BYTES_MAX - this.#unsentBytes);
  }

  /** Nothing waits, is under way, or lost. */
  get isIdle(): boolean {
    return this.#unsentAt === this.#unsent.length && this.#underWay.size === 0 && this.#lost.size === 0;
  }

  /** Something waits that the peer has no room for, and nothing is under way that would tell of more. */
  get isShutOut(): boolean {
    return this.remoteWindow === 0 && this.#underWay.size === 0 && this.#lost.size === 0 &&
      this.#unsentAt < this.#unsent.length;
  }

  /** Takes in as much of `bytes` as there is room for; how much that was. */
  write(bytes: Uint8Array): number {
    const taken = Math.min(this.room, bytes.length);
    let at = this.#fillLast(bytes.subarray(0, taken)); // which has no room where writes are kept
    while (at < taken) {
      const dataBytes = Math.min(MSS_BYTES, taken - at);
      const waits = this.#unsentAt < this.#unsent.length || !this.#mayWiden();
      const segment = new Uint8Array(HEADER_BYTES + (waits && !this.#keepsWrites ? MSS_BYTES : dataBytes));
      segment.set(bytes.subarray(at, at + dataBytes), HEADER_BYTES);
      this.#enqueue(segment, dataBytes, 0);
      at += dataBytes;
    }
    this.#unsentBytes += taken;
    return taken;
  }

  /** An empty segment. */
  end(fragment: number): void {
    this.#enqueue(new Uint8Array(HEADER_BYTES), 0, fragment);
  }

  /** For how long nothing of what is under way has arrived; 0 when nothing is. */
  stuckMs(nowMs: number): number {
    return this.unacknowledged === this.next ? 0 : nowMs - this.#progressMs;
  }

  // --- what the peer says ------------------------------------------------------------------------

  /** True when a datagram that says so cannot be a lie: that much was sent. */
  couldAcknowledge(unacknowledged: number): boolean {
    return distance(unacknowledged, this.next) <= 0;
  }

  /** Every number below has arrived. The segments that this is news of. */
  acknowledgeBelow(unacknowledged: number): number {
    let count = 0;
    while (distance(unacknowledged, this.unacknowledged) > 0) {
      if (this.#remove(this.unacknowledged, undefined)) count++;
      this.unacknowledged = (this.unacknowledged + 1) >>> 0;
    }
    return count;
  }

  /** One number has arrived. True when this is news. */
  acknowledge(number: number, timestamp: number, nowMs: number): boolean {
    const segment = this.#underWay.get(number) ?? this.#lost.get(number);
    if (segment === undefined) return false;
    if (segment.timestamp === timestamp) this.roundTrip.add(Math.max(0, nowMs - segment.sentAtMs), nowMs);
    else if (segment.transmissions > 1) this.#wasHasty(segment);
    this.#remove(number, timestamp);
    while (this.unacknowledged !== this.next && !this.#isOpen(this.unacknowledged)) {
      this.unacknowledged = (this.unacknowledged + 1) >>> 0;
    }
    return true;
  }

  /** After all that a datagram said: `count` segments are news. Finds what is lost. */
  settle(count: number, nowMs: number): void {
    if (count > 0) {
      this.#timeouts = 0;
      this.#progressMs = nowMs;
      this.congestion.acknowledged(count, { nowMs, path: this.roundTrip, isLimited: this.#isLimited });
    }
    this.#findLost(nowMs);
  }

  // --- sending -----------------------------------------------------------------------------------

  /** Takes what is overdue for lost. */
  expire(nowMs: number): void {
    this.#findLost(nowMs);
    const timeoutMs = this.#timeoutMs();
    let isFirst = true;
    for (const segment of this.#underWay.values()) {
      if (segment.sentAtMs + timeoutMs > nowMs) break;
      this.#underWay.delete(segment.number);
      this.#lost.set(segment.number, segment);
      if (!isFirst) continue;
      isFirst = false;
      this.#timeouts++;
      if (segment.order >= this.#recoveryOrder) this.congestion.timedOut();
      this.#recoveryOrder = this.#order;
    }
  }

  /** The next segment to be sent, marked as sent now; undefined when none may be. */
  take(nowMs: number): Outgoing | undefined {
    const isFull = this.#underWay.size >= this.congestion.window;
    this.#isLimited = isFull;
    if (isFull) return undefined;
    let segment: Outgoing | undefined;
    if (this.#lost.size > 0) {
      [segment] = this.#lost.values();
      this.#lost.delete(segment!.number);
    } else {
      if (this.#unsentAt === this.#unsent.length || !this.#mayWiden()) return undefined;
      segment = this.#dequeue();
      segment.number = this.next;
      this.next = (this.next + 1) >>> 0;
    }
    if (this.unacknowledged === segment!.number && segment!.transmissions === 0) this.#progressMs = nowMs;
    segment!.order = this.#order++;
    segment!.sentAtMs = nowMs;
    segment!.timestamp = Math.floor(nowMs) >>> 0;
    segment!.transmissions++;
    this.#underWay.set(segment!.number, segment!);
    return segment;
  }

  /** When something of what is under way has to be looked at; undefined when nothing is. */
  get dueMs(): number | undefined {
    const [oldest] = this.#underWay.values();
    if (oldest === undefined) return undefined;
    const isPassed = oldest.order < this.#newestArrived;
    return oldest.sentAtMs + (isPassed ? this.roundTrip.reorderMs : this.#timeoutMs());
  }

  // --- within ------------------------------------------------------------------------------------

  #timeoutMs(): number {
    return Math.min(this.roundTrip.timeoutMs * (1 + this.#timeouts), RTO_MAX_MS);
  }

  /** True when a number that was never sent may be. */
  #mayWiden(): boolean {
    if (this.#unsent[this.#unsentAt]?.dataBytes === 0) return true; // an end takes no room
    return distance(this.next, this.unacknowledged) < Math.min(this.remoteWindow, SEND_WINDOW_MAX);
  }

  /** Fills up the last segment that waits; how much of `bytes` went into it. */
  #fillLast(bytes: Uint8Array): number {
    const last = this.#unsentAt < this.#unsent.length ? this.#unsent.at(-1)! : undefined;
    if (last === undefined || last.dataBytes === 0) return 0;
    const room = last.bytes.length - HEADER_BYTES - last.dataBytes;
    const part = bytes.subarray(0, room);
    last.bytes.set(part, HEADER_BYTES + last.dataBytes);
    last.dataBytes += part.length;
    return part.length;
  }

  #enqueue(bytes: Uint8Array, dataBytes: number, fragment: number): void {
    this.#unsent.push({
      bytes,
      dataBytes,
      fragment,
      number: 0,
      order: 0,
      sentAtMs: 0,
      timestamp: 0,
      transmissions: 0,
    });
  }

  #dequeue(): Outgoing {
    const segment = this.#unsent[this.#unsentAt++]!;
    if (this.#unsentAt === this.#unsent.length || this.#unsentAt >= TAKEN_MAX) {
      this.#unsent.splice(0, this.#unsentAt);
      this.#unsentAt = 0;
    }
    this.#unsentBytes -= segment.dataBytes;
    segment.bytes = segment.bytes.subarray(0, HEADER_BYTES + segment.dataBytes);
    return segment;
  }

  #isOpen(number: number): boolean {
    return this.#underWay.has(number) || this.#lost.has(number);
  }

  /** `timestamp`: of the transmission that arrived, where that is known. */
  #remove(number: number, timestamp: number | undefined): boolean {
    const segment = this.#underWay.get(number) ?? this.#lost.get(number);
    if (segment === undefined) return false;
    this.#underWay.delete(number);
    this.#lost.delete(number);
    const isLast = timestamp === undefined ? segment.transmissions === 1 : timestamp === segment.timestamp;
    if (isLast && segment.order > this.#newestArrived) this.#newestArrived = segment.order;
    return true;
  }

  /** A transmission that was given up had arrived. */
  #wasHasty(segment: Outgoing): void {
    this.roundTrip.wasHasty();
    if (segment.order >= this.#recoveryOrder) this.congestion.undo();
  }

  #findLost(nowMs: number): void {
    let count = 0, isNews = false;
    const { reorderMs } = this.roundTrip;
    for (const segment of this.#underWay.values()) {
      if (segment.order >= this.#newestArrived || segment.sentAtMs + reorderMs > nowMs) break;
      this.#underWay.delete(segment.number);
      this.#lost.set(segment.number, segment);
      if (segment.order >= this.#recoveryOrder) isNews = true;
      count++;
    }
    if (count === 0) return;
    if (isNews) this.#recoveryOrder = this.#order;
    this.congestion.lost(count, { path: this.roundTrip, isNews });
  }
}
