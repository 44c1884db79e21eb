/**
 * Text of a message head to its parts, strictly; and how the body behind it is framed. Pure.
 *
 *     GET /path HTTP/1.1 CRLF   name ":" OWS value OWS CRLF ...   CRLF
 *
 * Source: RFC 9112, with the stricter choice wherever two readers could disagree about where a message ends.
 *
 * @module
 */
import { HttpError } from "./errors.ts";
import { HeaderFields, isToken, lowerHeaderName } from "./headers.ts";

export interface RequestHead {
  readonly method: string;
  /** As on the wire: a path with its query, an absolute URL, or `*`. */
  readonly target: string;
  /** 0 or 1: of HTTP/1.x. */
  readonly minor: number;
  readonly headers: HeaderFields;
}

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly minor: number;
  readonly headers: HeaderFields;
}

/** Where a body ends. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "until-close" };

const NO_BODY: Framing = { kind: "none" };
const CHUNKED: Framing = { kind: "chunked" };
const TARGET = /^[\x21\x22\x24-\x7e]+$/; // visible, and no "#": a fragment never travels
/** Of a URL's authority without user: a name, an address, brackets, a port. */
const HOST = /^[0-9A-Za-z\-._~%!$&'()*+,;=:[\]]+$/;
/** 999 TB: every such length is exact as a number. */
const LENGTH = /^[0-9]{1,15}$/;

/** Errors: 400, 414, 431, 505. `text` is what `HttpInput.readHead` gave. */
export function parseRequestHead(
  text: string,
  { targetBytesMax, headersMax }: { targetBytesMax: number; headersMax: number },
): RequestHead {
  const lineEnd = endOfLine(text, 0);
  const afterMethod = text.indexOf(" ");
  const afterTarget = text.indexOf(" ", afterMethod + 1);
  if (afterMethod <= 0 || afterTarget < 0 || afterTarget > lineEnd) {
    throw new HttpError(400, "HTTP request line does not have three parts");
  }
  const method = text.slice(0, afterMethod);
  if (!isToken(method)) throw new HttpError(400, "HTTP method is no token");
  const target = text.slice(afterMethod + 1, afterTarget);
  if (target.length > targetBytesMax) {
    throw new HttpError(414, `HTTP target exceeds ${targetBytesMax} bytes: ${target.length}`);
  }
  if (!TARGET.test(target)) throw new HttpError(400, "HTTP target has a character that must be escaped");
  if (target[0] !== "/" && !(target === "*" && method === "OPTIONS") && !/^https?:\/\/[^/?]/i.test(target)) {
    throw new HttpError(method === "CONNECT" ? 501 : 400, "HTTP target is neither a path nor a URL");
  }
  const minor = parseVersion(text.slice(afterTarget + 1, lineEnd));
  const headers = parseFields(text, lineEnd + 2, headersMax);
  const hosts = headers.count("host");
  if (hosts !== 1) throw new HttpError(400, `HTTP request has ${hosts} Host fields instead of one`);
  if (!HOST.test(headers.get("host")!)) throw new HttpError(400, "Host field is no authority");
  return { method, target, minor, headers };
}

/** Errors: `HttpError` (its status is of no use to a client). */
export function parseResponseHead(text: string, { headersMax }: { headersMax: number }): ResponseHead {
  const lineEnd = endOfLine(text, 0);
  const line = /^(HTTP\/[^ ]*) ([1-9][0-9]{2})(?: (.*))?$/.exec(text.slice(0, lineEnd));
  if (line === null) throw new HttpError(400, "HTTP status line is malformed");
  return {
    status: Number(line[2]),
    reason: line[3] ?? "",
    minor: parseVersion(line[1]!),
    headers: parseFields(text, lineEnd + 2, headersMax),
  };
}

/** Where a request's body ends. Errors: 400, 501. */
export function requestFraming({ minor, headers }: RequestHead): Framing {
  return declaredFraming(headers, minor) ?? NO_BODY;
}

/** Where the body of an answer to `method` ends. Errors: `HttpError`. */
export function responseFraming(method: string, { status, minor, headers }: ResponseHead): Framing {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return NO_BODY;
  return declaredFraming(headers, minor) ?? { kind: "until-close" };
}

function declaredFraming(headers: HeaderFields, minor: number): Framing | undefined {
  const lengths = headers.count("content-length");
  const encoding = headers.get("transfer-encoding");
  if (encoding !== undefined) {
    if (lengths > 0) throw new HttpError(400, "HTTP message has both a length and a transfer encoding");
    if (minor === 0) throw new HttpError(400, "HTTP/1.0 message has a transfer encoding");
    if (encoding.toLowerCase() !== "chunked") throw new HttpError(501, "HTTP transfer encoding is unknown");
    return CHUNKED;
  }
  if (lengths === 0) return undefined;
  const length = headers.get("content-length")!;
  if (lengths > 1) throw new HttpError(400, `HTTP message has ${lengths} lengths`);
  if (!LENGTH.test(length)) throw new HttpError(400, "HTTP length is no number of bytes");
  return { kind: "length", bytes: Number(length) };
}

/** May the connection carry another message after this one? */
export function keepsAlive({ minor, headers }: { minor: number; headers: HeaderFields }): boolean {
  return minor === 1 && !headers.lists("connection", "close");
}

function parseVersion(text: string): number {
  if (text === "HTTP/1.1") return 1;
  if (text === "HTTP/1.0") return 0;
  throw new HttpError(/^HTTP\/[0-9]\.[0-9]$/.test(text) ? 505 : 400, "HTTP version is not 1.1");
}

function parseFields(text: string, start: number, headersMax: number): HeaderFields {
  const headers = new HeaderFields();
  for (let at = start; at < text.length;) {
    if (headers.size === headersMax) throw new HttpError(431, `HTTP head exceeds ${headersMax} fields`);
    const lineEnd = endOfLine(text, at);
    const colon = text.indexOf(":", at);
    const name = colon > 0 && colon < lineEnd ? lowerHeaderName(text.slice(at, colon)) : undefined;
    if (name === undefined) throw new HttpError(400, "HTTP field has no proper name");
    headers.append(name, trimBlanks(text, colon + 1, lineEnd));
    at = lineEnd + 2;
  }
  return headers;
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf("\r\n", from);
  return end < 0 ? text.length : end;
}

/** Spaces and tabs only: `String.trim` would take U+00A0 too, which is a byte of the value. */
function trimBlanks(text: string, start: number, end: number): string {
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
