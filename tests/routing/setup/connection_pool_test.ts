import assert from "node:assert/strict";
import { type Conn, Ledger, memoryPair } from "../../../lib/base/mod.ts";
import {
  ConnectionPool,
  POOL_CONNECTIONS_MAX,
  POOL_LIFE_MS,
  POOL_PER_VISOR_MAX,
  SETUP_CONNECTION,
  SETUP_LEASE,
} from "../../../lib/routing/setup/_connection_pool.ts";
import { SETUP_REQUEST_TIMEOUT_MS } from "../../../lib/routing/setup/_request_limit.ts";
import { SETUP_CALLS_MS } from "../../../lib/routing/setup/setup_calls.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { assertNothingAlive } from "../../support/world.ts";
import { key, outcomeOf } from "./_fake_visors.ts";

function rig() {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const pool = new ConnectionPool({ clock, ledger });
  const far: Conn[] = [];
  const dial = () => {
    const [near, other] = memoryPair({ ledger });
    far.push(other);
    return near;
  };
  return { ledger, clock, pool, far, dial };
}

/** A connection whose end takes until `free`. */
function stuck(conn: Conn): { conn: Conn; free: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    conn: {
      halfClose: conn.halfClose,
      closed: promise,
      read: () => conn.read(),
      write: (bytes) => conn.write(bytes),
      closeWrite: () => conn.closeWrite(),
      close: (reason) => conn.close(reason),
    },
    free: resolve,
  };
}

Deno.test("RT-5: a connection is taken out while in use, given back, and given up after 5 min", async () => {
  const { ledger, clock, pool, far, dial } = rig();
  const lease = pool.adopt(key("bob"), dial());
  assert.deepEqual([lease.wasPooled, pool.idleCount], [false, 0]);
  pool.release(lease);
  assert.equal(pool.idleCount, 1);
  const again = pool.take(key("bob"))!;
  assert.deepEqual([again.client === lease.client, again.wasPooled, pool.idleCount], [true, true, 0]);
  assert.equal(pool.take(key("bob")), undefined); // one user at a time
  pool.release(again);
  // Something to read now and then: else the connection would be at its end after 2 min.
  await clock.advance(2 * 60_000);
  assert.equal(pool.take(key("bob")), undefined);
  await clock.advance(30_000);
  assert.equal(pool.idleCount, 0);
  for (const conn of far) conn.close();
  const closing = outcomeOf(pool.close());
  await clock.advance(0);
  assert.equal(closing.done, true);
  assertNothingAlive(ledger);
});

Deno.test("connections are counted while they are open, and leases while they are in somebody's hands", async () => {
  const { ledger, clock, pool, far, dial } = rig();
  const counts = () => [ledger.count(SETUP_CONNECTION), ledger.count(SETUP_LEASE), pool.idleCount];
  const [one, other] = [pool.adopt(key("bob"), dial()), pool.adopt(key("bob"), dial())];
  assert.deepEqual(counts(), [2, 2, 0]);
  pool.release(one);
  assert.deepEqual(counts(), [2, 1, 1]);
  const again = pool.take(key("bob"))!;
  assert.deepEqual(counts(), [2, 2, 0]);
  pool.discard(other);
  await clock.advance(0);
  assert.deepEqual(counts(), [1, 1, 0]);
  far[0]!.close(new Error("The visor is gone")); // in somebody's hands
  await clock.advance(0);
  assert.deepEqual(counts(), [0, 1, 0]);
  for (const conn of far) conn.close();
  pool.release(again); // it is not kept
  await pool.close();
  assert.deepEqual(counts(), [0, 0, 0]);
  assertNothingAlive(ledger);
});

Deno.test("a kept connection is not given out when its visor may end it under a request, however often it was used", async () => {
  const { ledger, clock, pool, far, dial } = rig();
  pool.release(pool.adopt(key("bob"), dial()));
  await clock.advance(60_000);
  pool.release(pool.take(key("bob"))!);
  await clock.advance(POOL_LIFE_MS - 60_001);
  pool.release(pool.take(key("bob"))!);
  await clock.advance(1);
  assert.equal(pool.take(key("bob")), undefined);
  assert.equal(pool.idleCount, 0);
  assert.ok(POOL_LIFE_MS + SETUP_REQUEST_TIMEOUT_MS < SETUP_CALLS_MS);
  for (const conn of far) conn.close();
  const closing = outcomeOf(pool.close());
  await clock.advance(0);
  assert.equal(closing.done, true);
  assertNothingAlive(ledger);
});

Deno.test("RT-5: a dead connection that never ends holds up nobody but the pool's own close", async () => {
  const { ledger, clock, pool, far, dial } = rig();
  const dead = stuck(dial());
  pool.release(pool.adopt(key("bob"), dead.conn));
  pool.release(pool.adopt(key("carol"), dial()));
  await clock.advance(2 * 60_000 + 30_000); // both are silent, and swept
  assert.equal(pool.idleCount, 0);
  pool.release(pool.adopt(key("dave"), dial()));
  const daves = pool.take(key("dave"))!;
  assert.equal(daves.wasPooled, true);
  const lease = pool.adopt(key("bob"), dial());
  pool.discard(lease);
  const closing = outcomeOf(pool.close());
  await clock.advance(0);
  assert.equal(closing.done, false);
  dead.free();
  for (const conn of far) conn.close();
  await clock.advance(0);
  assert.equal(closing.done, true);
  await clock.advance(2 * 60_000);
  pool.release(daves); // it was taken, and its user's all the while
  assertNothingAlive(ledger);
});

Deno.test("a connection that its visor ended is not given out, and one given back after the close ends", async () => {
  const { ledger, clock, pool, far, dial } = rig();
  pool.release(pool.adopt(key("bob"), dial()));
  far[0]!.close();
  await clock.advance(0);
  assert.equal(pool.take(key("bob")), undefined);
  const late = pool.adopt(key("bob"), dial());
  const closing = outcomeOf(pool.close());
  await clock.advance(0);
  assert.equal(closing.done, true);
  pool.release(late);
  far[1]!.close();
  await clock.advance(0);
  assert.deepEqual([late.client.isOpen, pool.idleCount], [false, 0]);
  assertNothingAlive(ledger);
});

Deno.test("unused connections are few for one visor, and bounded in all", async () => {
  const { ledger, clock, pool, far, dial } = rig();
  const leases = Array.from({ length: POOL_PER_VISOR_MAX + 2 }, () => pool.adopt(key("bob"), dial()));
  for (const lease of leases) pool.release(lease);
  assert.equal(pool.idleCount, POOL_PER_VISOR_MAX);
  assert.deepEqual(leases.map(({ client }) => client.isOpen), [false, false, true, true, true, true]);
  for (let at = 0; at < POOL_CONNECTIONS_MAX; at++) {
    pool.release(pool.adopt(`visor ${at}` as never, dial()));
    assert(pool.idleCount <= POOL_CONNECTIONS_MAX);
  }
  assert.equal(pool.take(key("bob")), undefined); // the one used longest ago
  const closing = outcomeOf(pool.close());
  for (const conn of far) conn.close();
  await clock.advance(0);
  assert.equal(closing.done, true);
  assertNothingAlive(ledger);
});
