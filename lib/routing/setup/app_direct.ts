/**
 * Apps of visors that share a transport, without any route: a virtual stream of type 16 (protocol: transport,
 * section 8.3).
 *
 *     dialler   [ port u16 ] ──▶      00 a listener, then raw bytes both ways; 01 none, then the end
 *
 * There is no end-to-end encryption besides the transport's own: both ends of the stream are its ends.
 *
 * @module
 */
import { type Conn, describeError, type Log, TruncatedError, withPrefix } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { withTimeout, type World } from "../../runtime/mod.ts";
import { ConnReader } from "../../wire/mod.ts";
import type { RouteAddress } from "../descriptor.ts";
import { AppPortClosedError } from "./errors.ts";

/** For the port and its answer, on both sides. */
export const APP_DIRECT_TIMEOUT_MS = 5_000;

const LISTENS = 0;
const CLOSED = 1;

/** A connection between two apps over the transport of their visors. */
export class AppDirectConn implements Conn {
  readonly halfClose = false;
  readonly #conn: Conn;

  constructor(conn: Conn, readonly local: RouteAddress, readonly remote: RouteAddress) {
    this.#conn = conn;
  }

  get closed(): Promise<void> {
    return this.#conn.closed;
  }
  read(): Promise<Uint8Array | null> {
    return this.#conn.read();
  }
  write(bytes: Uint8Array): Promise<void> {
    return this.#conn.write(bytes);
  }
  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }
  close(reason?: unknown): void {
    this.#conn.close(reason);
  }
}

/**
 * Asks for `to.port` on a fresh stream to that visor. Errors: `AppPortClosedError`, `TimedOutError` and
 * `TruncatedError` for a peer that does not serve this, the signal's reason. The stream is closed then.
 */
export async function dialAppDirect(
  stream: Conn,
  { world: { clock }, local, to, signal }: {
    readonly world: Pick<World, "clock">;
    readonly local: PublicKey;
    readonly to: RouteAddress;
    readonly signal?: AbortSignal;
  },
): Promise<AppDirectConn> {
  const reader = new ConnReader(stream);
  const what = `Asking ${to.publicKey} for port ${to.port}`;
  try {
    const answer = await closedBy(stream, { what, clock, signal }, async () => {
      await stream.write(Uint8Array.of(to.port >> 8, to.port & 0xff));
      return (await reader.readExactly(1, "the answer to a port"))[0];
    });
    if (answer !== LISTENS) throw new AppPortClosedError(to.publicKey, to.port);
  } catch (error) {
    stream.close(error);
    throw error;
  }
  return new AppDirectConn(withPrefix(stream, reader.rest()), { publicKey: local, port: 0 }, to);
}

/** Takes a connection of an app; false when it has no room. */
export type TakeAppConn = (conn: AppDirectConn) => boolean;

/**
 * Answers one stream that a peer opened, and hands it to whoever listens on its port. Resolves once that is done;
 * never rejects.
 */
export async function serveAppDirect(
  stream: Conn & { readonly remote: PublicKey },
  { world: { clock }, local, listenerOn, log, signal }: {
    readonly world: Pick<World, "clock">;
    readonly local: PublicKey;
    /** Who listens on a port of the route space. */
    readonly listenerOn: (port: number) => TakeAppConn | undefined;
    readonly log: Log;
    readonly signal?: AbortSignal;
  },
): Promise<void> {
  const reader = new ConnReader(stream);
  try {
    const port = await closedBy(stream, { what: "A port of an app", clock, signal }, async () => {
      const [high, low] = await reader.readExactly(2, "a port") as unknown as [number, number];
      return high * 256 + low;
    });
    const take = listenerOn(port);
    if (take === undefined) {
      await stream.write(Uint8Array.of(CLOSED));
      return stream.close();
    }
    await stream.write(Uint8Array.of(LISTENS));
    const conn = withPrefix(stream, reader.rest());
    const app = new AppDirectConn(conn, { publicKey: local, port }, { publicKey: stream.remote, port: 0 });
    if (!take(app)) app.close();
  } catch (error) {
    log.debug("A direct stream of an app was not served", {
      remote: stream.remote,
      cause: describeError(error),
    });
    stream.close(error);
  }
}

/** Runs the exchange at the beginning of a stream within its time; past it the stream is closed. */
async function closedBy<T>(
  stream: Conn,
  { what, clock, signal }: { what: string; clock: World["clock"]; signal: AbortSignal | undefined },
  exchange: () => Promise<T>,
): Promise<T> {
  return await withTimeout(clock, { what, afterMs: APP_DIRECT_TIMEOUT_MS, signal }, async (limit) => {
    const onAbort = () => stream.close(limit.reason);
    limit.addEventListener("abort", onAbort, { once: true });
    try {
      return await exchange();
    } finally {
      limit.removeEventListener("abort", onAbort);
    }
  });
}

/** True for what a peer without this service does: it is silent, or closes. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof TruncatedError || (error as { code?: string } | undefined)?.code === "TIMED_OUT";
}
