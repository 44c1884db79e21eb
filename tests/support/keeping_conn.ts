/** A Conn that is never done with what it is given: for tests of who holds a buffer, and until when. @module */
import { type Conn, ConnClosedError } from "../../lib/base/mod.ts";

/** Reads wait, writes are kept unsettled; a close rejects them all. `closed` settles when the test says so. */
export class KeepingConn implements Conn {
  readonly halfClose = true;
  /** Every view that was written, in order: still in use below, whatever became of its promise. */
  readonly kept: Uint8Array[] = [];
  /** The reason of each close. */
  readonly closes: unknown[] = [];
  readonly #closed = Promise.withResolvers<void>();
  readonly #waiting: PromiseWithResolvers<never>[] = [];

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  read(): Promise<Uint8Array | null> {
    return this.#wait();
  }

  write(bytes: Uint8Array): Promise<void> {
    this.kept.push(bytes);
    return this.#wait();
  }

  closeWrite(): Promise<void> {
    return this.#wait();
  }

  close(reason?: unknown): void {
    this.closes.push(reason);
    for (const { reject } of this.#waiting.splice(0)) reject(new ConnClosedError(reason));
  }

  settleClosed(): void {
    this.#closed.resolve();
  }

  #wait(): Promise<never> {
    const waiting = Promise.withResolvers<never>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }
}
