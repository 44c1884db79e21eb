/**
 * One direction of a simulated TCP connection: what was written and not yet sent, what is under way, what has
 * arrived and waits for its reader.
 *
 *     write -> [writes] -> window -> [flight] -> latency, loss -> [arrived] -> read -> window opens
 *
 * @module
 */
import { ConnResetError, ReceiveBuffer, WriteQueue } from "../../base/mod.ts";
import type { Fabric } from "./fabric.ts";
import { retryMs } from "./links.ts";
import type { SimulatedNode } from "./node.ts";

/** Bytes under way or unread, per direction, before a writer waits. */
export const WINDOW_BYTES = 256 * 1024;
/** The reader's side tells of its reading in steps of this. */
const WINDOW_STEP_BYTES = WINDOW_BYTES / 4;
/** Bytes that travel as one event. */
const SEGMENT_BYTES_MAX = 64 * 1024;
/** Times that TCP sends again before it gives up: 15 on Linux, about a quarter of an hour. */
const RETRIES_MAX = 13;

interface Segment {
  readonly parts: Uint8Array[];
  bytes: number;
  readonly sentMs: number;
  readonly arrivesMs: number;
  readonly isEnd: boolean;
}

/** Who is at the ends. */
export interface PipeEnds {
  readonly from: SimulatedNode;
  readonly to: SimulatedNode;
  /** Something arrived: bytes, or the end. False when nobody is there to take it. */
  readonly arrived: () => boolean;
  /** The sending end is told that the receiving one is no more. */
  readonly refused: () => void;
  /** The sending end gave up. */
  readonly gaveUp: (error: Error) => void;
  /** All writes are under way. */
  readonly drained: () => void;
}

export class Pipe {
  readonly arrived = new ReceiveBuffer();
  /** The end came, after all bytes. */
  hasEnded = false;
  readonly #fabric: Fabric;
  readonly #ends: PipeEnds;
  readonly #writes = new WriteQueue();
  readonly #flight: Segment[] = [];
  #inFlightOrUnread = 0;
  #unreported = 0; // read, and not yet told to the sender
  #end: PromiseWithResolvers<void> | undefined;
  #isEndSent = false;
  #isSenderGone = false;
  #retries = 0;
  #lastArrivesMs = 0;
  #unscheduleArrival: (() => void) | undefined;

  constructor(fabric: Fabric, ends: PipeEnds) {
    this.#fabric = fabric;
    this.#ends = ends;
  }

  // --- sending end -------------------------------------------------------------------------------

  get hasQueuedWrites(): boolean {
    return !this.#writes.isEmpty;
  }

  get isEnding(): boolean {
    return this.#end !== undefined;
  }

  write(bytes: Uint8Array): Promise<void> {
    const written = this.#writes.push(bytes);
    this.#send();
    return written;
  }

  end(): Promise<void> {
    if (this.#end === undefined) {
      this.#end = Promise.withResolvers<void>();
      this.#end.promise.catch(() => {}); // a close asks for the end without waiting
      this.#send();
    }
    return this.#end.promise;
  }

  /** Writes that did not get under way fail. What is under way arrives, but is not sent again. */
  stopSending(reason: unknown): void {
    this.#isSenderGone = true;
    this.#writes.fail(reason);
    this.#end?.reject(reason);
  }

  /** When a packet sent now would come in behind all that is under way. */
  arrivalDelayMs(): number {
    const { from, to } = this.#ends;
    return Math.max(this.#lastArrivesMs - this.#fabric.nowMs(), this.#fabric.links.delayMs(from, to, 0));
  }

  #send(): void {
    while (!this.#writes.isEmpty) {
      const room = WINDOW_BYTES - this.#inFlightOrUnread;
      if (room <= 0) return;
      const segment = this.#writes.peek(Math.min(room, SEGMENT_BYTES_MAX)).slice(); // the caller has its bytes back
      this.#launch(segment, false);
      this.#writes.sent(segment.length);
    }
    if (this.#end !== undefined && !this.#isEndSent) {
      this.#isEndSent = true;
      this.#launch(new Uint8Array(0), true);
      this.#end.resolve();
    }
    this.#ends.drained();
  }

  #launch(bytes: Uint8Array, isEnd: boolean): void {
    this.#inFlightOrUnread += bytes.length;
    const nowMs = this.#fabric.nowMs();
    const last = this.#flight.at(-1);
    // What is written in one turn travels together; the first in line has its event already.
    if (
      !isEnd && last !== undefined && this.#flight.length > 1 && !last.isEnd && last.sentMs === nowMs &&
      last.bytes + bytes.length <= SEGMENT_BYTES_MAX
    ) {
      last.parts.push(bytes);
      last.bytes += bytes.length;
      return;
    }
    const { from, to } = this.#ends;
    const delayMs = this.#fabric.links.delayMs(from, to, bytes.length) +
      this.#fabric.links.lossDelayMs(from, to);
    this.#lastArrivesMs = Math.max(this.#lastArrivesMs, nowMs + delayMs);
    this.#flight.push({
      parts: [bytes],
      bytes: bytes.length,
      sentMs: nowMs,
      arrivesMs: this.#lastArrivesMs,
      isEnd,
    });
    this.#scheduleArrival();
  }

  // --- under way ---------------------------------------------------------------------------------

  #scheduleArrival(afterMs = 0): void {
    const segment = this.#flight[0];
    if (segment === undefined || this.#unscheduleArrival !== undefined) return;
    const delayMs = Math.max(afterMs, segment.arrivesMs - this.#fabric.nowMs(), 0);
    const event = segment.isEnd ? "end" : "deliver";
    this.#unscheduleArrival = this.#fabric.schedule(delayMs, this.#ends.from, event, segment.bytes, () => {
      this.#unscheduleArrival = undefined;
      this.#arrive();
    });
  }

  #arrive(): void {
    const { from, to } = this.#ends;
    if (this.#fabric.isBlocked(from, to)) return this.#retry();
    this.#retries = 0;
    const segment = this.#flight.shift()!;
    for (const part of segment.parts) this.arrived.append(part);
    if (segment.isEnd) this.hasEnded = true;
    if (this.#ends.arrived()) return this.#scheduleArrival();
    this.#flight.length = 0;
    this.arrived.clear();
    this.#fabric.schedule(this.#fabric.links.delayMs(to, from, 0), from, "reset", 0, () => {
      if (!this.#fabric.isBlocked(to, from)) this.#ends.refused();
    });
  }

  #retry(): void {
    if (this.#isSenderGone) {
      this.#flight.length = 0; // nobody is left to send it again
    } else if (this.#retries > RETRIES_MAX) {
      this.#flight.length = 0;
      this.#ends.gaveUp(new ConnResetError("Connection timed out: the peer acknowledges nothing"));
    } else {
      this.#scheduleArrival(retryMs(this.#retries++));
    }
  }

  // --- receiving end -----------------------------------------------------------------------------

  /** The reader took `bytes`: so many more may be sent, once the sender hears of it. */
  hasRead(bytes: number): void {
    this.#unreported += bytes;
    if (this.#unreported < WINDOW_STEP_BYTES) return;
    const opened = this.#unreported;
    this.#unreported = 0;
    this.#openWindow(opened, 0);
  }

  #openWindow(bytes: number, attempt: number): void {
    if (this.#isSenderGone || attempt > RETRIES_MAX) return;
    const { from, to } = this.#ends;
    const delayMs = attempt === 0 ? this.#fabric.links.delayMs(to, from, 0) : retryMs(attempt);
    this.#fabric.schedule(delayMs, from, "window", bytes, () => {
      if (this.#fabric.isBlocked(to, from)) return this.#openWindow(bytes, attempt + 1);
      this.#inFlightOrUnread -= bytes;
      this.#send();
    });
  }
}
