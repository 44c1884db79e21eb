/**
 * Bodies: read by length, by chunks or until the end; and turned into bytes, text or a web stream.
 *
 * @module
 */
import { LimitError, TruncatedError } from "../base/mod.ts";
import { HttpError } from "./errors.ts";
import type { Framing } from "./_head.ts";
import type { HttpInput } from "./_input.ts";

/** Bytes in order. A view is valid until the next read; null is the end, and stays null. */
export interface BodyReader {
  read(): Promise<Uint8Array | null>;
}

export interface IncomingBodyOptions {
  readonly chunkLineBytesMax: number;
  /** Above it the read fails with 413. */
  readonly bodyBytesMax: number;
  /** Called once before the first byte is waited for. */
  readonly onFirstWait?: (() => Promise<void>) | undefined;
  /** Called once when the end was read: the connection is at the next message. */
  readonly onEnd?: (() => void) | undefined;
}

/** Digits of a chunk's size: up to 2^52 bytes, so that it is exact as a number. */
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,13})[ \t]*(?:;.*)?$/;

/** The body of a received message, read from its connection. Fails as its connection does, and stays so. */
export class IncomingBody implements BodyReader {
  readonly #input: HttpInput;
  readonly #options: IncomingBodyOptions;
  readonly #kind: Framing["kind"];
  #left: number; // of the length, or of the chunk
  #inChunk = false; // the line end behind a chunk is still to be read
  #bytes = 0;
  #ended = false;
  #waited = false;
  #failure: { readonly reason: unknown } | undefined;

  constructor(input: HttpInput, framing: Framing, options: IncomingBodyOptions) {
    this.#input = input;
    this.#options = options;
    this.#kind = framing.kind;
    this.#left = framing.kind === "length" ? framing.bytes : 0;
    if (framing.kind === "none" || (framing.kind === "length" && framing.bytes === 0)) this.#ended = true;
  }

  /** True once nothing of it is left on the connection. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What reading failed with. */
  get failure(): unknown {
    return this.#failure?.reason;
  }

  /** Bytes still to come, where the framing says so. */
  get bytesLeft(): number | undefined {
    return this.#ended ? 0 : this.#kind === "length" ? this.#left : undefined;
  }

  async read(): Promise<Uint8Array | null> {
    if (this.#failure !== undefined) throw this.#failure.reason;
    if (this.#ended) return null;
    try {
      const view = this.#kind === "chunked" ? await this.#readChunked() : await this.#readPlain();
      if (view === null) {
        this.#ended = true;
        this.#options.onEnd?.();
        return null;
      }
      this.#bytes += view.length;
      if (this.#bytes > this.#options.bodyBytesMax) throw tooLarge(this.#options.bodyBytesMax);
      return view;
    } catch (reason) {
      this.#failure ??= { reason };
      throw reason;
    }
  }

  /** Makes every later read fail with `reason`. */
  fail(reason: unknown): void {
    this.#failure ??= { reason };
  }

  async #readPlain(): Promise<Uint8Array | null> {
    const byLength = this.#kind === "length";
    if (byLength && this.#left === 0) return null;
    if (this.#input.buffered === 0 && !(await this.#wait())) {
      if (byLength) throw new TruncatedError(`an HTTP body, ${this.#left} bytes before its end`);
      return null;
    }
    const view = this.#input.take(byLength ? this.#left : Infinity);
    this.#left -= view.length;
    return view;
  }

  async #readChunked(): Promise<Uint8Array | null> {
    if (this.#left === 0) {
      if (this.#input.buffered === 0) await this.#wait();
      if (this.#inChunk && (await this.#input.readLine(0)) !== "") {
        throw new HttpError(400, "HTTP chunk is longer than its size");
      }
      const size = CHUNK_SIZE.exec(await this.#input.readLine(this.#options.chunkLineBytesMax))?.[1];
      if (size === undefined) throw new HttpError(400, "HTTP chunk has no proper size");
      this.#left = parseInt(size, 16);
      this.#inChunk = true;
      if (this.#left === 0) {
        await this.#dropTrailers();
        return null;
      }
      if (this.#bytes + this.#left > this.#options.bodyBytesMax) throw tooLarge(this.#options.bodyBytesMax);
    }
    if (this.#input.buffered === 0 && !(await this.#wait())) throw new TruncatedError("an HTTP chunk");
    const view = this.#input.take(this.#left);
    this.#left -= view.length;
    return view;
  }

  async #dropTrailers(): Promise<void> {
    for (let left = TRAILER_BYTES_MAX; left > 0;) {
      const line = await this.#input.readLine(left);
      if (line === "") return;
      left -= line.length + 2;
    }
    throw new HttpError(400, `HTTP trailers exceed ${TRAILER_BYTES_MAX} bytes`);
  }

  async #wait(): Promise<boolean> {
    if (!this.#waited) {
      this.#waited = true;
      await this.#options.onFirstWait?.();
    }
    return await this.#input.fill();
  }
}

/** Nothing here uses trailers: enough to pass over what others send. */
const TRAILER_BYTES_MAX = 4096;

function tooLarge(bytesMax: number): HttpError {
  return new HttpError(413, `HTTP body exceeds ${bytesMax} bytes`);
}

/** The whole body. Errors: `LimitError` above `bytesMax`; the body's own. */
export async function readAll(body: BodyReader, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (let view = await body.read(); view !== null; view = await body.read()) {
    length += view.length;
    if (length > bytesMax) throw new LimitError(`HTTP body exceeds ${bytesMax} bytes`);
    parts.push(view.slice());
  }
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A web stream that reads when it is read, and not before. Its chunks are copies. */
export function bodyStream(
  body: BodyReader,
  onCancel?: (reason: unknown) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const view = await body.read();
      if (view === null) controller.close();
      else controller.enqueue(view.slice());
    },
    cancel: (reason) => onCancel?.(reason),
  }, { highWaterMark: 0 });
}

/** The other way: a web stream as a BodyReader. */
export function streamBody(
  stream: ReadableStream<Uint8Array>,
): BodyReader & { cancel(reason: unknown): void } {
  const reader = stream.getReader();
  return {
    async read() {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return null;
        if (value.length > 0) return value;
      }
    },
    cancel(reason) {
      reader.cancel(reason).catch(() => {}); // the source's own trouble: nobody waits for it
    },
  };
}
