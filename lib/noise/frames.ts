/**
 * Frames of a noise connection (protocol: dmsg, sections 2.3 and 2.4).
 *
 *     [ length u16 ][ counter u64 ][ ciphertext ][ tag 16 ]      big endian; length counts what follows it
 *
 * Pure: bytes in, bytes out, no connection. Both ends of a direction count from 1; a receiver takes strictly
 * rising counters; gaps are allowed unless it is strict.
 *
 * @module
 */
import { LimitError, MalformedError } from "../base/mod.ts";
import { chachaOpenInto, chachaSealInto, COUNTER_MAX, TAG_BYTES } from "../crypto/mod.ts";
import { GapError, ReplayError } from "./errors.ts";

// Wire: the protocol fixes these.
/** The length in front of every frame and handshake message. */
export const PREFIX_BYTES = 2;
/** Biggest length that a frame or handshake message announces: 4096 bytes in all. */
export const FRAME_PREFIX_MAX = 4094;
export const COUNTER_BYTES = 8;
/** What sealing adds to a message: counter and tag. */
export const SEAL_BYTES = COUNTER_BYTES + TAG_BYTES;
/** Biggest plaintext of one frame. */
export const FRAME_PLAINTEXT_BYTES_MAX = FRAME_PREFIX_MAX - SEAL_BYTES;
/** What framing adds to a plaintext. */
export const FRAME_OVERHEAD_BYTES = PREFIX_BYTES + SEAL_BYTES;

const TWO_TO_32 = 2 ** 32;

/** The sending direction of a key: seals, and never uses a counter twice. */
export class FrameSealer {
  readonly #key: Uint8Array;
  #counter = 0;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /**
   * Writes `[length][counter][ciphertext][tag]` of `plaintext` into `into` at `offset`; the number of bytes
   * written. The caller keeps `plaintext` within the bound of its kind of message.
   */
  sealInto(plaintext: Uint8Array, into: Uint8Array, offset: number): number {
    const counter = ++this.#counter; // used once even if what follows fails
    if (counter > COUNTER_MAX) throw new RangeError("Message counter is used up");
    const length = SEAL_BYTES + plaintext.length;
    into[offset] = length >>> 8;
    into[offset + 1] = length;
    writeCounter(into, offset + PREFIX_BYTES, counter);
    chachaSealInto(this.#key, counter, plaintext, into, offset + PREFIX_BYTES + COUNTER_BYTES);
    return PREFIX_BYTES + length;
  }
}

/** What {@link FrameOpener.open} found in a view. */
export interface OpenedFrames {
  /** Bytes of plaintext, contiguous from the front of the view. */
  readonly plaintextBytes: number;
  /** Bytes of whole frames; what follows is the front of an incomplete one. */
  readonly consumedBytes: number;
  /** Why the frame behind `consumedBytes` is refused. The direction is then dead. */
  readonly failure: Error | undefined;
}

/** The receiving direction of a key: opens, in order. */
export class FrameOpener {
  readonly #key: Uint8Array;
  readonly #isStrict: boolean;
  #lastCounter = 0;

  /** `isStrict`: a counter that is left out is an error. For what is read as a stream of bytes. */
  constructor(key: Uint8Array, { isStrict = false }: { readonly isStrict?: boolean } = {}) {
    this.#key = key;
    this.#isStrict = isStrict;
  }

  /** Opens every whole frame of `view`, in place: plaintexts move to the front, one behind the other. */
  open(view: Uint8Array): OpenedFrames {
    let consumedBytes = 0;
    let plaintextBytes = 0;
    let failure: Error | undefined;
    try {
      for (;;) {
        const frameBytes = wholeFrameBytes(view, consumedBytes);
        if (frameBytes > view.length - consumedBytes) break;
        const body = view.subarray(consumedBytes + PREFIX_BYTES, consumedBytes + frameBytes);
        const counter = readCounter(body);
        if (counter <= this.#lastCounter) {
          throw new ReplayError(counter, `it is not above the last one, ${this.#lastCounter}`);
        }
        const openedBytes = chachaOpenInto(
          this.#key,
          counter,
          body.subarray(COUNTER_BYTES),
          view,
          plaintextBytes,
        );
        if (this.#isStrict && counter !== this.#lastCounter + 1) {
          throw new GapError(counter, this.#lastCounter + 1);
        }
        plaintextBytes += openedBytes;
        this.#lastCounter = counter; // only an authentic frame moves it
        consumedBytes += frameBytes;
      }
    } catch (error) {
      failure = error as Error;
    }
    return { plaintextBytes, consumedBytes, failure };
  }
}

/**
 * Length with prefix of the frame that starts at `offset`; `Infinity` while its prefix is incomplete. Throws
 * for a length that no frame has, before anything is stored for it.
 */
export function wholeFrameBytes(view: Uint8Array, offset: number): number {
  if (view.length - offset < PREFIX_BYTES) return Infinity;
  const length = prefixAt(view, offset);
  if (length < SEAL_BYTES) {
    throw new MalformedError(`Noise frame of ${length} bytes cannot hold counter and tag (${SEAL_BYTES})`);
  }
  return PREFIX_BYTES + length;
}

/** The u16 at `offset`. Throws `LimitError` above {@link FRAME_PREFIX_MAX}. */
export function prefixAt(view: Uint8Array, offset: number): number {
  const length = view[offset]! << 8 | view[offset + 1]!;
  if (length > FRAME_PREFIX_MAX) {
    throw new LimitError(`Noise prefix value ${length}B exceeds maximum ${FRAME_PREFIX_MAX}B`);
  }
  return length;
}

/** The counter in front of a sealed message, which is at least {@link SEAL_BYTES} long. */
export function readCounter(body: Uint8Array): number {
  const high = readU32(body, 0);
  const low = readU32(body, 4);
  const counter = high * TWO_TO_32 + low;
  if (counter > COUNTER_MAX) throw new LimitError(`Message counter is above ${COUNTER_MAX}`);
  return counter;
}

function readU32(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24 | bytes[offset + 1]! << 16 | bytes[offset + 2]! << 8 | bytes[offset + 3]!) >>>
    0;
}

function writeCounter(into: Uint8Array, offset: number, counter: number): void {
  writeU32(into, offset, Math.floor(counter / TWO_TO_32));
  writeU32(into, offset + 4, counter >>> 0);
}

function writeU32(into: Uint8Array, offset: number, value: number): void {
  into[offset] = value >>> 24;
  into[offset + 1] = value >>> 16;
  into[offset + 2] = value >>> 8;
  into[offset + 3] = value;
}
