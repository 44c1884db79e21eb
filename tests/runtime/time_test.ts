/** Waiting on a clock leaves nothing behind, above all no listener on a signal that lives as long as the program. */
import assert from "node:assert/strict";
import { Ledger, TimedOutError } from "../../lib/base/mod.ts";
import { sleep, withTimeout } from "../../lib/runtime/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { CountedSignal } from "../support/listeners.ts";

function setUp() {
  const ledger = new Ledger();
  const signal = new CountedSignal();
  return { ledger, signal, clock: new VirtualClock({ ledger }) };
}

Deno.test("sleep() takes its listener back when it wakes", async () => {
  const { clock, ledger, signal } = setUp();
  const sleeping = sleep(clock, 10, signal.signal);
  assert.equal(signal.count, 1);
  await clock.advance(10);
  await sleeping;
  assert.equal(signal.count, 0);
  assert.deepEqual(ledger.live(), {});
});

Deno.test("withTimeout() takes its timer and listener back, however the work ends", async () => {
  const { clock, ledger, signal } = setUp();
  const options = { what: "The work", afterMs: 10, signal: signal.signal, hint: "wait longer" };
  const planted = new RangeError("planted");
  assert.equal(await withTimeout(clock, options, () => Promise.resolve(5)), 5);
  await assert.rejects(withTimeout(clock, options, () => Promise.reject(planted)), planted);
  await assert.rejects(
    withTimeout(clock, options, () => {
      throw planted;
    }),
    planted,
  );
  const late = withTimeout(clock, options, (signal) => sleep(clock, 60_000, signal));
  assert.equal(signal.count, 1);
  const rejected = assert.rejects(late, (error) => {
    assert(error instanceof TimedOutError);
    assert.deepEqual([error.afterMs, error.hint], [10, "wait longer"]);
    return true;
  });
  await clock.advance(10);
  await rejected;
  assert.equal(signal.count, 0);
  assert.deepEqual(ledger.live(), {});
});

Deno.test("withTimeout() gives no TimedOutError before its time, and the reason of a signal as it is", async () => {
  const { clock } = setUp();
  const controller = new AbortController();
  const options = { what: "The work", afterMs: 10, signal: controller.signal };
  const work = withTimeout(clock, options, (signal) => sleep(clock, 60_000, signal));
  await clock.advance(9);
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(work, (error) => error === reason);
  await assert.rejects(withTimeout(clock, options, () => assert.fail("ran")), (error) => error === reason);
});
