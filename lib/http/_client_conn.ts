/** One connection of a client: one exchange at a time. @module */
import { type Conn, TruncatedError } from "../base/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import { type BodyReader, IncomingBody } from "./body.ts";
import { HttpError, HttpResponseError, NoResponseError } from "./errors.ts";
import type { HttpClientLimits } from "./limits.ts";
import { WRITE_PIECE_BYTES } from "./limits.ts";
import type { PreparedRequest } from "./request.ts";
import { HttpResponse, type ResponseBody } from "./response.ts";
import { giveBuffer, joinChunk, joinHead, lastChunk } from "./_encode.ts";
import { keepsAlive, parseResponseHead, responseFraming, type ResponseHead } from "./_head.ts";
import { HttpInput } from "./_input.ts";

/** How long an answer may still come in after the request could not be written to its end. */
const ANSWER_AFTER_FAILED_WRITE_MS = 1_000;
/** Head and body up to this size together leave in one write, by a copy. */
const JOINED_BYTES_MAX = 64 * 1024;
const CHUNK_BYTES_MAX = WRITE_PIECE_BYTES - 16;

export class ClientConn {
  readonly #conn: Conn;
  readonly #clock: Clock;
  readonly #limits: HttpClientLimits;
  readonly #input: HttpInput;

  constructor(conn: Conn, { clock, limits }: { clock: Clock; limits: HttpClientLimits }) {
    this.#conn = conn;
    this.#clock = clock;
    this.#limits = limits;
    this.#input = new HttpInput(conn);
  }

  get closed(): Promise<void> {
    return this.#conn.closed;
  }

  close(reason?: unknown): void {
    this.#conn.close(reason);
  }

  /** Calls `gone` when the idle connection ends, fails, or says something that nobody asked for. */
  watch(gone: () => void): void {
    this.#input.readAhead()?.then(gone, gone);
  }

  /**
   * Sends `request` and gives the answer. `onDone` is called once, when nothing of the exchange is left: with
   * true when the connection can carry another. Errors: `NoResponseError`, `HttpResponseError`,
   * `TruncatedError`, the body source's own, the signal's reason.
   */
  async exchange(
    request: PreparedRequest,
    { signal, onDone }: { signal: AbortSignal | undefined; onDone: (reusable: boolean) => void },
  ): Promise<HttpResponse> {
    const exchange = new Exchange(this.#conn, signal, onDone);
    try {
      signal?.throwIfAborted();
      const sending = this.#send(request, exchange);
      const head = await this.#readHead(exchange);
      return this.#response(request, head, exchange, sending);
    } catch (error) {
      throw exchange.fail(error);
    }
  }

  /** Writes the request while the answer may come already. Never rejects: the exchange keeps the failure. */
  async #send(request: PreparedRequest, exchange: Exchange): Promise<void> {
    let body: ReturnType<NonNullable<PreparedRequest["open"]>> | undefined;
    try {
      const fits = request.head.length + request.bytes.length <= JOINED_BYTES_MAX;
      const { bytes, buffer } = joinHead(request.head, fits ? request.bytes : NOTHING);
      await this.#conn.write(bytes);
      giveBuffer(buffer);
      if (!fits) await this.#writePieces(request.bytes);
      body = request.open?.();
      if (body !== undefined) await this.#sendStream(body, request.framing, exchange);
      exchange.sent = true;
    } catch (error) {
      body?.cancel?.(error);
      if (exchange.sourceFailure !== undefined) this.#conn.close(error);
      else exchange.endAfter(this.#clock, ANSWER_AFTER_FAILED_WRITE_MS, error);
    }
  }

  async #sendStream(body: BodyReader, framing: "chunked" | number, exchange: Exchange): Promise<void> {
    let sent = 0;
    for (;;) {
      const view = await exchange.source(body.read());
      if (view === null) break;
      sent += view.length;
      if (framing !== "chunked") {
        if (sent > framing) await exchange.source(Promise.reject(wrongLength(sent, framing)));
        await this.#writePieces(view);
        continue;
      }
      for (let at = 0; at < view.length; at += CHUNK_BYTES_MAX) {
        const { bytes, buffer } = joinChunk(view.subarray(at, at + CHUNK_BYTES_MAX));
        await this.#conn.write(bytes);
        giveBuffer(buffer);
      }
    }
    if (framing === "chunked") await this.#conn.write(lastChunk());
    else if (sent < framing) await exchange.source(Promise.reject(wrongLength(sent, framing)));
  }

  async #writePieces(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += WRITE_PIECE_BYTES) {
      await this.#conn.write(bytes.subarray(at, at + WRITE_PIECE_BYTES));
    }
  }

  async #readHead(exchange: Exchange): Promise<ResponseHead> {
    try {
      if (!(await this.#input.fill())) throw new TruncatedError("an HTTP exchange, before the answer");
    } catch (cause) {
      throw new NoResponseError(exchange.writeFailure ?? cause);
    }
    for (let skipped = 0; skipped <= this.#limits.informationalMax; skipped++) {
      const { headBytesMax } = this.#limits;
      const text = await this.#input.readHead({ headBytesMax, startLineBytesMax: headBytesMax });
      if (text === null) throw new TruncatedError("an HTTP exchange, before the answer");
      const head = parseResponseHead(text, this.#limits);
      if (head.status === 101) {
        throw new HttpResponseError("Answer switches protocols, and nobody asked for it");
      }
      if (head.status >= 200) return head;
    }
    throw new HttpResponseError(`Answer has more than ${this.#limits.informationalMax} heads before it`);
  }

  #response(
    request: PreparedRequest,
    head: ResponseHead,
    exchange: Exchange,
    sending: Promise<void>,
  ): HttpResponse {
    const framing = responseFraming(request.method, head);
    const reusable = keepsAlive(head) && framing.kind !== "until-close";
    const incoming = new IncomingBody(this.#input, framing, {
      bodyBytesMax: Infinity,
      chunkLineBytesMax: this.#limits.chunkLineBytesMax,
    });
    const finish = () => exchange.done(reusable && exchange.sent && this.#input.buffered === 0);
    // A small request is out in a moment at most; a large one may never be, when the answer came early.
    const ended = () => {
      if (exchange.sent || !leavesAtOnce(request)) finish();
      else sending.then(finish);
    };
    const body: ResponseBody = {
      async read() {
        try {
          const view = await incoming.read();
          if (view === null) ended();
          return view;
        } catch (error) {
          throw exchange.fail(error);
        }
      },
      discard() {
        if (exchange.isDone) return;
        if (incoming.ended) return ended();
        const dropped = new DOMException("Answer discarded", "AbortError");
        incoming.fail(dropped);
        exchange.fail(dropped);
      },
    };
    if (incoming.ended) ended(); // nothing to read, so nobody would
    const { status, reason, headers } = head;
    return new HttpResponse({ url: request.url, status, reason, headers, body });
  }
}

/** What is going on between a request and the end of its answer, and how it ended. */
class Exchange {
  sent = false;
  sourceFailure: { readonly reason: unknown } | undefined;
  writeFailure: unknown;
  #isDone = false;
  readonly #conn: Conn;
  readonly #signal: AbortSignal | undefined;
  readonly #onDone: (reusable: boolean) => void;
  readonly #onAbort: () => void;
  #cancelTimer: (() => void) | undefined;

  constructor(conn: Conn, signal: AbortSignal | undefined, onDone: (reusable: boolean) => void) {
    this.#conn = conn;
    this.#signal = signal;
    this.#onDone = onDone;
    this.#onAbort = () => this.#conn.close(signal!.reason);
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** Waits for the body's source, and remembers that a failure was its own. */
  async source<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (reason) {
      this.sourceFailure ??= { reason };
      throw reason;
    }
  }

  /** The request cannot be written on; the answer may be under way all the same. */
  endAfter(clock: Clock, delayMs: number, failure: unknown): void {
    this.writeFailure = failure;
    if (this.#isDone) return;
    const timer = clock.timer(delayMs, () => this.#conn.close(failure));
    this.#cancelTimer = () => timer.cancel();
  }

  done(reusable: boolean): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#cancelTimer?.();
    this.#onDone(reusable);
  }

  /** Ends the exchange and its connection; the error to tell, which is whatever came first. */
  fail(error: unknown): unknown {
    const told = this.sourceFailure !== undefined
      ? this.sourceFailure.reason
      : this.#signal?.aborted && !this.#isDone
      ? this.#signal.reason
      : error instanceof HttpError
      ? new HttpResponseError("Answer breaks the protocol", { cause: error })
      : error;
    if (!this.#isDone) this.#conn.close(told);
    this.done(false);
    return told;
  }
}

const NOTHING = new Uint8Array(0);

/** One write carries the whole request. */
function leavesAtOnce({ open, head, bytes }: PreparedRequest): boolean {
  return open === undefined && head.length + bytes.length <= JOINED_BYTES_MAX;
}

function wrongLength(sent: number, promised: number): Error {
  return new TypeError(`Request body has ${sent} bytes, and its length said ${promised}`);
}
