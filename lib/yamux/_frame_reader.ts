/**
 * Bytes of a connection to frames, in whatever pieces they come.
 *
 * Pure: no socket, no clock. Holds at most an incomplete header; payload is handed on as it arrives, as views of
 * the input, so that a frame longer than a read needs no memory.
 *
 * @module
 */
import { MalformedError } from "../base/mod.ts";
import { HEADER_BYTES, readU32, TYPE_DATA, TYPE_GO_AWAY, VERSION } from "./frame.ts";

/** Takes frames. May call `stop` of the reader that calls it. */
export interface FrameHandler {
  /** A header. For Data frames of more than 0 bytes the payload follows. */
  onHeader(type: number, flags: number, id: number, length: number): void;
  /** The next piece of the payload of the last Data header; never empty. `isLast` ends the frame. */
  onPayload(piece: Uint8Array, isLast: boolean): void;
}

export class FrameReader {
  readonly #handler: FrameHandler;
  #payloadLeft = 0;
  #header: Uint8Array | undefined; // of an incomplete header; made on first need
  #headerFilled = 0;
  #isStopped = false;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** True when the bytes so far end between two frames. */
  get isAtBorder(): boolean {
    return this.#payloadLeft === 0 && this.#headerFilled === 0;
  }

  /** Nothing more is handed on, not even of the view that is being read. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Hands on every frame and piece of `view`. Throws `MalformedError` for an unknown version or type. */
  push(view: Uint8Array): void {
    let offset = 0;
    while (offset < view.length && !this.#isStopped) {
      if (this.#payloadLeft > 0) {
        const end = Math.min(view.length, offset + this.#payloadLeft);
        this.#payloadLeft -= end - offset;
        this.#handler.onPayload(view.subarray(offset, end), this.#payloadLeft === 0);
        offset = end;
      } else if (this.#headerFilled === 0 && view.length - offset >= HEADER_BYTES) {
        this.#onHeader(view, offset);
        offset += HEADER_BYTES;
      } else {
        offset = this.#carry(view, offset);
      }
    }
  }

  #carry(view: Uint8Array, offset: number): number {
    const header = this.#header ??= new Uint8Array(HEADER_BYTES);
    const end = Math.min(view.length, offset + HEADER_BYTES - this.#headerFilled);
    header.set(view.subarray(offset, end), this.#headerFilled);
    this.#headerFilled += end - offset;
    if (this.#headerFilled === HEADER_BYTES) {
      this.#headerFilled = 0;
      this.#onHeader(header, 0);
    }
    return end;
  }

  #onHeader(from: Uint8Array, offset: number): void {
    const version = from[offset]!;
    const type = from[offset + 1]!;
    if (version !== VERSION) throw new MalformedError(`Cannot read a yamux frame of version ${version}`);
    if (type > TYPE_GO_AWAY) throw new MalformedError(`Cannot read a yamux frame of type ${type}`);
    const flags = (from[offset + 2]! << 8) | from[offset + 3]!;
    const length = readU32(from, offset + 8);
    if (type === TYPE_DATA) this.#payloadLeft = length;
    this.#handler.onHeader(type, flags, readU32(from, offset + 4), length);
  }
}
