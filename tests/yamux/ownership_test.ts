/** What a session owes to its connection: buffers that stay its own while they are written, and its end. */
import assert from "node:assert/strict";
import { ConnClosedError, ConnResetError, Ledger } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { YamuxSession } from "../../lib/yamux/mod.ts";
import { KeepingConn } from "../support/keeping_conn.ts";
import { drainPool, isAnyInPool } from "../support/pool.ts";
import { watch } from "./support.ts";

/** A session with one batch in flight, which is never taken, and the next one filling. */
async function stuckSession() {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const conn = new KeepingConn();
  const session = new YamuxSession(conn, { role: "client", world: { clock, ledger }, onStream() {} });
  const stream = session.open();
  await clock.advance(0);
  assert.equal(conn.kept.length, 1); // the SYN
  await stream.write(new Uint8Array(100));
  drainPool(conn.kept[0]!.buffer.byteLength);
  const end = async () => {
    conn.settleClosed();
    await session.closed;
    assert.deepEqual(ledger.live(), {});
  };
  return { clock, conn, session, end };
}

Deno.test("a batch whose write failed is never pooled: the connection may still read it", async () => {
  const { clock, conn, session, end } = await stuckSession();
  session.close(new Error("abort"));
  await clock.advance(0);
  assert.equal(conn.kept.length, 1); // an abort sends nothing more
  assert.equal(isAnyInPool(conn.kept[0]!), false);
  await end();
});

Deno.test("the last batch of a close is never pooled, nor is the one before it", async () => {
  const { clock, conn, session, end } = await stuckSession();
  session.close();
  assert.equal(conn.kept.length, 2);
  assert.equal(isAnyInPool(...conn.kept), false);
  await clock.advance(0);
  assert.equal(isAnyInPool(...conn.kept), false);
  await end();
});

Deno.test("an abort after close() reaches the connection, and cuts its linger short", async () => {
  const { conn, session, end } = await stuckSession();
  const reason = new Error("now");
  session.close();
  session.close(); // says nothing new
  assert.deepEqual(conn.closes, [undefined]);
  session.close(reason);
  assert.deepEqual(conn.closes, [undefined, reason]);
  await assert.rejects(
    session.ping(),
    (error) => error instanceof ConnClosedError && error.cause === undefined,
  );
  await end();
});

Deno.test("a session is closed when its connection is, not before", async () => {
  const { clock, session, end } = await stuckSession();
  const closed = watch(session.closed);
  session.close(new Error("abort"));
  await clock.advance(0);
  assert.equal(closed.state, "pending");
  await end();
});

Deno.test("a write that fails ends the session at once, though its read still waits", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const reset = new ConnResetError();
  const conn = Object.assign(new KeepingConn(), { write: () => Promise.reject(reset) });
  const session = new YamuxSession(conn, { role: "client", world: { clock, ledger }, onStream() {} });
  const stream = session.open();
  const reading = assert.rejects(stream.read(), { cause: reset });
  await clock.advance(0);
  await reading;
  assert.equal(session.failure, reset);
  assert.deepEqual(conn.closes, [reset]);
  conn.settleClosed();
  await session.closed;
  assert.deepEqual(ledger.live(), {});
});
