/** WriteQueue: order, parts, and who is told what and when. */
import assert from "node:assert/strict";
import { WriteQueue } from "../../lib/base/mod.ts";

const bytes = (...values: number[]) => new Uint8Array(values);

/** How each of the promises ended so far: "waits", "done", or the reason of its failure. */
function endings(promises: readonly Promise<void>[]): { readonly now: () => Promise<unknown[]> } {
  const ended: unknown[] = promises.map(() => "waits");
  for (const [index, promise] of promises.entries()) {
    promise.then(() => ended[index] = "done", (reason) => ended[index] = reason);
  }
  return {
    async now() {
      await Promise.resolve(); // and then() runs
      await Promise.resolve();
      return [...ended];
    },
  };
}

Deno.test("an empty queue has nothing to send", () => {
  const queue = new WriteQueue();
  assert.deepEqual([queue.isEmpty, queue.count, queue.peek().length, queue.peek(10).length], [true, 0, 0, 0]);
  queue.fail("nobody hears");
  assert.equal(queue.isEmpty, true);
});

Deno.test("writes leave in order, in parts, and each caller is told at its last byte", async () => {
  const queue = new WriteQueue();
  const ended = endings([queue.push(bytes(1, 2, 3)), queue.push(bytes(4)), queue.push(bytes(5, 6))]);
  const seen: number[] = [];
  for (const bytesMax of [2, 2, 2, 1, 1]) {
    const part = queue.peek(bytesMax);
    assert.ok(part.length <= bytesMax, "never more than was asked for");
    seen.push(...part);
    queue.sent(part.length);
    const done = seen.length >= 6 ? 3 : seen.length >= 4 ? 2 : seen.length >= 3 ? 1 : 0;
    assert.deepEqual(await ended.now(), [0, 1, 2].map((index) => index < done ? "done" : "waits"));
  }
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6]);
  assert.equal(queue.isEmpty, true);
});

Deno.test("fewer bytes than were looked at may be sent", () => {
  const queue = new WriteQueue();
  void queue.push(bytes(1, 2, 3, 4));
  assert.deepEqual(queue.peek(3), bytes(1, 2, 3));
  queue.sent(1);
  assert.deepEqual(queue.peek(), bytes(2, 3, 4));
  assert.equal(queue.leftOf(0), 3);
});

Deno.test("a whole write is given as it is: not even a view is made, and nothing is copied", () => {
  const queue = new WriteQueue();
  const given = bytes(1, 2, 3);
  void queue.push(given);
  assert.equal(queue.peek(), given);
  assert.equal(queue.peek(3), given);
  assert.equal(queue.peek(2).buffer, given.buffer);
});

Deno.test("a write of which a part went already begins behind it", async () => {
  const queue = new WriteQueue();
  const ended = endings([queue.push(bytes(1, 2, 3), 2)]);
  assert.equal(queue.leftOf(0), 1);
  assert.deepEqual(queue.peek(), bytes(3));
  queue.sent(1);
  assert.deepEqual(await ended.now(), ["done"]);
});

Deno.test("a taken write is told by whoever took it, also when the rest fails meanwhile", async () => {
  const queue = new WriteQueue();
  const ended = endings([queue.push(bytes(1)), queue.push(bytes(2)), queue.push(bytes(3, 4))]);
  const [first, second] = [queue.take(1)!, queue.take(1)!];
  assert.equal(queue.take(1), undefined, "not whole yet");
  assert.equal(queue.count, 1);
  assert.deepEqual(await ended.now(), ["waits", "waits", "waits"]);
  queue.fail("broken");
  assert.deepEqual(await ended.now(), ["waits", "waits", "broken"]);
  first.resolve();
  second.reject("broken, too");
  assert.deepEqual(await ended.now(), ["done", "broken, too", "broken"]);
});

Deno.test("who writes again when told of a failure waits anew, and is not failed with the others", async () => {
  const queue = new WriteQueue();
  const again = queue.push(bytes(1)).catch(() => queue.push(bytes(2)));
  queue.fail(new Error("broken"));
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual([queue.count, queue.peek()], [1, bytes(2)]);
  queue.sent(1);
  await again;
});
