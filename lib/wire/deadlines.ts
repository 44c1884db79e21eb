/**
 * Deadlines as a layer: a Conn that aborts itself when its peer is silent or takes nothing.
 *
 * What counts is our waiting. A read that waits for `readIdleMs` without a byte ends the Conn; while nobody
 * reads, as in a bridge whose other side is slow, bytes wait below and the time stands still: that silence is
 * ours. So does a write that is the oldest one and does not settle for `writeMs`.
 *
 * Each deadline has one timer at most, set when it is first needed and set again only when it fires too early:
 * a busy Conn pays a reading of the clock per call, and no timer.
 *
 * @module
 */
import { type Conn, TimedOutError } from "../base/mod.ts";
import type { Clock, Timer } from "../runtime/mod.ts";

export interface Deadlines {
  /** Longest wait of one read. Undefined: no limit. */
  readonly readIdleMs?: number;
  /** Longest time that a write or the end of our half may take once it is the oldest. Undefined: no limit. */
  readonly writeMs?: number;
}

/**
 * `conn` with deadlines. Owns `conn`. Past a deadline it is aborted with a `TimedOutError`, which is then the
 * `cause` of every `ConnClosedError`. No timer is left after a close, the peer's end, or a failure.
 */
export function withDeadlines(conn: Conn, clock: Clock, { readIdleMs, writeMs }: Deadlines): Conn {
  if (readIdleMs === undefined && writeMs === undefined) return conn;
  return new DeadlineConn(conn, clock, { readIdleMs, writeMs });
}

class DeadlineConn implements Conn {
  readonly closed: Promise<void>;
  readonly #conn: Conn;
  readonly #read: Deadline | undefined;
  readonly #write: Deadline | undefined;
  #isReading = false;

  constructor(conn: Conn, clock: Clock, { readIdleMs, writeMs }: Deadlines) {
    this.#conn = conn;
    const deadline = (what: string, limitMs: number | undefined) =>
      limitMs === undefined
        ? undefined
        : new Deadline(clock, limitMs, () => this.close(new TimedOutError(what, limitMs)));
    this.#read = deadline("A read", readIdleMs);
    this.#write = deadline("A write", writeMs);
    this.closed = conn.closed.then(() => this.#stop()); // also when the connection breaks by itself
  }

  get halfClose(): boolean {
    return this.#conn.halfClose;
  }

  read(): Promise<Uint8Array | null> {
    return this.#read === undefined ? this.#conn.read() : this.#readTimed(this.#read);
  }

  write(bytes: Uint8Array): Promise<void> {
    const written = this.#conn.write(bytes);
    return this.#write === undefined ? written : timed(written, this.#write);
  }

  closeWrite(): Promise<void> {
    const ended = this.#conn.closeWrite();
    return this.#write === undefined ? ended : timed(ended, this.#write);
  }

  close(reason?: unknown): void {
    this.#stop();
    this.#conn.close(reason);
  }

  async #readTimed(deadline: Deadline): Promise<Uint8Array | null> {
    if (this.#isReading) throw new TypeError("A read is already pending");
    this.#isReading = true;
    deadline.start();
    let view: Uint8Array | null | undefined;
    try {
      view = await this.#conn.read();
      return view;
    } finally {
      this.#isReading = false;
      if (view) deadline.finish();
      else deadline.stop(); // the end or a failure: no later read waits
    }
  }

  #stop(): void {
    this.#read?.stop();
    this.#write?.stop();
  }
}

async function timed(work: Promise<void>, deadline: Deadline): Promise<void> {
  deadline.start();
  try {
    await work;
  } finally {
    deadline.finish();
  }
}

/** Watches work that finishes in the order in which it started. */
class Deadline {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #expire: () => void;
  #pending = 0;
  #sinceMs = 0; // since when the oldest pending work is the oldest
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(clock: Clock, limitMs: number, expire: () => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#expire = expire;
  }

  start(): void {
    if (this.#isStopped || this.#pending++ > 0) return;
    this.#sinceMs = this.#clock.monotonicMs();
    this.#timer ??= this.#clock.timer(this.#limitMs, this.#onTimer);
  }

  finish(): void {
    if (--this.#pending > 0) this.#sinceMs = this.#clock.monotonicMs();
  }

  /** For good: nothing is watched any more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #onTimer = () => {
    this.#timer = undefined;
    if (this.#pending === 0) return; // idle: the next start sets it again
    const leftMs = this.#sinceMs + this.#limitMs - this.#clock.monotonicMs();
    if (leftMs > 0) this.#timer = this.#clock.timer(leftMs, this.#onTimer);
    else this.#expire();
  };
}
