/** Requests to raw handlers without a network. @module */
import { HeaderFields, type RawHandler, type RawRequest, type RawResponse } from "../../lib/http/mod.ts";

/** What a handler answers, its body read. */
export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One request; `remote` is the caller's `<key>:<port>`. The answer is read to its end, and done. */
export async function ask(
  handler: RawHandler,
  target: string,
  { method = "GET", remote = "", headers = [] }: {
    readonly method?: string;
    readonly remote?: string;
    readonly headers?: readonly (readonly [string, string])[];
  } = {},
): Promise<Answered> {
  const fields = new HeaderFields();
  for (const [name, value] of headers) fields.append(name, value);
  const request: RawRequest = {
    method,
    target,
    host: "x",
    headers: fields,
    body: { read: () => Promise.resolve(null) },
    bodyless: true,
    bodyBytes: 0,
    remote,
    signal: new AbortController().signal,
  };
  const response = await handler(request);
  const body = await textOf(response);
  response.onDone?.();
  return { status: response.status, headers: Object.fromEntries(response.headers ?? []), body };
}

async function textOf({ body }: RawResponse): Promise<string> {
  if (body === undefined) return "";
  if (typeof body === "string") return body;
  if (body instanceof Uint8Array) return new TextDecoder().decode(body);
  const decoder = new TextDecoder();
  let text = "";
  for (let view = await body.read(); view !== null; view = await body.read()) {
    text += decoder.decode(view, { stream: true });
  }
  return text;
}
