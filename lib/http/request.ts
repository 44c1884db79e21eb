/**
 * What a client sends: from what a caller gives to bytes and a body, checked before anything is dialled. Pure.
 *
 * @module
 */
import { type BodyReader, streamBody } from "./body.ts";
import { HttpRequestError } from "./errors.ts";
import { canonicalHeaderName, type HeaderPairs, isToken } from "./headers.ts";
import { encodeText, fieldLines } from "./_encode.ts";

/**
 * A body to send. Text and bytes can be sent again on a fresh connection, and so can what a function opens;
 * a stream or a reader cannot.
 */
export type RequestBody = string | Uint8Array | StreamedBody | (() => StreamedBody);
type StreamedBody = ReadableStream<Uint8Array> | BodyReader;

export interface HttpRequest {
  /** Absolute; `http://…`, `dmsg://…`. Its authority becomes `Host` exactly as written, default port and all. */
  readonly url: string;
  /** Default GET. */
  readonly method?: string;
  /** Sent in Go's capitals, sorted. `host` and `user-agent` replace ours; an empty user agent sends none. */
  readonly headers?: HeaderPairs | Headers;
  readonly body?: RequestBody;
  /** The exact length of a streamed body, which is chunked otherwise. */
  readonly bodyBytes?: number;
  /** Doing it twice is doing it once. Default: as its method promises (RFC 9110 9.2.2), so not for POST. */
  readonly repeatable?: boolean;
}

/** A request ready to be sent. */
export interface PreparedRequest {
  readonly url: string;
  readonly scheme: string;
  readonly authority: string;
  readonly method: string;
  /** Request line and fields with the empty line, a byte per character. */
  readonly head: string;
  /** A body that is there, empty when there is none. */
  readonly bytes: Uint8Array;
  /** Opens a body that streams. */
  readonly open: (() => BodyReader & { cancel?(reason: unknown): void }) | undefined;
  /** How a streamed body is framed: chunked, or its exact length. */
  readonly framing: "chunked" | number;
  /** It may be done twice, and its body can be sent twice. */
  readonly repeatable: boolean;
}

/** The parts of an absolute URL as they are written; nothing is normalised but unsafe characters escaped. */
export interface UrlParts {
  /** Lower case, without colon. */
  readonly scheme: string;
  /** Host and port as written. */
  readonly authority: string;
  /** Path and query; at least `/`. */
  readonly target: string;
}

const NOTHING = new Uint8Array(0);
const URL_SHAPE = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#\\]+)(\/[^?#]*)?(\?[^#]*)?(?:#.*)?$/s;
const AUTHORITY = /^(?:[0-9A-Za-z\-._~%]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
const OURS: ReadonlySet<string> = new Set(["host", "user-agent", "content-length", "transfer-encoding"]);
/** RFC 9110 9.2.2: to repeat them changes nothing. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);
/** Methods for which Go says `Content-Length: 0` when there is no body. */
const SAYS_EMPTY: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** Errors: `HttpRequestError`. */
export function splitUrl(url: string): UrlParts {
  const parts = URL_SHAPE.exec(url);
  if (parts === null) throw new HttpRequestError(`Not an absolute URL with a host: ${JSON.stringify(url)}`);
  const [, scheme, authority, path, query] = parts;
  if (!AUTHORITY.test(authority!)) {
    throw new HttpRequestError(`Not a host with an optional port: ${JSON.stringify(authority)}`);
  }
  return {
    scheme: scheme!.toLowerCase(),
    authority: authority!,
    target: escape((path || "/") + (query ?? "")),
  };
}

function escape(target: string): string {
  return target.replace(/[^\x21-\x7e]+/g, (part) => encodeURIComponent(part.toWellFormed()));
}

/**
 * The request as it goes out, with nothing added but Host, User-Agent and the body's framing, in Go's order
 * (dmsg.md 12). Errors: `HttpRequestError`.
 */
export function prepareRequest(request: HttpRequest | Request, userAgent: string): PreparedRequest {
  const { url, method = "GET", headers = [], body, bodyBytes, repeatable = IDEMPOTENT.has(method) } = plain(
    request,
  );
  const { scheme, authority, target } = splitUrl(url);
  if (!isToken(method)) throw new HttpRequestError(`Not an HTTP method: ${JSON.stringify(method)}`);
  const pairs = [...headers].map(([name, value]) => [name.toLowerCase(), value] as const);
  const given = (wanted: string) => pairs.find(([name]) => name === wanted)?.[1];

  let own = `Host: ${given("host") ?? authority}\r\n`;
  const agent = given("user-agent") ?? userAgent;
  if (agent !== "") own += `User-Agent: ${agent}\r\n`;
  const bytes = typeof body === "string" ? encodeText(body) : body instanceof Uint8Array ? body : NOTHING;
  const open = body === undefined || typeof body === "string" || body instanceof Uint8Array
    ? undefined
    : opener(body);
  if (open !== undefined) {
    if (bodyBytes !== undefined && !(Number.isSafeInteger(bodyBytes) && bodyBytes >= 0)) {
      throw new HttpRequestError(`Not a number of bytes: ${bodyBytes}`);
    }
    own += bodyBytes === undefined ? "Transfer-Encoding: chunked\r\n" : `Content-Length: ${bodyBytes}\r\n`;
  } else if (bytes.length > 0 || SAYS_EMPTY.has(method)) own += `Content-Length: ${bytes.length}\r\n`;

  let fields: string;
  try {
    fieldLines([["host", given("host") ?? authority], ["user-agent", agent]]); // checks only
    fields = fieldLines(pairs.toSorted(byCanonicalName), OURS);
  } catch (cause) {
    throw new HttpRequestError("HTTP request has a header that cannot be sent", { cause });
  }
  return {
    url,
    scheme,
    authority,
    method,
    head: `${method} ${target} HTTP/1.1\r\n${own}${fields}\r\n`,
    bytes,
    open,
    framing: bodyBytes ?? "chunked",
    repeatable: repeatable && (open === undefined || typeof body === "function"),
  };
}

function plain(request: HttpRequest | Request): HttpRequest {
  if (!(request instanceof Request)) return request;
  const { url, method, headers } = request;
  return { url, method, headers, body: request.body ?? undefined };
}

function opener(body: Exclude<RequestBody, string | Uint8Array>): NonNullable<PreparedRequest["open"]> {
  const toReader = (source: StreamedBody) => source instanceof ReadableStream ? streamBody(source) : source;
  return typeof body === "function" ? () => toReader(body()) : () => toReader(body);
}

function byCanonicalName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  const x = canonicalHeaderName(a) ?? a;
  const y = canonicalHeaderName(b) ?? b;
  return x < y ? -1 : x > y ? 1 : 0;
}
