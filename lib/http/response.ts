/** What a client gets. @module */
import { type BodyReader, bodyStream, readAll } from "./body.ts";
import { HttpResponseError } from "./errors.ts";
import type { HeaderFields } from "./headers.ts";

/** The body of an answer: read it to its end, or discard it; its connection is held until then. */
export interface ResponseBody extends BodyReader {
  /** Ends the exchange; the connection goes too, unless the body was read to its end. Idempotent. */
  discard(): void;
}

/** An answer whose head is here and whose body is read by whoever wants it. */
export class HttpResponse {
  /** The fastest way to the body: views of the connection's own buffers. */
  readonly bodyReader: ResponseBody;
  readonly url: string;
  readonly status: number;
  /** The phrase behind the status; of no meaning. */
  readonly reason: string;
  readonly headers: HeaderFields;

  constructor({ url, status, reason, headers, body }: {
    url: string;
    status: number;
    reason: string;
    headers: HeaderFields;
    body: ResponseBody;
  }) {
    this.url = url;
    this.status = status;
    this.reason = reason;
    this.headers = headers;
    this.bodyReader = body;
  }

  /** 2xx. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** The whole body. Errors: `LimitError` above `bytesMax`; the connection's own. */
  async bytes(bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return await readAll(this.bodyReader, bytesMax);
    } finally {
      this.bodyReader.discard();
    }
  }

  /** The whole body as UTF-8 text; bytes that are none become U+FFFD. Errors as {@link bytes}. */
  async text(bytesMax: number): Promise<string> {
    return new TextDecoder().decode(await this.bytes(bytesMax));
  }

  /** The whole body as JSON. Errors as {@link bytes}; `HttpResponseError` for anything else. */
  async json(bytesMax: number): Promise<unknown> {
    const text = await this.text(bytesMax);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new HttpResponseError(`Answer of ${this.url} is not JSON`, { cause });
    }
  }

  /** Drops the body. */
  discard(): void {
    this.bodyReader.discard();
  }

  /** The web's shape of it. The body is read from either, not from both. */
  toWeb(): Response {
    const { status, reason, headers } = this;
    if (status > 599) {
      this.discard();
      throw new HttpResponseError(`Answer of ${this.url} has a status outside of the web's range: ${status}`);
    }
    const bodiless = status === 204 || status === 205 || status === 304;
    if (bodiless) this.discard();
    const body = bodiless ? null : bodyStream(this.bodyReader, () => this.discard());
    const response = new Response(body, { status, statusText: reason, headers: headers.toHeaders() });
    Object.defineProperty(response, "url", { value: this.url });
    return response;
  }
}
