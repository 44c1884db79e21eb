/** Questions and answers of the API, free of the server that carries them. @module */

/** A request as the API sees it. */
export interface Question {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  /** A header by its name in lower case; null when it is absent. */
  header(name: string): string | null;
  /** The body as text. Rejects with `LimitError` above `bytesMax`. */
  text(bytesMax: number): Promise<string>;
  /** Who asks: `address:port`, or `public key:port` over dmsg. */
  readonly remote: string;
}

/** An answer whose body is complete. */
export interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** JSON as it is. */
export function json(body: string, status = 200): Answer {
  return { status, headers: JSON_HEADERS, body };
}

/** The API's one shape for success and failure alike. */
export function message(status: number, text: string): Answer {
  return json(JSON.stringify({ message: text, code: status }), status);
}

/** A status and nothing else. */
export function bare(status: number, headers: Answer["headers"] = []): Answer {
  return { status, headers, body: "" };
}

const JSON_HEADERS: Answer["headers"] = [["Content-Type", "application/json"]];

export const BAD_INPUT = message(400, "error bad input");
export const NO_ENTRY = message(404, "entry of public key is not found");
export const NO_SERVERS = message(404, "no delegated dmsg servers available for remote");
export const UNEXPECTED = message(500, "something unexpected happened");
export const TOO_LARGE = message(413, "http: request body too large");
export const TOO_MANY: Answer = {
  ...message(429, "rate limit exceeded"),
  headers: [...JSON_HEADERS, ["Retry-After", "1"]],
};
export const NOT_FOUND: Answer = {
  status: 404,
  headers: [["Content-Type", "text/plain; charset=utf-8"]],
  body: "404 page not found\n",
};
