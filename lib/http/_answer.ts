/** A handler's answer as a head and a way to send the body. Pure. @module */
import type { BodyReader } from "./body.ts";
import type { RawResponse } from "./handler.ts";
import { statusText } from "./status.ts";
import { encodeText, fieldLines } from "./_encode.ts";

/** What goes on the wire for an answer. */
export interface AnswerPlan {
  /** Status line and fields with the empty line, a byte per character. */
  readonly head: string;
  /** The whole body; empty when there is none. */
  readonly bytes: Uint8Array;
  /** Or where the body comes from. */
  readonly reader: BodyReader | undefined;
  /** How a reader's bytes are framed; a number is their exact length. */
  readonly framing: "chunked" | "until-close" | number;
  /** The connection carries another request afterwards. */
  readonly keep: boolean;
}

const EMPTY = new Uint8Array(0);
const OURS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "date",
  "keep-alive",
  "transfer-encoding",
]);
const OURS_WHEN_TAKEN_OVER: ReadonlySet<string> = new Set(["date", "content-length", "transfer-encoding"]);

/**
 * Plans an answer. Order of fields as a Go server: the handler's, then Date, Content-Length, Connection,
 * Transfer-Encoding. Errors: `TypeError` for an answer that cannot be sent: the handler's bug.
 */
export function planAnswer(
  response: RawResponse,
  { method, minor, keep, date }: { method: string; minor: number; keep: boolean; date: string | undefined },
): AnswerPlan {
  const { status, headers = [], body } = response;
  const taken = response.takeOver !== undefined;
  if (!Number.isInteger(status) || status > 999 || (taken ? status !== 101 : status < 200)) {
    throw new TypeError(`Not a status that a handler may answer: ${status}`);
  }
  let head = `HTTP/1.1 ${status} ${statusText(status)}\r\n`;
  head += fieldLines(headers, taken ? OURS_WHEN_TAKEN_OVER : OURS);
  if (date !== undefined) head += `Date: ${date}\r\n`;
  if (taken) return { head: `${head}\r\n`, bytes: EMPTY, reader: undefined, framing: 0, keep: false };

  const bodiless = status === 204 || status === 304;
  let bytes: Uint8Array = EMPTY;
  let reader: BodyReader | undefined;
  let framing: AnswerPlan["framing"] = 0;
  if (typeof body === "string") bytes = encodeText(body);
  else if (body instanceof Uint8Array) bytes = body;
  else if (body !== undefined) {
    reader = body;
    framing = response.bodyBytes ?? (minor === 1 ? "chunked" : "until-close");
  }
  if (reader === undefined) {
    framing = method === "HEAD" && body === undefined ? response.bodyBytes ?? -1 : bytes.length;
  }
  keep &&= !closes(headers) && !(framing === "until-close" && method !== "HEAD");
  if (!bodiless && typeof framing === "number" && framing >= 0) head += `Content-Length: ${framing}\r\n`;
  if (!keep) head += "Connection: close\r\n";
  if (!bodiless && framing === "chunked") head += "Transfer-Encoding: chunked\r\n";
  head += "\r\n";
  if (bodiless || method === "HEAD") return { head, bytes: EMPTY, reader: undefined, framing: 0, keep };
  return { head, bytes, reader, framing, keep };
}

function closes(headers: NonNullable<RawResponse["headers"]>): boolean {
  for (const [name, value] of headers) {
    if (name.length === 10 && name.toLowerCase() === "connection") {
      return value.toLowerCase().split(",").some((token) => token.trim() === "close");
    }
  }
  return false;
}

/** The bytes of a refusal: plain text, and the connection ends. */
export function refusalBytes(status: number, reason: string, date: string | undefined): Uint8Array {
  const text = `${status} ${statusText(status)}: ${reason}`;
  const { head } = planAnswer(
    { status, headers: [["content-type", "text/plain; charset=utf-8"]], body: text },
    { method: "GET", minor: 1, keep: false, date },
  );
  return encodeText(head + text);
}
