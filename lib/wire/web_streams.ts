/**
 * Adapters between a Conn and a pair of web streams, for the edges only: what we speak ourselves stays a Conn,
 * which is faster and says more.
 *
 * @module
 */
import { type Conn, ConnClosedError, READ_BYTES_MAX, WriteQueue } from "../base/mod.ts";
import { type Clock, LINGER_MS, type Timer } from "../runtime/mod.ts";

/** Two directions of bytes, as `WebSocketStream`, `Deno.Conn` and `CompressionStream` have them. */
export interface WebStreams {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/**
 * `conn` as web streams, which own it. Chunks are copies. Both ended: closed. `readable.cancel()` closes the Conn
 * whole, with a reason at once; so does `writable.abort()`.
 */
export function connToWebStreams(conn: Conn): WebStreams {
  let openHalves = 2;
  const endHalf = () => {
    if (--openHalves === 0) conn.close();
  };
  let writer: WritableStreamDefaultController | undefined;
  const readable = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const view = await conn.read().catch((error) => {
        writer!.error(error); // both halves fail alike
        conn.close(error); // streams that failed are neither cancelled nor aborted any more
        throw error;
      });
      if (view !== null) return controller.enqueue(view.slice()); // whoever reads may keep it
      controller.close();
      endHalf();
    },
    cancel: (reason) => conn.close(reason),
  }, { highWaterMark: 0 }); // reads by need only: nothing is taken from the peer that nobody asked for
  const writable = new WritableStream<Uint8Array>({
    start: (controller) => void (writer = controller),
    write: (chunk) =>
      conn.write(chunk).catch((error) => {
        endHalf(); // what the peer sent before can still be read
        throw error;
      }),
    close: () => conn.closeWrite().finally(endHalf),
    abort: (reason) => conn.close(reason ?? new DOMException("The writer gave up", "AbortError")),
  });
  return { readable, writable };
}

export interface WebStreamsToConnOptions {
  /** For the linger of `close()`. */
  readonly clock: Clock;
  /** False when the two directions end together. Default true. */
  readonly halfClose?: boolean;
}

/** Web streams as a Conn, which owns and locks them. Errors of the streams come out as they are. */
export function webStreamsToConn(streams: WebStreams, options: WebStreamsToConnOptions): Conn {
  return new WebStreamsConn(streams, options);
}

/** One copy of what a caller writes: a stream may keep its chunk after the write settled, the caller may not wait. */
const PART_BYTES = 64 * 1024;

class WebStreamsConn implements Conn {
  readonly halfClose: boolean;
  readonly closed: Promise<void>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #clock: Clock;
  #chunk: Uint8Array | undefined; // of the last read: what was not given yet
  #hasEnded = false;
  #pendingRead: PromiseWithResolvers<Uint8Array | null> | undefined;
  readonly #writes = new WriteQueue();
  #pumping: Promise<void> | undefined;
  #writeFailure: { readonly reason: unknown } | undefined;
  #ending: Promise<void> | undefined;
  #state: "open" | "lingering" | "closed" = "open";
  #reason: ConnClosedError | undefined;
  #linger: Timer | undefined;
  #settleClosed!: () => void;

  constructor({ readable, writable }: WebStreams, { clock, halfClose = true }: WebStreamsToConnOptions) {
    this.#reader = readable.getReader();
    this.#writer = writable.getWriter();
    this.#reader.closed.catch(() => {}); // told by the read or write that meets it
    this.#writer.closed.catch(() => {});
    this.#writer.ready.catch(() => {});
    this.#clock = clock;
    this.halfClose = halfClose;
    this.closed = new Promise((resolve) => this.#settleClosed = resolve);
  }

  read(): Promise<Uint8Array | null> {
    if (this.#reason !== undefined) return Promise.reject(this.#reason);
    if (this.#pendingRead !== undefined) return Promise.reject(new TypeError("A read is already pending"));
    if (this.#chunk !== undefined) return Promise.resolve(this.#take(this.#chunk));
    if (this.#hasEnded) return Promise.resolve(null);
    const pending = this.#pendingRead = Promise.withResolvers<Uint8Array | null>();
    this.#readChunk().then((view) => {
      this.#pendingRead = undefined; // first: whoever hears of it may read again at once
      pending.resolve(view);
    }, (error) => {
      this.#pendingRead = undefined;
      pending.reject(error);
    });
    return pending.promise;
  }

  write(bytes: Uint8Array): Promise<void> {
    const refused = this.#refusal();
    if (refused !== undefined) return Promise.reject(refused.reason);
    if (this.#ending !== undefined) {
      return Promise.reject(new ConnClosedError(undefined, "Write half is closed"));
    }
    if (bytes.length === 0) return Promise.resolve();
    const written = this.#writes.push(bytes);
    this.#pumping ??= this.#pump();
    return written;
  }

  closeWrite(): Promise<void> {
    const refused = this.#refusal();
    return refused !== undefined ? Promise.reject(refused.reason) : this.#endWrites();
  }

  /** Writes under way when `close()` comes settle by their true result within the linger. */
  close(reason?: unknown): void {
    this.#reason ??= new ConnClosedError(reason);
    if (this.#state === "closed" || (this.#state === "lingering" && reason === undefined)) return;
    this.#pendingRead?.reject(this.#reason);
    this.#chunk = undefined;
    if (reason !== undefined || this.#writeFailure !== undefined) return this.#finish(this.#reason);
    this.#state = "lingering";
    this.#linger = this.#clock.timer(LINGER_MS, () => this.#finish(this.#reason));
    this.#endWrites().then(() => this.#finish(undefined), (error) => this.#finish(error));
  }

  #take(chunk: Uint8Array): Uint8Array {
    this.#chunk = chunk.length > READ_BYTES_MAX ? chunk.subarray(READ_BYTES_MAX) : undefined;
    return chunk.subarray(0, READ_BYTES_MAX);
  }

  async #readChunk(): Promise<Uint8Array | null> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (this.#reason !== undefined) throw this.#reason;
      if (done) {
        this.#hasEnded = true;
        return null;
      }
      if (!(value instanceof Uint8Array)) {
        throw new TypeError("A chunk of the readable stream is no Uint8Array");
      }
      if (value.length > 0) return this.#take(value);
    }
  }

  async #pump(): Promise<void> {
    try {
      while (!this.#writes.isEmpty) {
        const part = this.#writes.peek(PART_BYTES).slice();
        await this.#writer.write(part);
        if (this.#writeFailure !== undefined) return;
        this.#writes.sent(part.length);
      }
    } catch (reason) {
      this.#breakWrites(reason);
    } finally {
      this.#pumping = undefined;
    }
  }

  #endWrites(): Promise<void> {
    if (this.#ending === undefined) {
      this.#ending = (async () => {
        await this.#pumping;
        if (this.#writeFailure !== undefined) throw this.#writeFailure.reason;
        await this.#writer.close();
      })();
      this.#ending.catch(() => {}); // close() asks for the end without waiting for it
    }
    return this.#ending;
  }

  #refusal(): { readonly reason: unknown } | undefined {
    return this.#reason !== undefined ? { reason: this.#reason } : this.#writeFailure;
  }

  #breakWrites(reason: unknown): void {
    this.#writeFailure ??= { reason };
    this.#writes.fail(this.#writeFailure.reason);
  }

  /** Lets go of both streams: what they still do is theirs. */
  #finish(failure: unknown): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#linger?.cancel();
    this.#breakWrites(this.#reason);
    const reason = failure instanceof ConnClosedError ? failure.cause ?? failure : failure;
    this.#reader.cancel(reason).catch(() => {}); // it failed already, which its reader was told
    if (reason !== undefined) this.#writer.abort(reason).catch(() => {});
    this.#settleClosed();
  }
}
