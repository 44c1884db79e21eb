/**
 * `spliceStreams`: two streams joined inside their sessions, for a server that moves bytes and reads none.
 *
 *     input view of a's session --one copy--> output buffer of b's session        while there is room and window
 *                               --> receive buffer of a --> output buffer of b    else, bounded by a's window
 *
 * The window of a stream is announced again as its bytes go into the other session's output: a receiver that
 * stops holds back its own sender, and nobody else.
 *
 * @module
 */
import { TimedOutError } from "../base/mod.ts";
import type { Clock, Timer } from "../runtime/mod.ts";
import { MuxStream } from "./_mux_stream.ts";
import type { YamuxStream } from "./stream.ts";

export interface SpliceOptions {
  /** Both streams are reset when nothing moved for so long, in either direction. Default: no limit. */
  readonly idleMs?: number;
}

/**
 * Moves bytes both ways until either direction ends, then closes both streams; what the other direction still
 * had is dropped (dmsg.md 5.4: a dmsg server's bridge). Owns both streams; counts as the next read for views
 * that they gave before.
 *
 * Resolves after an orderly end. Rejects when either stream failed, with that failure, or idled, with a
 * `TimedOutError`; the other one is reset. Throws a TypeError for a stream with a read pending, a write half
 * that is closed, or a splice already.
 */
export function spliceStreams(a: YamuxStream, b: YamuxStream, options: SpliceOptions = {}): Promise<void> {
  if (!(a instanceof MuxStream && b instanceof MuxStream) || a === b) {
    throw new TypeError("Only two different streams of yamux sessions can be spliced");
  }
  if (!a.canSplice || !b.canSplice) throw new TypeError("Cannot splice a stream that is in use");
  return new Splice(a, b, options).done;
}

/** A joint of two streams, while it lasts. */
export class Splice {
  readonly done: Promise<void>;
  /** When bytes last moved: `Clock.monotonicMs`. */
  movedMs: number;
  readonly #a: MuxStream;
  readonly #b: MuxStream;
  readonly #clock: Clock;
  readonly #outcome = Promise.withResolvers<void>();
  #idleTimer: Timer | undefined;
  #isOver = false;

  constructor(a: MuxStream, b: MuxStream, { idleMs }: SpliceOptions) {
    this.#a = a;
    this.#b = b;
    this.#clock = a.clock;
    this.done = this.#outcome.promise;
    this.movedMs = this.#clock.monotonicMs();
    a.spliceTo(b, this);
    b.spliceTo(a, this);
    a.startSplice();
    b.startSplice();
    if (!this.#isOver && idleMs !== undefined) this.#armIdle(idleMs);
  }

  /** One direction is complete: both streams are closed. */
  end(): void {
    if (!this.#release()) return;
    this.#a.close();
    this.#b.close();
    this.#outcome.resolve();
  }

  /** One stream failed: both are closed with its failure. */
  fail(error: Error): void {
    if (!this.#release()) return;
    this.#a.close(error);
    this.#b.close(error);
    this.#outcome.reject(error);
  }

  #release(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#idleTimer?.cancel();
    this.#a.unsplice();
    this.#b.unsplice();
    return true;
  }

  #armIdle(idleMs: number): void {
    const leftMs = this.movedMs + idleMs - this.#clock.monotonicMs();
    if (leftMs <= 0) return this.fail(new TimedOutError("Anything to relay between two streams", idleMs));
    this.#idleTimer = this.#clock.timer(leftMs, () => this.#armIdle(idleMs));
  }
}
