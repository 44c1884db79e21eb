/**
 * `HttpClient`: requests over whatever connection a dial function gives, with a pool.
 *
 * Follows no redirects, keeps no cookies, asks for no encoding, and has no time-out but the caller's signal.
 *
 * @module
 */
import { type Conn, ConnClosedError } from "../base/mod.ts";
import type { Clock, World } from "../runtime/mod.ts";
import { NoResponseError } from "./errors.ts";
import { HTTP_CLIENT_LIMITS, type HttpClientLimits } from "./limits.ts";
import { type HttpRequest, type PreparedRequest, prepareRequest } from "./request.ts";
import type { HttpResponse } from "./response.ts";
import { ClientConn } from "./_client_conn.ts";
import { IdlePool } from "./_pool.ts";

/**
 * Opens a connection for requests to `authority` (host and optional port, as in the URL). `signal` ends the
 * dial. The scheme is in lower case: `http`, `https`, `dmsg`.
 */
export type Dial = (authority: string, signal: AbortSignal, scheme: string) => Promise<Conn>;

export interface HttpClientOptions {
  readonly dial: Dial;
  readonly clock: Clock;
  /** Counts connections as kind `http-client-conn`. */
  readonly ledger?: World["ledger"];
  readonly limits?: Partial<HttpClientLimits>;
  /** `skyctl/<version>`. */
  readonly userAgent?: string;
}

export class HttpClient implements AsyncDisposable {
  readonly #options: HttpClientOptions;
  readonly #limits: HttpClientLimits;
  readonly #pool: IdlePool;
  readonly #conns = new Set<ClientConn>();
  readonly #dials = new Set<Promise<unknown>>();
  readonly #end = new AbortController();

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#limits = { ...HTTP_CLIENT_LIMITS, ...options.limits };
    this.#pool = new IdlePool({ clock: options.clock, limits: this.#limits });
  }

  /** Connections that wait for a request. */
  get idle(): number {
    return this.#pool.size;
  }

  /**
   * Sends a request; resolves with the answer's head. Read the body to its end or discard it: the connection is
   * held until then. `signal` ends the exchange, body included.
   *
   * Nothing is done twice that its sender did not mean twice: a request that may be repeated goes out on a kept
   * connection if there is one, and once more, on a fresh one, when that ends before the first byte of an
   * answer; any other (POST, PATCH, a body that is read once) starts on a fresh connection.
   *
   * Errors: `HttpRequestError`, the dial's own, `NoResponseError`, `HttpResponseError`, `TruncatedError`, the
   * body source's own, the signal's reason, `ConnClosedError` once the client is closed.
   */
  async send(
    request: HttpRequest | Request,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<HttpResponse> {
    const prepared = prepareRequest(request, this.#options.userAgent ?? "skyctl");
    this.#end.signal.throwIfAborted();
    signal?.throwIfAborted();
    const key = `${prepared.scheme}://${prepared.authority}`;
    const kept = prepared.repeatable ? this.#pool.take(key) : undefined;
    if (kept !== undefined) {
      try {
        return await this.#exchange(kept, key, prepared, signal);
      } catch (error) {
        if (!(error instanceof NoResponseError)) throw error;
      }
    }
    return await this.#exchange(await this.#dial(prepared, signal), key, prepared, signal);
  }

  /** As {@link send}, in the web's shape. */
  async fetch(request: HttpRequest | Request, options: { signal?: AbortSignal } = {}): Promise<Response> {
    const signal = options.signal ?? (request instanceof Request ? request.signal : undefined);
    return (await this.send(request, { signal })).toWeb();
  }

  /** Ends every connection, those in use too, and joins them. */
  async close(): Promise<void> {
    const reason = new ConnClosedError(undefined, "HTTP client is closed");
    if (!this.#end.signal.aborted) this.#end.abort(reason);
    this.#pool.clear();
    for (const conn of this.#conns) conn.close(reason);
    await Promise.allSettled(this.#dials);
    await Promise.all([...this.#conns].map((conn) => conn.closed));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #exchange(
    conn: ClientConn,
    key: string,
    prepared: PreparedRequest,
    signal: AbortSignal | undefined,
  ): Promise<HttpResponse> {
    const onDone = (reusable: boolean) => {
      if (reusable && !this.#end.signal.aborted) this.#pool.put(key, conn);
      else conn.close();
    };
    try {
      return await conn.exchange(prepared, { signal, onDone });
    } catch (error) {
      throw this.#end.signal.aborted ? this.#end.signal.reason : error;
    }
  }

  async #dial({ authority, scheme }: PreparedRequest, signal: AbortSignal | undefined): Promise<ClientConn> {
    const ending = new AbortController(); // ends with the dial
    const end = () => ending.abort(signal?.aborted ? signal.reason : this.#end.signal.reason);
    signal?.addEventListener("abort", end, { once: true });
    this.#end.signal.addEventListener("abort", end, { once: true });
    const dialling = this.#options.dial(authority, ending.signal, scheme);
    this.#dials.add(dialling);
    try {
      const conn = await dialling;
      if (ending.signal.aborted) {
        conn.close(ending.signal.reason);
        await conn.closed;
        throw ending.signal.reason;
      }
      return this.#own(conn);
    } catch (error) {
      throw ending.signal.aborted ? ending.signal.reason : error;
    } finally {
      this.#dials.delete(dialling);
      signal?.removeEventListener("abort", end);
      this.#end.signal.removeEventListener("abort", end);
    }
  }

  #own(conn: Conn): ClientConn {
    const { clock, ledger } = this.#options;
    const release = ledger?.open("http-client-conn");
    const owned = new ClientConn(conn, { clock, limits: this.#limits });
    this.#conns.add(owned);
    conn.closed.then(() => {
      this.#conns.delete(owned);
      release?.();
    });
    return owned;
  }
}
