/**
 * A listener on a dmsg port of a client: accepted streams wait in a bounded queue.
 *
 * @module
 */
import { ConnClosedError } from "../base/mod.ts";
import type { DmsgStream } from "./stream.ts";

/** Streams that wait for `accept`; further dials are refused with 401 before they are answered (dmsg.md 5.5). */
export const LISTENER_QUEUE_MAX = 256;

/** Made by `DmsgClient.listen`. */
export class Listener {
  readonly #queue: DmsgStream[] = [];
  readonly #onClose: (listener: Listener) => void;
  #promised = 0; // room taken by handshakes under way
  #waiter: ((stream: DmsgStream | null) => void) | undefined;
  #closed = false;

  constructor(readonly port: number, onClose: (listener: Listener) => void) {
    this.#onClose = onClose;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** The next stream, or null once the listener is closed. One accept at a time. */
  accept(): Promise<DmsgStream | null> {
    if (this.#waiter !== undefined) return Promise.reject(new TypeError("An accept is already pending"));
    const next = this.#queue.shift();
    if (next !== undefined) return Promise.resolve(next);
    if (this.#closed) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiter = resolve);
  }

  /**
   * Takes room for one stream before its dialler is told that it was accepted: an answer that cannot be kept
   * would reach the dialler as a stream at its end. False when the queue is full or the listener closed.
   */
  reserve(): boolean {
    if (this.#closed || this.#queue.length + this.#promised >= LISTENER_QUEUE_MAX) return false;
    this.#promised++;
    return true;
  }

  /** Gives the room back: the handshake failed. */
  release(): void {
    this.#promised--;
  }

  /** Hands over the stream for which room was reserved; it is closed when the listener is closed by now. */
  deliver(stream: DmsgStream): void {
    this.#promised--;
    if (this.#closed) return stream.close(new ConnClosedError(undefined, "The listener is closed"));
    const waiter = this.#waiter;
    if (waiter === undefined) {
      this.#queue.push(stream);
      return;
    }
    this.#waiter = undefined;
    waiter(stream);
  }

  /** Frees the port and closes what nobody accepted. Streams that were accepted live on. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose(this);
    for (const stream of this.#queue.splice(0)) {
      stream.close(new ConnClosedError(undefined, "The listener is closed"));
    }
    this.#waiter?.(null);
    this.#waiter = undefined;
  }
}
