/** A web handler as a raw one. @module */
import { type BodyReader, bodyStream, readAll, streamBody } from "./body.ts";
import { HttpError } from "./errors.ts";
import type { AnyHandler, HttpHandler, RawHandler, RawRequest, RawResponse } from "./handler.ts";

/** The raw handler behind either kind. */
export function toRawHandler(handler: AnyHandler): RawHandler {
  return typeof handler === "function" ? fromWebHandler(handler) : handler.raw;
}

/** A body of this size that is there already is given to the Request as bytes: a stream costs far more. */
const SMALL_BODY_BYTES = 64 * 1024;

function fromWebHandler(handler: HttpHandler): RawHandler {
  return async (raw) => {
    const request = await webRequest(raw);
    return await rawResponse(await handler(request, raw), raw.method);
  };
}

async function webRequest(raw: RawRequest): Promise<Request> {
  const { method } = raw;
  if (method === "CONNECT" || method === "TRACE" || method === "TRACK") {
    throw new HttpError(501, `HTTP method is not served: ${method}`);
  }
  const url = raw.target[0] === "/"
    ? `http://${raw.host}${raw.target}`
    : raw.target === "*"
    ? `http://${raw.host}/`
    : raw.target;
  const init: RequestInit = { method, headers: [...raw.headers] };
  if (!raw.bodyless) {
    // A Request allows GET and HEAD no body. What came is drained, as a Go handler that ignores it does.
    if (method !== "GET" && method !== "HEAD") {
      init.body = raw.bodyBytes !== undefined && raw.bodyBytes <= SMALL_BODY_BYTES
        ? await readAll(raw.body, SMALL_BODY_BYTES)
        : bodyStream(raw.body);
    }
  }
  let request: Request;
  try {
    request = new Request(url, init);
  } catch (cause) {
    throw new HttpError(400, "HTTP request has no usable URL", { cause });
  }
  // The web's own `signal` option makes a dependent signal at 13 us a request, used or not.
  Object.defineProperty(request, "signal", { get: () => raw.signal, configurable: true });
  return request;
}

async function rawResponse(response: Response, method: string): Promise<RawResponse> {
  const { status } = response;
  const headers: [string, string][] = [];
  response.headers.forEach((value, name) => headers.push([name, value])); // a quarter of the iterator's time
  const length = response.headers.get("content-length");
  const bodyBytes = length !== null && /^[0-9]{1,15}$/.test(length) ? Number(length) : undefined;
  if (response.body === null) {
    return { status, headers, bodyBytes: method === "HEAD" ? bodyBytes : undefined };
  }
  if (response.bodyUsed || response.body.locked) {
    throw new TypeError("Response has a body that is used already");
  }
  const body = streamBody(response.body);
  if (method === "HEAD") {
    body.cancel(undefined);
    return { status, headers, bodyBytes };
  }
  // A body made of text or bytes is there, whole, without waiting: it leaves with its length in one write.
  const first = body.read();
  const start = await settledSoon(first);
  if (start === null) return { status, headers };
  const second = start === undefined ? undefined : body.read();
  if (second !== undefined && (await settledSoon(second)) === null) return { status, headers, body: start };
  const onDone = (failure?: unknown) => body.cancel(failure); // without effect on a stream that has ended
  return { status, headers, body: after([first, second], body), bodyBytes, onDone };
}

/** Turns of the microtask queue that the web stream of a whole body may take to give its bytes. */
const SOON_TURNS = 16;
const NOT_YET = Promise.resolve(undefined);

/** What `reading` gives if it needs no event to come first, else undefined. No timer, so always the same. */
async function settledSoon(reading: Promise<Uint8Array | null>): Promise<Uint8Array | null | undefined> {
  for (let turn = 0; turn < SOON_TURNS; turn++) {
    const result = await Promise.race([reading, NOT_YET]);
    if (result !== undefined) return result;
  }
  return undefined;
}

/** Reads that were begun, then the rest. */
function after(begun: (Promise<Uint8Array | null> | undefined)[], rest: BodyReader): BodyReader {
  for (const reading of begun) reading?.catch(() => {}); // told to whoever reads it
  return {
    async read() {
      while (begun.length > 0) {
        const reading = begun.shift();
        if (reading !== undefined) return await reading;
      }
      return await rest.read();
    },
  };
}
