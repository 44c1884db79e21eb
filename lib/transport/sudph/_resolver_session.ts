/**
 * The session with the address resolver: kept, and made anew when it ends or falls silent. Transports of the same
 * socket do not notice.
 *
 * @module
 */
import {
  type Conn,
  ConnClosedError,
  describeError,
  type Log,
  TimedOutError,
  TruncatedError,
} from "../../base/mod.ts";
import type { KeyPair } from "../../crypto/mod.ts";
import type { KcpConn, KcpSocket } from "../../kcp/mod.ts";
import { sleep, type SocketAddress, type World } from "../../runtime/mod.ts";
import { JsonFrames } from "../_json_frames.ts";
import { openAddressHandshake } from "../address_handshake.ts";
import {
  ANNOUNCEMENT_BYTES_MAX,
  type DialAnnouncement,
  HEARTBEAT,
  parseAnnouncement,
  renderBinding,
  type SudphBinding,
  UNBIND,
} from "./messages.ts";

export const HEARTBEAT_MS = 10_000;
/** Bindings live for 5 min: three tries fit. */
export const SUDPH_REBIND_MS = 90_000;
/** Each heartbeat is acknowledged: after three without, nobody is there. */
export const RESOLVER_SILENCE_MAX_MS = 35_000;
/** Between two sessions: first and longest pause. */
export const RESOLVER_RETRY_MS = 1_000;
export const RESOLVER_RETRY_MAX_MS = 60_000;
/** At the end nobody waits long for a resolver: its entry expires by itself. */
export const SUDPH_UNBIND_TIMEOUT_MS = 500;

export interface ResolverSessionOptions {
  readonly world: Pick<World, "clock" | "random">;
  readonly local: KeyPair;
  readonly socket: KcpSocket;
  readonly log: Log;
  /** The resolver's UDP address; asked before each session. Undefined: not known now. */
  readonly address: (signal: AbortSignal) => Promise<SocketAddress | undefined>;
  readonly binding: () => SudphBinding;
  readonly onAnnouncement: (announcement: DialAnnouncement) => void;
}

export class ResolverSession {
  readonly #options: ResolverSessionOptions;
  #isBound = false;
  #attempt = Promise.withResolvers<void>(); // settles when the one under way is bound, or has failed
  #hasWarned = false;

  constructor(options: ResolverSessionOptions) {
    this.#options = options;
  }

  /** True while a session is bound, as far as is known. */
  get isBound(): boolean {
    return this.#isBound;
  }

  /** Settles when the attempt under way has bound, or has failed. Never rejects. */
  get whenTried(): Promise<void> {
    return this.#attempt.promise;
  }

  /** Nobody will run it. */
  giveUp(): void {
    this.#attempt.resolve();
  }

  /** Keeps the visor bound until `signal`, whose reason it rejects with. */
  async run(signal: AbortSignal): Promise<void> {
    const { world, log } = this.#options;
    let pauseMs = RESOLVER_RETRY_MS;
    for (;;) {
      const startMs = world.clock.monotonicMs();
      try {
        await this.#runOne(signal);
      } catch (error) {
        signal.throwIfAborted();
        const fields = { cause: describeError(error) };
        if (this.#hasWarned) log.debug(ENDED, fields);
        else log.warn(ENDED, fields);
        this.#hasWarned = true;
      }
      this.#attempt.resolve();
      if (world.clock.monotonicMs() - startMs > RESOLVER_RETRY_MAX_MS) pauseMs = RESOLVER_RETRY_MS;
      await sleep(world.clock, pauseMs * (1 + jitter(world.random)), signal);
      this.#attempt = Promise.withResolvers();
      pauseMs = Math.min(pauseMs * 2, RESOLVER_RETRY_MAX_MS);
    }
  }

  /** One session, until it ends or `signal` is aborted; then its binding is taken back. */
  async #runOne(signal: AbortSignal): Promise<void> {
    const { world, local, socket, address } = this.#options;
    const at = await address(signal);
    if (at === undefined) return;
    const session = socket.dial(at, { ownsAddress: true, keepsWrites: true });
    try {
      const nobody = { remote: undefined, remotePort: 0 };
      const conn = await openAddressHandshake(session, { world, signal, local, localPort: 0, ...nobody });
      await this.#bind(conn);
      await this.#serve(session, conn, signal);
    } finally {
      this.#isBound = false;
      session.close(new ConnClosedError(signal.reason, "The session with the address resolver is over"));
    }
  }

  async #bind(conn: Conn): Promise<void> {
    await conn.write(encoder.encode(renderBinding(this.#options.binding())));
    this.#isBound = true;
    this.#hasWarned = false;
    this.#attempt.resolve();
  }

  async #serve(session: KcpConn, conn: Conn, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const onAbort = () => over.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const reading = this.#readAnnouncements(conn).catch((error) => over.abort(error));
    try {
      signal.throwIfAborted();
      await this.#beat(session, conn, over.signal);
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (signal.aborted) await this.#unbind(session, conn);
      session.close(over.signal.reason ?? new ConnClosedError());
      await reading;
    }
  }

  /** Heartbeats and binds. Rejects when the signal is aborted, the session ends, or the resolver is silent. */
  async #beat(session: KcpConn, conn: Conn, signal: AbortSignal): Promise<never> {
    const { clock } = this.#options.world;
    let boundMs = clock.monotonicMs();
    for (;;) {
      await conn.write(encoder.encode(HEARTBEAT));
      await sleep(clock, HEARTBEAT_MS, signal);
      const nowMs = clock.monotonicMs();
      if (nowMs - (session.heardMs ?? 0) > RESOLVER_SILENCE_MAX_MS) {
        throw new TimedOutError("An answer of the address resolver", RESOLVER_SILENCE_MAX_MS);
      }
      if (nowMs - boundMs < SUDPH_REBIND_MS) continue;
      boundMs = nowMs;
      await this.#bind(conn);
    }
  }

  async #readAnnouncements(conn: Conn): Promise<void> {
    const frames = new JsonFrames(conn);
    while (!(await frames.isAtEnd())) {
      this.#options.onAnnouncement(
        parseAnnouncement(await frames.readObject("a dial announcement", ANNOUNCEMENT_BYTES_MAX)),
      );
    }
    throw new TruncatedError("the session with the address resolver");
  }

  /** Gives the resolver a moment to hear of it. */
  async #unbind(session: KcpConn, conn: Conn): Promise<void> {
    try {
      await conn.write(encoder.encode(UNBIND));
    } catch {
      return; // it ended by itself
    }
    session.close();
    const waited = new AbortController();
    session.closed.then(() => waited.abort());
    await sleep(this.#options.world.clock, SUDPH_UNBIND_TIMEOUT_MS, waited.signal).catch(() => {});
  }
}

/** Between 0 and a quarter: many visors that lost one resolver do not come back in step. */
function jitter(random: World["random"]): number {
  return random.bytes(1)[0]! / 1_024;
}

const ENDED = "The session with the address resolver ended; it is made anew";
const encoder = new TextEncoder();
