/** What can go wrong in HTTP, by whose fault. @module */
import { CallerError, PeerError, type SkyErrorOptions, WorldError } from "../base/mod.ts";

/**
 * A message of the peer breaks the protocol or one of our limits. A server answers `status` where it still can;
 * either way that connection ends, and no other.
 */
export class HttpError extends PeerError {
  readonly code = "HTTP_REFUSED";
  constructor(readonly status: number, message: string, options: SkyErrorOptions = {}) {
    super(message, options);
  }
}

/** A server's answer cannot be understood; the connection is gone. `cause` says which rule it broke. */
export class HttpResponseError extends PeerError {
  readonly code = "HTTP_BAD_RESPONSE";
}

/** A request cannot be sent as given: its URL, its method, a header. Nothing was sent. */
export class HttpRequestError extends CallerError {
  readonly code = "HTTP_BAD_REQUEST";
}

/** The connection ended before the first byte of an answer: whether the request was acted upon is unknown. */
export class NoResponseError extends WorldError {
  readonly code = "HTTP_NO_RESPONSE";
  constructor(cause: unknown) {
    super("Connection ended before the first byte of an HTTP answer", { cause });
  }
}
