/** One request while it is served. @module */
import type { Conn } from "../base/mod.ts";
import { IncomingBody } from "./body.ts";
import { HttpError } from "./errors.ts";
import type { RawRequest } from "./handler.ts";
import type { HeaderFields } from "./headers.ts";
import type { HttpLimits } from "./limits.ts";
import { encodeText } from "./_encode.ts";
import { keepsAlive, requestFraming, type RequestHead } from "./_head.ts";
import type { HttpInput } from "./_input.ts";

/** A request with its body on the connection, and a signal that costs nothing until somebody asks for it. */
export class ServerRequest implements RawRequest {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly headers: HeaderFields;
  readonly body: IncomingBody;
  readonly bodyless: boolean;
  readonly bodyBytes: number | undefined;
  readonly remote: string;
  readonly minor: number;
  readonly keepsAlive: boolean;
  /** The client waits for our "continue" before it sends the body, and has not got it. */
  #expects: boolean;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  /** Errors: 400, 413, 417, 501. */
  constructor(head: RequestHead, { input, conn, limits, remote, onBodyEnd }: {
    input: HttpInput;
    conn: Conn;
    limits: HttpLimits;
    remote: string;
    onBodyEnd: () => void;
  }) {
    const framing = requestFraming(head);
    this.method = head.method;
    this.target = head.target;
    this.headers = head.headers;
    this.minor = head.minor;
    this.host = head.headers.get("host")!;
    this.remote = remote;
    this.keepsAlive = keepsAlive(head);
    this.bodyBytes = framing.kind === "none" ? 0 : framing.kind === "length" ? framing.bytes : undefined;
    this.bodyless = this.bodyBytes === 0;
    if (this.bodyBytes !== undefined && this.bodyBytes > limits.bodyBytesMax) {
      throw new HttpError(413, `HTTP body exceeds ${limits.bodyBytesMax} bytes: ${this.bodyBytes}`);
    }
    const expectation = head.headers.get("expect");
    if (expectation !== undefined && expectation.toLowerCase() !== "100-continue") {
      throw new HttpError(417, "HTTP expectation is unknown");
    }
    this.#expects = expectation !== undefined && head.minor === 1 && !this.bodyless && input.buffered === 0;
    this.body = new IncomingBody(input, framing, {
      bodyBytesMax: limits.bodyBytesMax,
      chunkLineBytesMax: limits.chunkLineBytesMax,
      onEnd: onBodyEnd,
      onFirstWait: this.#expects
        ? async () => {
          this.#expects = false;
          await conn.write(encodeText("HTTP/1.1 100 Continue\r\n\r\n"));
        }
        : undefined,
    });
  }

  /** True while nobody knows whether the client will send its body. */
  get bodyIsUncertain(): boolean {
    return this.#expects;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  /** Tells the handler that nobody waits for its answer. */
  abort(reason: unknown): void {
    this.#aborted ??= { reason };
    this.#controller?.abort(reason);
  }
}
