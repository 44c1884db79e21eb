/**
 * The receiving half of a session: segments in any order in, bytes in order out, and what is owed for them.
 *
 *     number   next             next + window
 *     ...taken │ missing │ ahead │ ahead        │ refused
 *
 * Holds at most a window's worth, unread or out of order. Which message a segment is a part of does not matter
 * to a stream of bytes.
 *
 * @module
 */
import { ReceiveBuffer } from "../base/mod.ts";
import { ACKNOWLEDGE_DELAY_MS, ACKNOWLEDGE_EVERY, RECEIVE_WINDOW_MAX, WINDOW_FIRST } from "./limits.ts";
import { distance, Ending, MSS_BYTES } from "./segment.ts";

/** As many fit into one datagram. */
const ACKNOWLEDGEMENTS_MAX = 58;

/** What a segment was acknowledged with: kept until it is sent. */
export interface Acknowledgement {
  readonly number: number;
  readonly timestamp: number;
}

export class Receiver {
  /** The first number that is missing. */
  next = 0;
  /** The peer's orderly end came, after every byte before it. */
  hasEnded = false;
  wasReset = false;
  /** The reader has gone: what comes is acknowledged and dropped. */
  isDiscarding = false;
  readonly #buffer = new ReceiveBuffer();
  readonly #ahead = new Map<number, Uint8Array>(); // copies
  #acknowledgements: Acknowledgement[] = [];
  #window = WINDOW_FIRST;
  #readBytes = 0; // since the window grew
  #told = WINDOW_FIRST; // the window that the peer knows of
  #dueMs: number | undefined;

  /** Bytes for the reader. */
  get size(): number {
    return this.#buffer.size;
  }

  /** Segments that there is room for. */
  get window(): number {
    return Math.max(0, this.#window - Math.ceil(this.#buffer.size / MSS_BYTES));
  }

  /** Acknowledgements that are owed. */
  get owed(): number {
    return this.#acknowledgements.length;
  }

  /** When they have to be sent at the latest; undefined when none is owed. */
  get dueMs(): number | undefined {
    return this.#dueMs;
  }

  /** A push segment. Outside of the window it is dropped: a peer that keeps to it sent none such. */
  push(number: number, timestamp: number, fragment: number, data: Uint8Array, nowMs: number): void {
    const ahead = distance(number, this.next);
    if (data.length === 0 && fragment === Ending.reset) {
      if (ahead >= 0 && ahead <= RECEIVE_WINDOW_MAX) this.wasReset = true;
      return;
    }
    if (ahead >= this.window && !(ahead === 0 && data.length === 0)) return; // an end needs no room
    const isInOrder = ahead === 0 && this.#ahead.size === 0;
    if (ahead === 0) {
      this.#take(data);
      for (let next = this.#ahead.get(this.next); next !== undefined; next = this.#ahead.get(this.next)) {
        this.#ahead.delete(this.next);
        this.#take(next);
      }
    } else if (ahead > 0 && !this.#ahead.has(number)) {
      this.#ahead.set(number, data.slice());
    }
    this.#acknowledgements.push({ number, timestamp });
    const isMany = this.#acknowledgements.length >= ACKNOWLEDGE_EVERY;
    const mayWait = isInOrder && !isMany && data.length > 0; // else the peer waits for it, or has to know
    this.#dueMs = mayWait ? this.#dueMs ?? nowMs + ACKNOWLEDGE_DELAY_MS : nowMs;
  }

  /** True when not even one more acknowledgement fits into a datagram. */
  get owesAll(): boolean {
    return this.#acknowledgements.length >= ACKNOWLEDGEMENTS_MAX;
  }

  /** What is owed, which then is owed no more. */
  takeOwed(): readonly Acknowledgement[] {
    const owed = this.#acknowledgements;
    if (owed.length > 0) this.#acknowledgements = [];
    this.#dueMs = undefined;
    return owed;
  }

  /** Bytes for the reader, valid until the next call; empty when there are none. */
  read(bytesMax: number): Uint8Array {
    const view = this.#buffer.take(bytesMax);
    this.#readBytes += view.length;
    if (this.#readBytes >= this.#window * MSS_BYTES && this.#window < RECEIVE_WINDOW_MAX) {
      this.#window = Math.min(this.#window * 2, RECEIVE_WINDOW_MAX);
      this.#readBytes = 0;
    }
    return view;
  }

  /** The window was told to the peer. */
  told(): number {
    return this.#told = this.window;
  }

  /** The peer believes that there is no room to speak of, and there is. */
  get owesWindow(): boolean {
    return this.#told * 4 < this.#window && this.window * 2 >= this.#window;
  }

  /** Drops what is unread; from now on everything is. */
  discard(): void {
    this.isDiscarding = true;
    this.#buffer.clear();
    for (const [number, data] of this.#ahead) if (data.length > 0) this.#ahead.set(number, DROPPED);
  }

  #take(data: Uint8Array): void {
    this.next = (this.next + 1) >>> 0;
    if (data.length === 0) this.hasEnded = true;
    else if (!this.isDiscarding && !this.hasEnded) this.#buffer.append(data);
  }
}

/** In the place of data that nobody will read: it is not the end. */
const DROPPED = new Uint8Array(1);
