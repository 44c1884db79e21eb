/**
 * The buffer that one socket reads into: small while little comes, up to 256 KiB under load.
 *
 * A thousand idle sessions each wait in a read, so the size that a read waits with is what a session costs.
 *
 *     4 KiB  -- filled -->  64 KiB  -- filled -->  256 KiB
 *       ^------------ two small reads in a row --------'
 *
 * @module
 */
import { giveBuffer, READ_BYTES_MAX, takeBuffer } from "../../base/mod.ts";

/** What an idle socket holds. */
export const IDLE_READ_BYTES = 4 * 1024;
const MIDDLE_READ_BYTES = 64 * 1024;

/**
 * Buffers of the largest size in use at a time, over all sockets: 16 MiB. A socket that went silent in the
 * middle of a burst keeps its buffer, so that without this bound many of them would add up.
 */
const LARGEST_IN_USE_MAX = 64;

/** A read that leaves this share of a grown buffer empty is small. */
const SMALL_READ_SHARE = 1 / 16;
/** One small read between large ones is the end of a burst's segment, two are the end of the burst. */
const SMALL_READS_BEFORE_SHRINK = 2;

let largestInUse = 0;

export class ReadBuffer {
  #bytes = takeBuffer(IDLE_READ_BYTES);
  #smallReads = 0;

  /** Where the next read goes. */
  get target(): Uint8Array {
    return this.#bytes;
  }

  /** The view of a read of `count` bytes; valid until {@link prepare}. */
  view(count: number): Uint8Array {
    return this.#bytes.subarray(0, count);
  }

  /** Called before a read, with the size of the one before: the reader is done with its view. */
  prepare(lastCount: number): void {
    const size = this.#bytes.length;
    if (lastCount === size) {
      this.#smallReads = 0;
      if (size === IDLE_READ_BYTES) this.#resize(MIDDLE_READ_BYTES);
      else if (size < READ_BYTES_MAX && largestInUse < LARGEST_IN_USE_MAX) this.#resize(READ_BYTES_MAX);
    } else if (size > IDLE_READ_BYTES && lastCount < size * SMALL_READ_SHARE) {
      if (++this.#smallReads >= SMALL_READS_BEFORE_SHRINK) this.#resize(IDLE_READ_BYTES);
    } else {
      this.#smallReads = 0;
    }
  }

  /**
   * Lets go of the memory. It is not pooled: whoever closes a socket does not know whether a view of it is
   * being written elsewhere at this moment.
   */
  drop(): void {
    if (this.#bytes.length === READ_BYTES_MAX) largestInUse--;
    this.#bytes = NOTHING;
  }

  #resize(bytes: number): void {
    if (this.#bytes.length === READ_BYTES_MAX) largestInUse--;
    if (bytes === READ_BYTES_MAX) largestInUse++;
    giveBuffer(this.#bytes);
    this.#bytes = takeBuffer(bytes);
    this.#smallReads = 0;
  }
}

const NOTHING = new Uint8Array(0);
