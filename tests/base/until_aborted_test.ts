import assert from "node:assert/strict";
import { unlessAborted, untilAborted } from "../../lib/base/mod.ts";

/** Listeners that a signal has now. */
function counted(signal: AbortSignal): { count: number } {
  const listeners = { count: 0 };
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...given: Parameters<typeof add>) => {
    listeners.count++;
    add(...given);
  };
  signal.removeEventListener = (...given: Parameters<typeof remove>) => {
    listeners.count--;
    remove(...given);
  };
  return listeners;
}

Deno.test("untilAborted() settles with the signal, or at once", async () => {
  const controller = new AbortController();
  const until = untilAborted(controller.signal);
  controller.abort();
  await until;
  await untilAborted(controller.signal);
});

Deno.test("unlessAborted() gives what the work gives, and leaves no listener", async () => {
  const { signal } = new AbortController();
  const listeners = counted(signal);
  for (let time = 0; time < 3; time++) assert.equal(await unlessAborted(signal, Promise.resolve(7)), 7);
  await assert.rejects(unlessAborted(signal, Promise.reject(new TypeError("no"))), TypeError);
  assert.equal(listeners.count, 0);
});

Deno.test("unlessAborted() waits for nothing once aborted, and a later failure is nobody's", async () => {
  const controller = new AbortController();
  const work = Promise.withResolvers<number>();
  const waiting = unlessAborted(controller.signal, work.promise);
  controller.abort();
  assert.equal(await waiting, undefined);
  assert.equal(await unlessAborted(controller.signal, new Promise(() => {})), undefined);
  work.reject(new TypeError("too late"));
  await work.promise.catch(() => {});
});
