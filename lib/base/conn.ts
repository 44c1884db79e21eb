/**
 * `Conn`: ordered bytes with back-pressure, the one shape of every two-way stream.
 *
 * TCP sockets, yamux streams, noise records, dmsg streams: each is a Conn, so that a layer is a function from
 * Conn to Conn. Every implementation passes `connCompliance()` in `tests/base/`. The contract, in full:
 *
 * 1. `read()` gives the next bytes, never empty, at most {@link READ_BYTES_MAX}. One read at a time; a second
 *    pending one rejects with `TypeError`.
 * 2. The view is the reader's, to change in place, until its next `read` or a close. Keep bytes: copy them.
 * 3. `null` is the peer's orderly end, after every byte before it, and stays `null`. An end inside a frame is
 *    a `TruncatedError`. Our own close never reads as `null`.
 * 4. `write(bytes)` takes all or fails. Calls queue in call order and never interleave; the bytes are the
 *    Conn's until the promise settles; empty sends nothing. Settled means taken in under a bound, not
 *    delivered. A failed write breaks the write half: queued and later writes reject with the same reason.
 * 5. `closeWrite()` ends our half after the writes already called; idempotent; reading goes on.
 * 6. `close()` sends what was taken in, for at most a linger, then ends; `close(reason)` drops it and resets.
 *    Both return at once, may be repeated (the first reason stays, an abort cuts a linger short), and reject
 *    every waiter and later call with a `ConnClosedError` whose `cause` is the reason. A peer's reset fails
 *    both halves alike.
 * 7. `closed` settles, never rejects, when nothing is held any more.
 *
 * @module
 */

/** The largest view that one `read()` returns, in bytes. */
export const READ_BYTES_MAX = 256 * 1024;

/** Ordered bytes both ways. Every implementation runs `connCompliance()`. */
export interface Conn {
  /** False: when one direction ends, the other may die with it. */
  readonly halfClose: boolean;
  /** Settles when nothing is held any more; never rejects. */
  readonly closed: Promise<void>;
  /** A view that is valid until the next read; null is the peer's orderly end. */
  read(): Promise<Uint8Array | null>;
  /** All or failed, in call order; the bytes are ours again when it settles. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends our half after what was written. Idempotent. */
  closeWrite(): Promise<void>;
  /** Idempotent; wakes whoever waits on either half; with a reason: at once. */
  close(reason?: unknown): void;
}

/**
 * Joins two connections until both directions ended, or one failed, or, `together`, either ended; frees both.
 * Rejects with the first failure; both ends are then closed with it.
 */
export async function bridge(
  a: Conn,
  b: Conn,
  { together = !(a.halfClose && b.halfClose) }: { together?: boolean } = {},
): Promise<void> {
  const halves = [pump(a, b), pump(b, a)];
  try {
    await (together ? Promise.race(halves) : Promise.all(halves));
    a.close();
    b.close();
  } catch (reason) {
    a.close(reason);
    b.close(reason);
    throw reason;
  } finally {
    await Promise.allSettled(halves); // no loop outlives the bridge
  }
}

async function pump(from: Conn, to: Conn): Promise<void> {
  for (let chunk = await from.read(); chunk !== null; chunk = await from.read()) await to.write(chunk);
  await to.closeWrite();
}

/**
 * A Conn whose first reads give `rest`, then what `conn` gives: for bytes that a handshake read too far.
 * Owns `conn`. `rest` is not copied: it belongs to the new Conn.
 */
export function withPrefix(conn: Conn, rest: Uint8Array): Conn {
  return rest.length === 0 ? conn : new PrefixedConn(conn, rest);
}

class PrefixedConn implements Conn {
  #rest: Uint8Array | undefined;
  readonly #conn: Conn;
  constructor(conn: Conn, rest: Uint8Array) {
    this.#conn = conn;
    this.#rest = rest;
  }
  get halfClose(): boolean {
    return this.#conn.halfClose;
  }
  get closed(): Promise<void> {
    return this.#conn.closed;
  }
  read(): Promise<Uint8Array | null> {
    const rest = this.#rest;
    if (rest === undefined) return this.#conn.read();
    const view = rest.subarray(0, READ_BYTES_MAX);
    this.#rest = view.length === rest.length ? undefined : rest.subarray(view.length);
    return Promise.resolve(view);
  }
  write(bytes: Uint8Array): Promise<void> {
    return this.#conn.write(bytes);
  }
  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }
  close(reason?: unknown): void {
    this.#rest = undefined; // after our close every read is the inner Conn's rejection
    this.#conn.close(reason);
  }
}
