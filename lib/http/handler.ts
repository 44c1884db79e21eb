/**
 * What answers requests: the web's shape, which hono's `app.fetch` has, and a raw one for hot paths.
 *
 * @module
 */
import type { Conn } from "../base/mod.ts";
import type { BodyReader } from "./body.ts";
import type { HeaderFields, HeaderPairs } from "./headers.ts";

/** What a web handler learns besides the request. */
export interface RequestInfo {
  /** Who asks: `address:port`, or `public key:port` over dmsg, where the key is the caller's identity. */
  readonly remote: string;
  /** The request target as it came, before any URL rule changed it. */
  readonly target: string;
}

/**
 * Answers a web `Request`. A rejection becomes 500 and a log line. Must end once the request's signal is aborted:
 * a server that closes waits for it.
 */
export type HttpHandler = (request: Request, info: RequestInfo) => Promise<Response> | Response;

/** A request without the cost of web objects. */
export interface RawRequest extends RequestInfo {
  readonly method: string;
  /** The Host field: exactly one, checked to be an authority. */
  readonly host: string;
  readonly headers: HeaderFields;
  /** The body; may be left unread. */
  readonly body: BodyReader;
  /** True when the request has no body at all. */
  readonly bodyless: boolean;
  /** Bytes of the body where it says so in advance; undefined when chunked. */
  readonly bodyBytes: number | undefined;
  /** Aborted when the client left, or the server ends, before the answer was out. */
  readonly signal: AbortSignal;
}

/** An answer without the cost of web objects. */
export interface RawResponse {
  readonly status: number;
  /** `Date`, `Content-Length`, `Connection` and `Transfer-Encoding` are the server's business. */
  readonly headers?: HeaderPairs;
  /** Text and bytes leave with the head in one write. A reader is chunked, or framed by `bodyBytes`. */
  readonly body?: string | Uint8Array | BodyReader;
  /** Exact length of a reader's body, or, answering HEAD, of the body that GET would give. */
  readonly bodyBytes?: number;
  /**
   * With status 101: takes the connection over, bytes read too far included; ends it itself. A request with a
   * body that was not read to its end is refused with 400 instead.
   */
  readonly takeOver?: (conn: Conn) => Promise<void>;
  /** Called once when the answer is out or has failed (then with the reason): to free what a reader holds. */
  readonly onDone?: (failure?: unknown) => void;
}

/** Answers a raw request. A rejection becomes 500 and a log line. Must end as of {@link HttpHandler}. */
export type RawHandler = (request: RawRequest) => Promise<RawResponse> | RawResponse;

/** Either kind: `{ raw }` skips the web objects. */
export type AnyHandler = HttpHandler | { readonly raw: RawHandler };
