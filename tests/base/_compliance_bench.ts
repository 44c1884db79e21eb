/**
 * What the cases of the compliance suite share: waiting with a bound, reading with checks, patterned bytes.
 *
 * No case awaits a Conn directly: it may be wrong, and never settle. A wait lets the event loop turn a bounded
 * number of times, so that it ends without a timer; real sockets have a watchdog, which only a failure meets.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Conn, ConnClosedError, type Ledger, READ_BYTES_MAX } from "../../lib/base/mod.ts";
import type { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import type { ConnComplianceOptions, ConnPair } from "./conn_compliance.ts";

/** Turns after which a promise of virtual time is given up. */
const TURNS_MAX = 200;
/** Turns after which something that must not happen has not happened. */
const QUIET_TURNS = 8;
/** On real sockets a turn of ours says less: the kernel works beside it. */
const QUIET_TURNS_REAL = 40;
/** Steps of virtual time, and their number, within which everything that lingers must be over. */
const STEP_MS = 5_000;
const STEPS_MAX = 120;
/** Only a failure waits as long. */
const WATCHDOG_MS = 20_000;

/** A promise whose state can be asked. */
export interface Tracked<T> {
  readonly promise: Promise<T>;
  state: "pending" | "fulfilled" | "rejected";
  value: T | undefined;
  reason: unknown;
}

export function track<T>(promise: Promise<T>): Tracked<T> {
  const tracked: Tracked<T> = { promise, state: "pending", value: undefined, reason: undefined };
  promise.then((value) => {
    tracked.state = "fulfilled";
    tracked.value = value;
  }, (reason) => {
    tracked.state = "rejected";
    tracked.reason = reason;
  });
  return tracked;
}

/** One turn of the event loop: every microtask, and one round of what waits outside. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class Bench {
  readonly near: Conn;
  readonly far: Conn;
  /** For layers that a case adds itself; real sockets run beside it. */
  readonly clock: VirtualClock;
  readonly ledger: Ledger;
  readonly options: Required<Omit<ConnComplianceOptions, "cannot">>;
  readonly pair: ConnPair;

  constructor(
    pair: ConnPair,
    parts: { clock: VirtualClock; ledger: Ledger; options: Required<Omit<ConnComplianceOptions, "cannot">> },
  ) {
    this.pair = pair;
    this.near = pair.near;
    this.far = pair.far;
    this.clock = parts.clock;
    this.ledger = parts.ledger;
    this.options = parts.options;
  }

  /** The same bench for another pair. */
  beside(pair: ConnPair): Bench {
    return new Bench(pair, this);
  }

  /** Lets whatever can happen now happen for a while. */
  async step(): Promise<void> {
    await (this.pair.settle?.() ?? turn());
  }

  /** Lets pass what would have happened by now, for claims that something does not. */
  async quiet(): Promise<void> {
    const turns = this.options.time === "real" ? QUIET_TURNS_REAL : QUIET_TURNS;
    for (let count = 0; count < turns; count++) await this.step();
  }

  /** The result of `promise`, which must come without time passing. */
  async wait<T>(promise: Promise<T> | Tracked<T>, what: string): Promise<T> {
    const tracked = "promise" in promise ? promise : track(promise);
    if (this.options.time === "real") await watched(tracked, what);
    for (let turns = 0; turns < TURNS_MAX && tracked.state === "pending"; turns++) await this.step();
    return result(tracked, what);
  }

  /** As {@link wait}, for what may take a linger or a time-out of the implementation. */
  async waitLong<T>(promise: Promise<T> | Tracked<T>, what: string): Promise<T> {
    const tracked = "promise" in promise ? promise : track(promise);
    if (this.options.time === "real") return await this.wait(tracked, what);
    for (let turns = 0; turns < TURNS_MAX / 10 && tracked.state === "pending"; turns++) await this.step();
    const advance = this.pair.advance ?? ((ms: number) => this.clock.advance(ms));
    for (let steps = 0; steps < STEPS_MAX && tracked.state === "pending"; steps++) await advance(STEP_MS);
    return result(tracked, what);
  }

  /** What `promise` rejects with, which must come without time passing. */
  async failure(promise: Promise<unknown> | Tracked<unknown>, what: string): Promise<unknown> {
    const tracked = "promise" in promise ? promise : track(promise);
    await this.wait(tracked.promise.then(() => {}, () => {}), what);
    assert.equal(tracked.state, "rejected", `${what}: fulfilled, where a rejection was expected`);
    return tracked.reason;
  }

  /** Fails unless `promise` rejects with a `ConnClosedError` whose cause is `reason`. */
  async assertClosed(
    promise: Promise<unknown> | Tracked<unknown>,
    reason: unknown,
    what: string,
  ): Promise<void> {
    const error = await this.failure(promise, what);
    assert.ok(error instanceof ConnClosedError, `${what}: ${error}, where ConnClosedError was expected`);
    assert.equal(error.cause, reason, `${what}: the cause is not the reason of the close`);
  }

  /** The next view, checked, or null. */
  async read(conn: Conn): Promise<Uint8Array | null> {
    const view = await this.wait(conn.read(), "a read");
    assertView(view);
    return view;
  }

  /** Reads `length` bytes, checked against the pattern from `offset` on, and not one more. */
  async readPattern(conn: Conn, pattern: Pattern, { offset = 0, length }: Range): Promise<void> {
    for (let at = offset; at < offset + length;) {
      const view = await this.read(conn);
      assert.ok(view !== null, `The end came after ${at - offset} of ${length} bytes`);
      assert.ok(at + view.length <= offset + length, "More bytes than were written");
      pattern.check(view, at);
      at += view.length;
    }
  }

  /** Fails unless the next reads all are the end. */
  async assertEnd(conn: Conn): Promise<void> {
    for (const which of ["first", "second", "third"]) {
      assert.equal(await this.read(conn), null, `The ${which} read at the end`);
    }
  }

  /**
   * Writes 64 KiB at a time until a write waits. Fails when more than the bound is taken in. The last of
   * `writes` is the one that waits.
   */
  async fill(conn: Conn, pattern: Pattern): Promise<{ writes: Tracked<void>[]; bytes: number }> {
    const writes: Tracked<void>[] = [];
    for (let bytes = 0;;) {
      const write = track(conn.write(pattern.bytes(bytes, FILL_BYTES)));
      writes.push(write);
      bytes += FILL_BYTES;
      const turns = this.options.time === "real" ? QUIET_TURNS_REAL : QUIET_TURNS;
      for (let count = 0; count < turns && write.state === "pending"; count++) await this.step();
      if (write.state === "pending") return { writes, bytes };
      if (write.state === "rejected") throw write.reason;
      assert.ok(
        bytes <= this.options.takenInBytesMax,
        `${bytes} bytes taken in while nobody reads; the bound is ${this.options.takenInBytesMax}`,
      );
    }
  }
}

const FILL_BYTES = 64 * 1024;

interface Range {
  readonly offset?: number;
  readonly length: number;
}

/** Fails for a view that no read may give. */
export function assertView(view: Uint8Array | null): void {
  if (view === null) return;
  assert.ok(view.length > 0, "A read gave an empty view");
  assert.ok(view.length <= READ_BYTES_MAX, `A read gave ${view.length} bytes at once`);
}

/** Bytes that say where in which stream they are: a lost, doubled or foreign one is seen. */
export class Pattern {
  constructor(readonly salt: number) {}

  at(offset: number): number {
    return (offset * 31 + (offset >>> 8) * 17 + (offset >>> 16) * 7 + this.salt) & 0xff;
  }

  fill(bytes: Uint8Array, offset: number): Uint8Array {
    for (let index = 0; index < bytes.length; index++) bytes[index] = this.at(offset + index);
    return bytes;
  }

  bytes(offset: number, length: number): Uint8Array {
    return this.fill(new Uint8Array(length), offset);
  }

  check(bytes: Uint8Array, offset: number): void {
    for (let index = 0; index < bytes.length; index++) {
      if (bytes[index] !== this.at(offset + index)) {
        assert.fail(`Wrong byte at ${offset + index} of the stream`);
      }
    }
  }
}

/** Numbers from a seed (mulberry32), below `max`. */
export function seededBelow(seed: number): (max: number) => number {
  let state = seed;
  return (max) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % max;
  };
}

async function watched(tracked: Tracked<unknown>, what: string): Promise<void> {
  let watchdog: ReturnType<typeof setTimeout> | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    watchdog = setTimeout(() => reject(new Error(`${what} did not settle`)), WATCHDOG_MS);
  });
  try {
    await Promise.race([tracked.promise.then(() => {}, () => {}), tooLong]);
  } finally {
    clearTimeout(watchdog);
  }
}

function result<T>(tracked: Tracked<T>, what: string): T {
  if (tracked.state === "rejected") throw tracked.reason;
  assert.equal(tracked.state, "fulfilled", `${what} did not settle`);
  return tracked.value as T;
}
