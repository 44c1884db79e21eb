/**
 * Two Conns joined in memory: the simplest implementation of the contract, and the bench of every layer.
 *
 * @module
 */
import { ReceiveBuffer } from "./buffers.ts";
import { type Conn, READ_BYTES_MAX } from "./conn.ts";
import { ConnClosedError, ConnResetError } from "./errors.ts";
import type { Ledger } from "./ledger.ts";
import { WriteQueue } from "./write_queue.ts";

/** Bytes that one direction holds before a writer waits. */
export const MEMORY_PAIR_BYTES_MAX = 64 * 1024;

export interface MemoryPairOptions {
  /** Bytes that one direction holds before a writer waits. */
  readonly bytesMax?: number;
  /** Counts both ends as kind `memory-conn` while they hold anything. */
  readonly ledger?: Ledger;
}

/** Two ends: what one writes, the other reads. Both support half-close. */
export function memoryPair(
  { bytesMax = MEMORY_PAIR_BYTES_MAX, ledger }: MemoryPairOptions = {},
): [Conn, Conn] {
  const there = new Pipe(bytesMax);
  const back = new Pipe(bytesMax);
  return [new MemoryConn(back, there, ledger), new MemoryConn(there, back, ledger)];
}

/** One direction. Each end knows only its own half of it. */
class Pipe {
  readonly #buffer = new ReceiveBuffer();
  readonly #writes = new WriteQueue();
  readonly #bytesMax: number;
  #reader: { resolve: (view: Uint8Array | null) => void; reject: (reason: unknown) => void } | undefined;
  #ended = false; // closeWrite was called; applies after the queued writes
  #writeFailure: { reason: unknown } | undefined;
  #readFailure: { reason: unknown } | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  read(): Promise<Uint8Array | null> {
    if (this.#readFailure !== undefined) return Promise.reject(this.#readFailure.reason);
    if (this.#reader !== undefined) return Promise.reject(new TypeError("A read is already pending"));
    const view = this.#buffer.take(READ_BYTES_MAX);
    this.#refill();
    if (view.length > 0) return Promise.resolve(view);
    if (this.#isAtEnd()) return Promise.resolve(null);
    return new Promise((resolve, reject) => this.#reader = { resolve, reject });
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#writeFailure !== undefined) return Promise.reject(this.#writeFailure.reason);
    if (this.#ended) return Promise.reject(new ConnClosedError(undefined, "Write half is closed"));
    if (bytes.length === 0) return Promise.resolve();
    const written = this.#writes.push(bytes);
    this.#refill();
    this.#serveReader();
    return written;
  }

  end(): Promise<void> {
    if (this.#writeFailure !== undefined) return Promise.reject(this.#writeFailure.reason);
    this.#ended = true;
    this.#serveReader();
    return Promise.resolve();
  }

  /** The writing end is gone for good: queued writes fail; the reader gets what was taken in, then the end. */
  closeWriter(reason: unknown): void {
    if (this.#writeFailure !== undefined) return;
    this.#writeFailure = { reason };
    this.#ended = true;
    this.#writes.fail(reason);
    this.#serveReader();
  }

  /** The reading end is gone, or the peer reset: nothing more is delivered. */
  closeReader(reason: unknown): void {
    if (this.#readFailure !== undefined) return;
    this.#readFailure = { reason };
    this.#buffer.clear();
    this.#reader?.reject(reason);
    this.#reader = undefined;
  }

  #isAtEnd(): boolean {
    return this.#ended && this.#writes.isEmpty && this.#buffer.size === 0;
  }

  #refill(): void {
    while (!this.#writes.isEmpty) {
      const room = this.#bytesMax - this.#buffer.size;
      if (room <= 0) return;
      const part = this.#writes.peek(room);
      this.#buffer.append(part);
      this.#writes.sent(part.length);
    }
  }

  #serveReader(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const view = this.#buffer.take(READ_BYTES_MAX);
    if (view.length === 0 && !this.#isAtEnd()) return;
    this.#reader = undefined;
    this.#refill();
    reader.resolve(view.length > 0 ? view : null);
  }
}

class MemoryConn implements Conn {
  readonly halfClose = true;
  readonly closed: Promise<void>;
  readonly #in: Pipe;
  readonly #out: Pipe;
  #settle!: () => void;
  #state: "open" | "lingering" | "closed" = "open";
  #reason: ConnClosedError | undefined;

  constructor(incoming: Pipe, outgoing: Pipe, ledger: Ledger | undefined) {
    this.#in = incoming;
    this.#out = outgoing;
    const release = ledger?.open("memory-conn");
    this.closed = new Promise((resolve) =>
      this.#settle = () => {
        release?.();
        resolve();
      }
    );
  }

  read(): Promise<Uint8Array | null> {
    return this.#reason === undefined ? this.#in.read() : Promise.reject(this.#reason);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#reason === undefined ? this.#out.write(bytes) : Promise.reject(this.#reason);
  }

  closeWrite(): Promise<void> {
    return this.#reason === undefined ? this.#out.end() : Promise.reject(this.#reason);
  }

  close(reason?: unknown): void {
    if (this.#state === "closed" || (this.#state === "lingering" && reason === undefined)) return;
    this.#state = reason === undefined ? "lingering" : "closed";
    this.#reason ??= new ConnClosedError(reason);
    this.#in.closeReader(this.#reason);
    // Nothing will be read here: a peer that still writes must not wait for ever.
    this.#in.closeWriter(new ConnResetError());
    if (reason !== undefined) this.#out.closeReader(new ConnResetError()); // first: a waiting read is no orderly end
    this.#out.closeWriter(this.#reason);
    // What was taken in is in the peer's memory already: there is nothing to linger for.
    this.#settle();
  }
}
