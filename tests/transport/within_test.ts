/** One step of a link's making: how its connection ends. @module */
import assert from "node:assert/strict";
import { type Conn, Ledger, memoryPair } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { Told, within } from "../../lib/transport/_within.ts";

/** A connection, and the reasons that it was closed with. */
function setUp() {
  const clock = new VirtualClock({ ledger: new Ledger() });
  const [conn] = memoryPair();
  const reasons: unknown[] = [];
  const watched: Conn = {
    halfClose: conn.halfClose,
    closed: conn.closed,
    read: () => conn.read(),
    write: (bytes) => conn.write(bytes),
    closeWrite: () => conn.closeWrite(),
    close(reason) {
      reasons.push(reason);
      conn.close(reason);
    },
  };
  return { watched, reasons, options: { clock, what: "A step", afterMs: 1_000 }, clock };
}

Deno.test("a failure resets the connection, and nothing is done to it when all is well", async () => {
  const { watched, reasons, options } = setUp();
  assert.equal(await within(watched, options, () => Promise.resolve(7)), 7);
  assert.deepEqual(reasons, []);
  const failure = new Error("no");
  await assert.rejects(within(watched, options, () => Promise.reject(failure)), failure);
  assert.deepEqual(reasons, [failure]);
});

Deno.test("a failure that the peer was told of lets what was written go out", async () => {
  const { watched, reasons, options } = setUp();
  const failure = new Error("no");
  await assert.rejects(within(watched, options, () => Promise.reject(new Told(failure))), failure);
  assert.deepEqual(reasons, [undefined]);
});

Deno.test("the time and the signal close the connection, which ends what is under way", async () => {
  const late = setUp();
  const waiting = within(late.watched, late.options, () => late.watched.read());
  waiting.catch(() => {});
  await late.clock.advance(1_000);
  await assert.rejects(waiting, { code: "TIMED_OUT" });
  assert.ok(late.reasons.length > 0);

  const { watched, options, reasons } = setUp();
  const controller = new AbortController();
  const aborted = within(watched, { ...options, signal: controller.signal }, () => watched.read());
  aborted.catch(() => {});
  controller.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  assert.ok(reasons.length > 0);
});
