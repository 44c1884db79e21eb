/** Questions and answers of a service, free of the server that carries them. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { BodyReader } from "../../http/mod.ts";
import type { RefusalReason } from "./refusals.ts";

/** A request as a service sees it. */
export interface Question {
  readonly method: string;
  /** As it was sent, without the query: keys and ids are plain text. */
  readonly path: string;
  /** What stands behind `?`; empty without one. */
  readonly query: string;
  /** A header by its name in lower case. */
  header(name: string): string | undefined;
  /** The body. Rejects with `LimitError` above `bytesMax`. */
  bytes(bytesMax: number): Promise<Uint8Array>;
  /** Who asks: `address:port`, or `public key:port` over dmsg. */
  readonly remote: string;
}

/** An answer whose body is complete, or made while it is sent. */
export interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** What is sent instead of the body, where that is long: in parts, for each who asks anew. */
  readonly parts?: () => BodyReader;
  /** Why it refuses, where the status does not say so; not sent. */
  readonly refused?: RefusalReason;
}

/** What a service is: questions in, answers out. What it throws, but for a full or dead store, is a bug. */
export type ServiceApi = (question: Question) => Promise<Answer>;

/** JSON as it is. */
export function json(body: string, status = 200): Answer {
  return { status, headers: JSON_HEADERS, body };
}

/** A text, or JSON that services of 2024 call one. */
export function plain(body: string, status = 200): Answer {
  return { status, headers: TEXT_HEADERS, body };
}

/** A status and nothing else. */
export function bare(status: number, headers: Answer["headers"] = []): Answer {
  return { status, headers, body: "" };
}

/** 405 with the methods that the path has. */
export function allowing(methods: string): Answer {
  return bare(405, [["Allow", methods]]);
}

/** Errors of the authentication, on every service (services.md 1.2). */
export function authError(status: number, message: string): Answer {
  return json(goJson({ error: { message, code: status } }) + "\n", status);
}

/** JSON as Go writes it: `<`, `>` and `&` escaped. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`);
}

/** The key of a caller over dmsg, proven by its stream; undefined for an address of the internet. */
export function dmsgCaller(remote: string): PublicKey | undefined {
  return /^(0[23][0-9a-f]{64}):[0-9]+$/.exec(remote)?.[1] as PublicKey | undefined;
}

/** The value of a query's first `name`; undefined without one, or when its escapes are none. */
export function queryValue(query: string, name: string): string | undefined {
  for (const part of query.split("&")) {
    const [key, value = ""] = part.split("=", 2);
    if (key !== name) continue;
    try {
      return decodeURIComponent(value.replaceAll("+", " "));
    } catch {
      return undefined;
    }
  }
  return undefined;
}

const JSON_HEADERS: Answer["headers"] = [["Content-Type", "application/json"]];
const TEXT_HEADERS: Answer["headers"] = [["Content-Type", "text/plain; charset=utf-8"]];

export const NOT_FOUND: Answer = {
  status: 404,
  headers: [...TEXT_HEADERS, ["X-Content-Type-Options", "nosniff"]],
  body: "404 page not found\n",
};
export const TOO_LARGE: Answer = json(`{"error":"http: request body too large"}\n`, 413);
export const STORE_FAILED: Answer = json(`{"error":"the store cannot be used"}\n`, 500);
