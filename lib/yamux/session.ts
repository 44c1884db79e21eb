/**
 * `YamuxSession`: many streams over one Conn. Wire-identical to hashicorp/yamux (dmsg.md 3.2).
 *
 * @module
 */
import type { Conn } from "../base/mod.ts";
import type { World } from "../runtime/mod.ts";
import { Engine } from "./_engine.ts";
import { YAMUX_LIMITS, type YamuxLimits } from "./limits.ts";
import type { YamuxStream } from "./stream.ts";
import type { WindowBudget } from "./window_budget.ts";

export interface YamuxSessionOptions {
  /** The dialling side is the client: its streams have odd ids. */
  readonly role: "client" | "server";
  readonly world: Pick<World, "clock" | "ledger">;
  /** Changes to {@link YAMUX_LIMITS}. */
  readonly limits?: Partial<YamuxLimits>;
  /** What this session's streams may hold above 256 KiB each, together with those of others; besides its own limit. */
  readonly windowBudget?: WindowBudget;
  /**
   * Takes each stream that the peer opens, in the middle of reading: it must return at once and not throw. The
   * ACK is on its way; a stream that is not wanted is closed.
   */
  readonly onStream: (stream: YamuxStream) => void;
}

/**
 * A session. Owns its Conn; ends with it, on `close`, when the peer breaks the protocol (after GoAway), or when
 * a limit of time runs out. Ends every stream with it. Counted as `yamux-session`, streams as `yamux-stream`.
 */
export class YamuxSession {
  /** `Clock.monotonicMs` of the start. */
  readonly openedMs: number;
  readonly role: "client" | "server";
  readonly #engine: Engine;

  constructor(conn: Conn, { role, world, limits, windowBudget, onStream }: YamuxSessionOptions) {
    this.role = role;
    this.openedMs = world.clock.monotonicMs();
    this.#engine = new Engine(this, {
      conn,
      role,
      world,
      limits: { ...YAMUX_LIMITS, ...limits },
      windowBudget,
      onStream,
    });
  }

  /** Settles when nothing of the session is held any more; never rejects. */
  get closed(): Promise<void> {
    return this.#engine.closed;
  }

  /** Settles when the session is over: streams have failed, what it held is about to go. Never rejects. */
  get ended(): Promise<void> {
    return this.#engine.ended;
  }

  /** True while streams can be opened. */
  get isLive(): boolean {
    return this.#engine.isLive;
  }

  /** Why the session ended, unless by our own close or the peer's orderly end. */
  get failure(): unknown {
    return this.#engine.failure;
  }

  /** Streams alive now, opened by either side. */
  get streamCount(): number {
    return this.#engine.streamCount;
  }

  /** Bytes read from the connection, headers included. */
  get bytesIn(): number {
    return this.#engine.bytesIn;
  }

  /** Bytes handed to the connection, headers included. */
  get bytesOut(): number {
    return this.#engine.output.bytesOut;
  }

  /**
   * A new stream, usable at once. Errors: `ConnClosedError` or `ConnResetError` once the session has ended,
   * `ConnClosedError` after `goAway`, `GoAwayError` when the peer takes no more streams, `LimitError` at the
   * number of streams.
   */
  open(): YamuxStream {
    return this.#engine.open();
  }

  /** One ping there and back, in milliseconds. Rejects with the signal's reason, or when the session ends. */
  ping(signal?: AbortSignal): Promise<number> {
    return this.#engine.ping(signal);
  }

  /** Takes no further streams of the peer and opens none; those that are there go on. */
  goAway(): void {
    this.#engine.goAway();
  }

  /**
   * Ends the session and its streams: `close()` after what was taken in has been sent, `close(reason)` at once.
   * No frame says so; the end of the connection does (dmsg.md 3.1).
   */
  close(reason?: unknown): void {
    this.#engine.close(reason);
  }
}
