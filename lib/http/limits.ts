/** Every bound of the HTTP server and client, with its reason. @module */

/** Bounds of one server connection. Times are milliseconds, sizes bytes. */
export interface HttpLimits {
  /** From the start of a request (of the connection, for the first one) to the end of its head. */
  readonly headMs: number;
  /** From the same start to the end of the request's body. */
  readonly readMs: number;
  /** For one write to be taken in: at most {@link WRITE_PIECE_BYTES}. A slow reader may take long in all. */
  readonly writeMs: number;
  /** Between two requests. Exceeds the client pool's 90 s, so that the client ends an idle connection. */
  readonly idleMs: number;
  /** Request line and header fields together. */
  readonly headBytesMax: number;
  /** The request target alone: above it 414 instead of 431. */
  readonly targetBytesMax: number;
  /** Header fields: what is done per field is then bounded too. */
  readonly headersMax: number;
  /** A request's body: above it 413. */
  readonly bodyBytesMax: number;
  /** One size line of a chunked body, with its extensions. */
  readonly chunkLineBytesMax: number;
  /** What an answered request's unread body may still cost; above it the connection ends. */
  readonly drainBytesMax: number;
  /** After an answer that the client may not have expected, so that its last bytes cause no reset. */
  readonly lingerMs: number;
}

/** dmsg.md 12, "Ours, on the TCP and the dmsg listener alike"; sizes below the head's are policy. */
export const HTTP_LIMITS: HttpLimits = {
  headMs: 10_000,
  readMs: 30_000,
  writeMs: 60_000,
  idleMs: 115_000,
  headBytesMax: 16 * 1024,
  targetBytesMax: 8 * 1024,
  headersMax: 128,
  bodyBytesMax: 4 * 1024 * 1024,
  chunkLineBytesMax: 256,
  drainBytesMax: 256 * 1024,
  lingerMs: 500,
};

/** A body leaves in pieces of at most this many bytes, so that `writeMs` measures progress. */
export const WRITE_PIECE_BYTES = 256 * 1024;

/** Bounds of a client and its pool. */
export interface HttpClientLimits {
  /** Idle connections kept per host (dmsg.md 12). */
  readonly idlePerHostMax: number;
  /** Idle connections kept in all; the oldest go first. */
  readonly idleMax: number;
  /** How long an idle connection is kept (dmsg.md 12). */
  readonly idleMs: number;
  /** Status line and header fields of an answer: more than a server's bound, as proxies add to them. */
  readonly headBytesMax: number;
  readonly headersMax: number;
  readonly chunkLineBytesMax: number;
  /** Answers of the 1xx kind that are skipped before the real one. */
  readonly informationalMax: number;
}

export const HTTP_CLIENT_LIMITS: HttpClientLimits = {
  idlePerHostMax: 4,
  idleMax: 128,
  idleMs: 90_000,
  headBytesMax: 64 * 1024,
  headersMax: 256,
  chunkLineBytesMax: 256,
  informationalMax: 8,
};
