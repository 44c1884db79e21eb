import assert from "node:assert/strict";
import { EventQueue, type QueuedEvent } from "../../lib/runtime/simulated/event_queue.ts";

Deno.test("EventQueue gives 2,000 events in (time, number) order and never a cancelled one", () => {
  const queue = new EventQueue();
  const kept: QueuedEvent[] = [];
  let state = 12345;
  for (let index = 0; index < 4_000; index++) {
    state = (state * 1103515245 + 12345) % 2147483648;
    const event = queue.schedule(state % 97, () => {});
    if (index % 2 === 0) kept.push(event);
    else queue.cancel(event);
  }
  assert.equal(queue.size, 2_000);
  kept.sort((a, b) => a.atMs - b.atMs || a.number - b.number);
  for (const event of kept) {
    assert.equal(queue.nextAtMs(), event.atMs);
    assert.equal(queue.take(), event);
  }
  assert.equal(queue.take(), undefined);
  assert.equal(queue.nextAtMs(), undefined);
});

Deno.test("EventQueue.cancel() of a taken event changes nothing", () => {
  const queue = new EventQueue();
  const first = queue.schedule(1, () => {});
  queue.schedule(2, () => {});
  queue.take();
  queue.cancel(first);
  assert.equal(queue.size, 1);
  assert.equal(queue.take()?.atMs, 2);
});
