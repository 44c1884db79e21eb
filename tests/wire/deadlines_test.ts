/** Deadlines of a Conn, on a clock that the test moves. @module */
import assert from "node:assert/strict";
import {
  bridge,
  ConnClosedError,
  ConnResetError,
  Ledger,
  memoryPair,
  TimedOutError,
} from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { type Deadlines, withDeadlines } from "../../lib/wire/mod.ts";

function guardedPair(deadlines: Deadlines) {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [inner, far] = memoryPair({ ledger, bytesMax: 8 });
  return { ledger, clock, inner, far, near: withDeadlines(inner, clock, deadlines) };
}

/** What a promise rejects with; a promise that fulfils fails the test. */
async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new assert.AssertionError({ message: "Fulfilled, where a rejection was expected" });
}

function assertTimedOut(error: Error, afterMs: number): void {
  assert.ok(error instanceof ConnClosedError, String(error));
  assert.ok(error.cause instanceof TimedOutError, String(error.cause));
  assert.equal(error.cause.afterMs, afterMs);
}

Deno.test("withDeadlines() aborts the Conn when a read waits too long", async () => {
  const { clock, near, far, ledger } = guardedPair({ readIdleMs: 1_000 });
  const reading = failureOf(near.read());
  await clock.advance(999);
  assert.deepEqual(ledger.live(), { "memory-conn": 2, "timer": 1 });
  await clock.advance(1);
  assertTimedOut(await reading, 1_000);
  assertTimedOut(await failureOf(near.write(new Uint8Array(1))), 1_000);
  assert.ok(await failureOf(far.read()) instanceof ConnResetError);
  far.close();
  await near.closed;
  assert.deepEqual(ledger.live(), {});
});

Deno.test("withDeadlines() counts from the last byte, with one timer that is set again only when it fires", async () => {
  const { clock, near, far, ledger } = guardedPair({ readIdleMs: 1_000 });
  let set = 0;
  const timer = clock.timer.bind(clock);
  clock.timer = (delayMs, fire) => {
    set++;
    return timer(delayMs, fire);
  };
  for (let round = 0; round < 20; round++) {
    const reading = near.read();
    await clock.advance(300);
    await far.write(Uint8Array.of(round));
    assert.deepEqual(await reading, Uint8Array.of(round));
  }
  assert.ok(set <= 7, `${set} timers for 6 s of traffic`);
  const silent = failureOf(near.read());
  await clock.advance(999);
  assert.equal(ledger.count("timer"), 1);
  await clock.advance(1);
  assertTimedOut(await silent, 1_000);
  far.close();
  assert.deepEqual(ledger.live(), {});
});

Deno.test("withDeadlines() lets time stand still while nobody reads", async () => {
  const { clock, near, far, ledger } = guardedPair({ readIdleMs: 1_000 });
  await far.write(Uint8Array.of(1));
  await near.read();
  await clock.advance(60_000);
  assert.equal(ledger.count("timer"), 0); // nothing is waited for, so nothing is set
  await far.write(Uint8Array.of(2));
  assert.deepEqual(await near.read(), Uint8Array.of(2));
  near.close();
  far.close();
  assert.deepEqual(ledger.live(), {});
});

Deno.test("withDeadlines() aborts when the oldest write or the end does not settle in time", async () => {
  const { clock, near, far, ledger } = guardedPair({ writeMs: 500 });
  const writes = [1, 2, 3].map(() => near.write(new Uint8Array(8)));
  await writes[0];
  await clock.advance(400);
  await far.read(); // room for the second write: the third is the oldest from now on
  await writes[1];
  const stuck = failureOf(writes[2]!);
  await clock.advance(499);
  assert.equal(ledger.count("memory-conn"), 2);
  await clock.advance(1);
  assertTimedOut(await stuck, 500);
  assert.equal(ledger.count("timer"), 0);
  far.close();
  assert.deepEqual(ledger.live(), {});
});

Deno.test("withDeadlines() leaves no timer after a close, the peer's end, or a reset", async () => {
  for (const ending of ["close", "abort", "end", "reset"] as const) {
    const { clock, near, far, ledger } = guardedPair({ readIdleMs: 1_000, writeMs: 1_000 });
    const reading = near.read().catch((error) => error);
    const writing = near.write(new Uint8Array(9)).catch((error) => error);
    assert.equal(ledger.count("timer"), 2);
    if (ending === "close") near.close();
    if (ending === "abort") near.close(new Error("enough"));
    if (ending === "end") {
      await far.read();
      await far.closeWrite();
      assert.equal(await reading, null);
      await writing;
      await clock.advance(1_000); // the write's timer finds nothing to watch
    }
    if (ending === "reset") {
      far.close(new Error("reset"));
      await Promise.all([reading, writing]);
      near.close();
    }
    await Promise.all([reading, writing]);
    assert.equal(ledger.count("timer"), 0, ending);
    near.close();
    far.close();
    assert.deepEqual(ledger.live(), {}, ending);
  }
});

Deno.test("withDeadlines() refuses a second read and watches the first on", async () => {
  const { clock, near, far, ledger } = guardedPair({ readIdleMs: 1_000 });
  const first = failureOf(near.read());
  await clock.advance(600);
  await assert.rejects(near.read(), TypeError);
  await clock.advance(400);
  assertTimedOut(await first, 1_000);
  far.close();
  assert.deepEqual(ledger.live(), {});
});

Deno.test("withDeadlines() without a limit is the Conn itself", () => {
  const { near, inner, far } = guardedPair({});
  assert.equal(near, inner);
  near.close();
  far.close();
});

Deno.test("withDeadlines() does not blame a peer for the slowness of the other side of a bridge", async () => {
  const { clock, near, far, ledger } = guardedPair({ readIdleMs: 1_000 });
  const [slow, slowFar] = memoryPair({ ledger, bytesMax: 4 });
  const bridged = bridge(near, slow, { together: true });
  await far.write(new Uint8Array(8));
  await clock.advance(30_000); // the bridge waits in its write: not for the peer
  assert.equal(ledger.count("memory-conn"), 4);
  far.close();
  for (let left = 8; left > 0;) left -= (await slowFar.read())!.length;
  await bridged;
  slowFar.close();
  assert.deepEqual(ledger.live(), {});
});
