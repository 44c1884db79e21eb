/**
 * `WriteQueue`: the writes of a connection that wait for room below it, in order: how far each got, and whom to tell.
 *
 *     write(bytes) -> push ... peek, sent -> its promise settles
 *
 * The bytes stay the caller's own memory until the promise settles (the contract of `Conn`): nothing is copied.
 *
 * @module
 */

/** A write that has left the queue whole, and whose caller is not told yet. */
export interface TakenWrite {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

interface QueuedWrite extends TakenWrite {
  readonly bytes: Uint8Array;
  /** What went before it is on its way. */
  offset: number;
}

export class WriteQueue {
  readonly #writes: QueuedWrite[] = [];

  get isEmpty(): boolean {
    return this.#writes.length === 0;
  }

  /** Writes that wait. */
  get count(): number {
    return this.#writes.length;
  }

  /** Bytes that the write at `index` still has; 0 is the first one. */
  leftOf(index: number): number {
    const write = this.#writes[index]!;
    return write.bytes.length - write.offset;
  }

  /** Waits with `bytes` behind all others; the first `offset` of them are on their way already. */
  push(bytes: Uint8Array, offset = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#writes.push({ bytes, offset, resolve, reject });
    });
  }

  /** What is next, of one write: a view, which holds until something of it is sent. Empty when nothing waits. */
  peek(bytesMax: number = Infinity): Uint8Array {
    const write = this.#writes[0];
    if (write === undefined) return NOTHING;
    const { bytes, offset } = write;
    if (offset === 0 && bytes.length <= bytesMax) return bytes;
    return bytes.subarray(offset, offset + bytesMax);
  }

  /** `bytes` of what `peek` gave are on their way: tells the first caller if those were its last. */
  sent(bytes: number): void {
    this.take(bytes)?.resolve();
  }

  /** As `sent`, but the caller of a write that is whole is left to be told: what is below may yet fail. */
  take(bytes: number): TakenWrite | undefined {
    const write = this.#writes[0]!;
    write.offset += bytes;
    if (write.offset < write.bytes.length) return undefined;
    return this.#writes.shift();
  }

  /** Nothing more gets on its way: tells everybody who waits. */
  fail(reason: unknown): void {
    for (const write of this.#writes.splice(0)) write.reject(reason);
  }
}

const NOTHING = new Uint8Array(0);
