/** What the API says in one shape, success and failure alike. @module */
import { type Answer, json, type Question } from "../hosting/mod.ts";

/** The body of a request as text. Rejects with `LimitError` above `bytesMax`. */
export async function textOf(question: Question, bytesMax: number): Promise<string> {
  return decoder.decode(await question.bytes(bytesMax));
}

/** A message with its status, in the header and in the body. */
export function message(status: number, text: string): Answer {
  return json(JSON.stringify({ message: text, code: status }), status);
}

export const BAD_INPUT = message(400, "error bad input");
export const NO_ENTRY = message(404, "entry of public key is not found");
export const NO_SERVERS = message(404, "no delegated dmsg servers available for remote");
export const UNEXPECTED = message(500, "something unexpected happened");
export const TOO_LARGE = message(413, "http: request body too large");
const TOO_MANY_MESSAGE = message(429, "rate limit exceeded");
export const TOO_MANY: Answer = {
  ...TOO_MANY_MESSAGE,
  headers: [...TOO_MANY_MESSAGE.headers, ["Retry-After", "1"]],
};
/** Without the `nosniff` of the other services. */
export const NOT_FOUND: Answer = {
  status: 404,
  headers: [["Content-Type", "text/plain; charset=utf-8"]],
  body: "404 page not found\n",
};

const decoder = new TextDecoder();
