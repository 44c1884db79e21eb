import assert from "node:assert/strict";
import { Ledger } from "../../lib/base/mod.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import { VIRTUAL_START_MS, VirtualClock } from "../../lib/runtime/simulated/mod.ts";

Deno.test("VirtualClock fires timers in the order of their time, then of their setting", async () => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  clock.timer(20, () => fired.push("c"));
  clock.timer(10, () => fired.push("a"));
  clock.timer(10, () => fired.push("b"));
  clock.timer(30, () => fired.push("late"));
  await clock.advance(25);
  assert.deepEqual(fired, ["a", "b", "c"]);
  assert.equal(clock.monotonicMs(), 25);
  assert.equal(clock.wallMs(), VIRTUAL_START_MS + 25);
  assert.equal(clock.pendingTimers, 1);
});

Deno.test("VirtualClock fires a timer set by a timer within the same advance, at its own time", async () => {
  const clock = new VirtualClock();
  const times: number[] = [];
  clock.timer(10, () => {
    times.push(clock.monotonicMs());
    clock.timer(5, () => times.push(clock.monotonicMs()));
  });
  await clock.advance(100);
  assert.deepEqual(times, [10, 15]);
});

Deno.test("VirtualClock lets what waited for a timer run before the next one fires", async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const waits = (async () => {
    await sleep(clock, 10);
    for (let step = 0; step < 50; step++) await Promise.resolve();
    seen.push("waited");
  })();
  clock.timer(11, () => seen.push("next"));
  await clock.advance(11);
  await waits;
  assert.deepEqual(seen, ["waited", "next"]);
});

Deno.test("VirtualClock counts pending timers and forgets cancelled ones", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const timer = clock.timer(10, () => assert.fail("a cancelled timer fired"));
  clock.timer(5, () => {});
  assert.deepEqual(ledger.live(), { timer: 2 });
  timer.cancel();
  timer.cancel();
  await clock.advance(20);
  assert.deepEqual(ledger.live(), {});
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("VirtualClock.setWallMs() moves the wall clock and leaves timers alone", async () => {
  const clock = new VirtualClock({ wallMs: 1_000 });
  let fired = 0;
  clock.timer(10, () => fired++);
  clock.setWallMs(500_000);
  await clock.advance(9);
  assert.equal(fired, 0);
  assert.equal(clock.wallMs(), 500_009);
  await clock.advance(1);
  assert.equal(fired, 1);
});

Deno.test("VirtualClock.advance() rejects with what a timer threw", async () => {
  const clock = new VirtualClock();
  clock.timer(1, () => {
    throw new RangeError("planted");
  });
  await assert.rejects(clock.advance(1), { message: "planted" });
});
