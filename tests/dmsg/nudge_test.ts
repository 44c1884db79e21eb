/** Nudge: one ring is remembered, many are one, and nothing of a wait stays behind. orAbort() and withLinger(). */
import assert from "node:assert/strict";
import { Ledger } from "../../lib/base/mod.ts";
import { orAbort, withLinger } from "../../lib/dmsg/_abortable.ts";
import { Nudge } from "../../lib/runtime/mod.ts";
import { inNetwork } from "./client_support.ts";

const never = new AbortController().signal;

Deno.test("Nudge.wait() ends at a ring, at the time, or at the signal", () =>
  inNetwork(1, async (network) => {
    const { clock, ledger } = network.world("a");
    const nudge = new Nudge();
    assert.equal(await nudge.wait(clock, 50, never), false);
    assert.equal(network.simulation.nowMs, 50);
    nudge.ring();
    nudge.ring();
    assert.equal(await nudge.wait(clock, 50, never), true, "remembered");
    assert.equal(network.simulation.nowMs, 50);
    const waiting = nudge.wait(clock, 1_000, never);
    nudge.ring();
    nudge.ring();
    assert.equal(await waiting, true);
    assert.equal(await nudge.wait(clock, 10, never), true, "the second came after the wait had ended");
    assert.equal(await nudge.wait(clock, 10, never), false, "and there was no third");
    const ending = new AbortController();
    const aborted = nudge.wait(clock, 1_000, ending.signal);
    ending.abort(new Error("enough"));
    await assert.rejects(aborted, { message: "enough" });
    await assert.rejects(nudge.wait(clock, 1_000, ending.signal), { message: "enough" });
    nudge.ring();
    await assert.rejects(nudge.wait(clock, 0, ending.signal), { message: "enough" });
    assert.deepEqual(ledger.live(), {});
    assert.ok(ledger instanceof Ledger);
  }));

Deno.test("orAbort() gives up a wait and leaves what is waited for alone", async () => {
  const shared = Promise.withResolvers<number>();
  const ending = new AbortController();
  const given = orAbort(shared.promise, ending.signal);
  const kept = orAbort(shared.promise, undefined);
  ending.abort(new Error("enough"));
  await assert.rejects(given, { message: "enough" });
  await assert.rejects(orAbort(shared.promise, ending.signal), { message: "enough" });
  shared.resolve(7);
  assert.equal(await kept, 7);
  assert.equal(await orAbort(shared.promise, never), 7);
  await assert.rejects(orAbort(Promise.reject(new Error("failed")), never), { message: "failed" });
});

Deno.test("withLinger() follows its signal later, and not at all when the work is done before", () =>
  inNetwork(2, async (network) => {
    const { clock, ledger } = network.world("a");
    const ending = new AbortController();
    const seen: number[] = [];
    const work = withLinger(clock, { lingerMs: 500, signal: ending.signal }, async (signal) => {
      signal.addEventListener("abort", () => seen.push(network.simulation.nowMs));
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      signal.throwIfAborted();
    });
    await network.sleep(100);
    ending.abort(new Error("enough"));
    await assert.rejects(work, { message: "enough" });
    assert.deepEqual(seen, [600]);
    const done = new AbortController();
    const quick = withLinger(clock, { lingerMs: 500, signal: done.signal }, () => network.sleep(100));
    done.abort();
    await quick;
    assert.equal(network.simulation.nowMs, 700);
    assert.deepEqual(ledger.live(), {});
  }));
