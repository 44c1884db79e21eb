/** A listener's queue: bounded, in order, and nothing in it outlives its close. */
import assert from "node:assert/strict";
import { ConnClosedError, Ledger, memoryPair } from "../../lib/base/mod.ts";
import type { ProvenKey } from "../../lib/crypto/mod.ts";
import { DmsgStream, Listener, LISTENER_QUEUE_MAX } from "../../lib/dmsg/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { keyOf } from "./_recording.ts";

/** Streams over pairs in memory, counted. */
function streams() {
  const ledger = new Ledger();
  return {
    ledger,
    make(port = 1) {
      const [near, far] = memoryPair({ ledger });
      far.close();
      const remote = { publicKey: keyOf("b") as ProvenKey, port };
      return new DmsgStream(near, { publicKey: keyOf("a"), port: 80 }, remote, keyOf("server"));
    },
  };
}

Deno.test("Listener hands streams over in order, waiting or not", async () => {
  const { make, ledger } = streams();
  const listener = new Listener(80, () => {});
  const waiting = listener.accept();
  const made = [make(), make(), make()];
  for (const stream of made) {
    assert.equal(listener.reserve(), true);
    listener.deliver(stream);
  }
  const got = [await waiting, await listener.accept(), await listener.accept()];
  assert.deepEqual(got.map((stream) => made.indexOf(stream!)), [0, 1, 2]);
  for (const stream of made) stream.close();
  assertNothingAlive(ledger);
});

Deno.test("Listener has room for 256 streams, promised ones included", async () => {
  const { make, ledger } = streams();
  const listener = new Listener(80, () => {});
  assert.equal(LISTENER_QUEUE_MAX, 256);
  for (let count = 0; count < LISTENER_QUEUE_MAX - 1; count++) {
    assert.equal(listener.reserve(), true);
    listener.deliver(make());
  }
  assert.equal(listener.reserve(), true);
  assert.equal(listener.reserve(), false, "the last place is promised");
  listener.release();
  assert.equal(listener.reserve(), true);
  listener.deliver(make());
  assert.equal(listener.reserve(), false, "the queue is full");
  (await listener.accept())!.close();
  assert.equal(listener.reserve(), true);
  listener.release();
  listener.close();
  assertNothingAlive(ledger);
});

Deno.test("Listener.close() ends what waits, frees the port once, and takes nothing more", async () => {
  const { make, ledger } = streams();
  const freed: Listener[] = [];
  const listener = new Listener(80, (closed) => void freed.push(closed));
  const accepted = make();
  listener.reserve();
  listener.deliver(accepted);
  assert.equal(await listener.accept(), accepted);
  const [queued, late] = [make(), make()];
  listener.reserve();
  listener.deliver(queued);
  assert.equal(listener.reserve(), true, "a handshake under way");
  listener.close();
  listener.close();
  assert.deepEqual(freed, [listener]);
  assert.equal(listener.isClosed, true);
  assert.equal(listener.reserve(), false);
  await assert.rejects(queued.read(), ConnClosedError);
  listener.deliver(late);
  await assert.rejects(late.read(), ConnClosedError);
  assert.equal(await listener.accept(), null);
  assert.equal(await accepted.read(), null, "accepted streams live on: this one reads its peer's end");
  accepted.close();
  assertNothingAlive(ledger);
});

Deno.test("Listener.close() wakes who waits, and one accept waits at a time", async () => {
  const listener = new Listener(80, () => {});
  const waiting = listener.accept();
  await assert.rejects(listener.accept(), TypeError);
  listener.close();
  assert.equal(await waiting, null);
  assert.equal(await listener.accept(), null);
});
