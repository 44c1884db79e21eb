/** One connection of a server: requests one after the other until an end. @module */
import { type Conn, describeError, type Log, silentLog, TimedOutError } from "../base/mod.ts";
import type { Clock, World } from "../runtime/mod.ts";
import type { BodyReader } from "./body.ts";
import { httpDate } from "./date.ts";
import { HttpError } from "./errors.ts";
import type { RawHandler, RawResponse } from "./handler.ts";
import { HTTP_LIMITS, type HttpLimits, WRITE_PIECE_BYTES } from "./limits.ts";
import { type AnswerPlan, planAnswer, refusalBytes } from "./_answer.ts";
import { Deadline } from "./_deadline.ts";
import { giveBuffer, joinChunk, joinHead, lastChunk } from "./_encode.ts";
import { parseRequestHead } from "./_head.ts";
import { HttpInput } from "./_input.ts";
import { ServerRequest } from "./_server_request.ts";

/** What serving needs; `ledger` counts the connection as kind `http-conn`. */
export interface ServeOptions {
  readonly clock: Clock;
  readonly remote: string;
  readonly log?: Log | undefined;
  readonly limits?: Partial<HttpLimits> | undefined;
  readonly ledger?: World["ledger"] | undefined;
  /** The `Date` field. Default true. */
  readonly sendDate?: boolean | undefined;
}

/** Head and body up to this size together leave in one write, by a copy. */
const JOINED_BYTES_MAX = 64 * 1024;
/** Room for a chunk's size line and line end in a pooled buffer of a whole piece. */
const CHUNK_BYTES_MAX = WRITE_PIECE_BYTES - 16;

type Phase = "waiting" | "reading" | "lingering";

export class ServerConn {
  readonly #conn: Conn;
  readonly #handler: RawHandler;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #options: ServeOptions;
  readonly #limits: HttpLimits;
  readonly #input: HttpInput;
  readonly #onWaiting: (() => void) | undefined;
  readonly #inputDeadline: Deadline;
  readonly #outputDeadline: Deadline;
  readonly #startLineBytesMax: number;
  #phase: Phase = "waiting";
  #request: ServerRequest | undefined;
  #answered = false; // something of the current answer is on its way
  #finishing = false;
  #taken = false;
  #closing = false;

  /** `onWaiting` is called after each answer: the connection can be spared now. */
  constructor(conn: Conn, handler: RawHandler, options: ServeOptions & { onWaiting?: () => void }) {
    this.#conn = conn;
    this.#onWaiting = options.onWaiting;
    this.#handler = handler;
    this.#options = options;
    this.#clock = options.clock;
    this.#log = options.log ?? silentLog;
    this.#limits = { ...HTTP_LIMITS, ...options.limits };
    this.#startLineBytesMax = this.#limits.targetBytesMax + 64; // method and version besides
    this.#input = new HttpInput(conn);
    this.#inputDeadline = new Deadline(options.clock, () => this.#inputExpired());
    this.#outputDeadline = new Deadline(
      options.clock,
      () => this.abort(new TimedOutError("Writing an HTTP answer", this.#limits.writeMs)),
    );
  }

  /** True between two requests. */
  get isWaiting(): boolean {
    return this.#phase === "waiting";
  }

  /** Who is served. */
  get remote(): string {
    return this.#options.remote;
  }

  /** What is being served now. */
  get request(): { readonly method: string; readonly target: string } | undefined {
    return this.#request;
  }

  /** Serves until the connection's end and joins it. Never rejects: one connection's trouble is its own. */
  async run(): Promise<void> {
    const release = this.#options.ledger?.open("http-conn");
    try {
      let startMs = this.#clock.monotonicMs();
      this.#inputDeadline.set(startMs + this.#limits.headMs);
      for (;;) {
        if (!(await this.#input.fill())) break;
        if (this.isWaiting) this.#phase = "reading";
        if (!(await this.#serveOne(startMs))) break;
        if (this.#finishing) break;
        this.#phase = "waiting";
        this.#onWaiting?.();
        startMs = this.#clock.monotonicMs();
        if (this.#input.buffered === 0) {
          this.#inputDeadline.set(startMs + this.#limits.idleMs);
          if (!(await this.#input.fill())) break;
          startMs = this.#clock.monotonicMs();
        }
        this.#inputDeadline.set(startMs + this.#limits.headMs);
      }
      if (!this.#taken) this.#close();
    } catch (error) {
      this.#request?.abort(error);
      this.#log.debug("HTTP connection ended", {
        remote: this.#options.remote,
        reason: describeError(error),
      });
      if (!this.#closing) this.#conn.close(error);
    } finally {
      this.#inputDeadline.stop();
      this.#outputDeadline.stop();
      await this.#conn.closed;
      release?.();
    }
  }

  /** Ends after the request that is being served, at once when there is none. */
  finish(): void {
    this.#finishing = true;
    if (this.isWaiting) this.#close();
  }

  /** Ends at once. */
  abort(reason: unknown): void {
    this.#request?.abort(reason);
    this.#conn.close(reason);
  }

  /** One request and its answer. False: no further one on this connection. */
  async #serveOne(startMs: number): Promise<boolean> {
    this.#answered = false;
    let request: ServerRequest | undefined;
    try {
      const text = await this.#input.readHead({
        headBytesMax: this.#limits.headBytesMax,
        startLineBytesMax: this.#startLineBytesMax,
      });
      if (text === null) return false;
      request = this.#request = this.#makeRequest(text);
      if (request.bodyless) this.#bodyRead();
      else this.#inputDeadline.set(startMs + this.#limits.readMs);
      const response = await this.#handle(request);
      const more = await this.#answer(request, response);
      if (more && !request.body.ended) return await this.#drain(request);
      if (!more && !this.#taken && !(request.body.ended && this.#input.buffered === 0)) await this.#linger();
      return more;
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      await this.#refuse(error);
      return false;
    } finally {
      this.#request = undefined;
    }
  }

  #makeRequest(text: string): ServerRequest {
    return new ServerRequest(parseRequestHead(text, this.#limits), {
      input: this.#input,
      conn: this.#conn,
      limits: this.#limits,
      remote: this.#options.remote,
      onBodyEnd: () => this.#bodyRead(),
    });
  }

  /** The request is here, whole: from now on only the client's leaving or its next request can come. */
  #bodyRead(): void {
    this.#inputDeadline.clear();
    const request = this.#request;
    const gone = (reason: unknown) => {
      if (this.#request === request) request?.abort(reason); // else it is answered
    };
    this.#input.readAhead()?.then(
      (view) => view === null && gone(new DOMException("Client left", "AbortError")),
      gone,
    );
  }

  async #handle(request: ServerRequest): Promise<RawResponse> {
    try {
      const response = await this.#handler(request);
      if (request.body.failure === undefined) return response;
      response.onDone?.(request.body.failure);
      throw request.body.failure;
    } catch (error) {
      if (request.body.failure !== undefined) throw request.body.failure;
      if (error instanceof HttpError) throw error;
      this.#logHandlerError(request, error);
      return { status: 500, body: "" };
    }
  }

  #logHandlerError(request: ServerRequest, error: unknown): void {
    const reason = describeError(error);
    this.#log.error("HTTP handler failed", { method: request.method, target: request.target, reason });
  }

  async #answer(request: ServerRequest, response: RawResponse): Promise<boolean> {
    let done = response.onDone;
    try {
      const plan = this.#plan(request, response);
      this.#answered = true;
      if (plan.reader === undefined) await this.#writeWhole(plan);
      else await this.#writeStream(request, plan, plan.reader);
      if (response.takeOver !== undefined) {
        this.#taken = true;
        await response.takeOver(this.#input.handOver());
      }
      return plan.keep;
    } catch (error) {
      const failed = done;
      done = undefined;
      failed?.(error);
      throw error;
    } finally {
      done?.();
    }
  }

  #plan(request: ServerRequest, response: RawResponse): AnswerPlan {
    const { method, minor, body } = request;
    const date = this.#date();
    // What follows the head of such a request would be read as the other protocol's, under HTTP's limits.
    if (response.takeOver !== undefined && !body.ended) {
      throw new HttpError(400, "HTTP request that switches protocols has a body");
    }
    const readsOn = !(response.body === undefined || typeof response.body === "string" ||
      response.body instanceof Uint8Array); // an echo reads the request while it answers
    const keep = request.keepsAlive && !this.#finishing && !request.bodyIsUncertain &&
      (readsOn || (body.bytesLeft ?? 0) <= this.#limits.drainBytesMax);
    try {
      return planAnswer(response, { method, minor, keep, date });
    } catch (error) {
      this.#logHandlerError(request, error);
      return planAnswer({ status: 500, body: "" }, { method, minor, keep, date });
    }
  }

  async #writeWhole({ head, bytes }: AnswerPlan): Promise<void> {
    const joined = Math.min(bytes.length, Math.max(0, JOINED_BYTES_MAX - head.length));
    const { bytes: first, buffer } = joinHead(
      head,
      joined === bytes.length ? bytes : bytes.subarray(0, joined),
    );
    await this.#write(first);
    giveBuffer(buffer);
    for (let at = joined; at < bytes.length; at += WRITE_PIECE_BYTES) {
      await this.#write(bytes.subarray(at, at + WRITE_PIECE_BYTES));
    }
  }

  async #writeStream(request: ServerRequest, plan: AnswerPlan, reader: BodyReader): Promise<void> {
    const { bytes: head, buffer } = joinHead(plan.head, NOTHING);
    await this.#write(head);
    giveBuffer(buffer);
    const { framing } = plan;
    let sent = 0;
    for (;;) {
      const view = await this.#readBody(request, reader);
      if (view === null) break;
      sent += view.length;
      if (typeof framing === "number" && sent > framing) throw this.#wrongLength(request, sent, framing);
      const piece = framing === "chunked" ? CHUNK_BYTES_MAX : WRITE_PIECE_BYTES;
      for (let at = 0; at < view.length; at += piece) {
        const part = view.subarray(at, at + piece);
        if (framing !== "chunked") {
          await this.#write(part);
          continue;
        }
        const { bytes, buffer } = joinChunk(part);
        await this.#write(bytes);
        giveBuffer(buffer);
      }
    }
    if (framing === "chunked") await this.#write(lastChunk());
    if (typeof framing === "number" && sent < framing) throw this.#wrongLength(request, sent, framing);
  }

  async #readBody(request: ServerRequest, reader: BodyReader): Promise<Uint8Array | null> {
    try {
      return await reader.read();
    } catch (error) {
      if (request.body.failure !== error) this.#logHandlerError(request, error);
      throw error;
    }
  }

  #wrongLength(request: ServerRequest, sent: number, promised: number): Error {
    const error = new TypeError(`Answer has ${sent} bytes, and its length said ${promised}`);
    this.#logHandlerError(request, error);
    return error;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#outputDeadline.set(this.#clock.monotonicMs() + this.#limits.writeMs);
    await this.#conn.write(bytes);
    this.#outputDeadline.clear();
  }

  /** Reads what the handler left of the body, to reach the next request. */
  async #drain(request: ServerRequest): Promise<boolean> {
    let left = this.#limits.drainBytesMax;
    for (let view = await request.body.read(); view !== null; view = await request.body.read()) {
      left -= view.length;
      if (left >= 0) continue;
      await this.#linger();
      return false;
    }
    return true;
  }

  /** Answers with the refusal where no answer has begun, and ends the connection. */
  async #refuse(error: HttpError): Promise<void> {
    this.#log.debug("HTTP request refused", {
      remote: this.#options.remote,
      status: error.status,
      reason: describeError(error),
    });
    this.#request?.abort(error);
    if (this.#closing) return;
    if (this.#answered) return this.#conn.close(error);
    this.#answered = true;
    await this.#write(refusalBytes(error.status, error.message, this.#date()));
    await this.#linger();
  }

  /** Ends our half and reads on for a moment: a close with unread bytes would reset the answer away. */
  async #linger(): Promise<void> {
    if (!this.#conn.halfClose) return;
    this.#phase = "lingering";
    this.#inputDeadline.set(this.#clock.monotonicMs() + this.#limits.lingerMs);
    await this.#conn.closeWrite();
    for (let left = this.#limits.drainBytesMax; left > 0 && await this.#input.fill();) {
      left -= this.#input.take(Infinity).length;
    }
  }

  #inputExpired(): void {
    if (this.#phase !== "reading") return this.#close();
    const expired = new HttpError(408, "HTTP request did not arrive in time");
    this.#request?.body.fail(expired);
    this.#request?.abort(expired);
    if (this.#answered) return this.#conn.close(expired);
    // A read is pending and cannot be taken back; writing does not depend on it.
    this.#answered = true;
    this.#conn.write(refusalBytes(408, expired.message, this.#date())).catch(() => {}); // the close says it
    this.#close();
  }

  /** Our orderly end: what was written still leaves, whatever fails because of it. */
  #close(): void {
    this.#closing = true;
    this.#conn.close();
  }

  #date(): string | undefined {
    return this.#options.sendDate === false ? undefined : httpDate(this.#clock);
  }
}

const NOTHING = new Uint8Array(0);
