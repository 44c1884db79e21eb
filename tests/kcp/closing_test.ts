/** How a session ends for the peer when it is closed while writes wait: whole, or with a reset; never short. */
import assert from "node:assert/strict";
import { ConnClosedError, ConnResetError, Ledger } from "../../lib/base/mod.ts";
import type { KcpConn } from "../../lib/kcp/mod.ts";
import { LINGER_MS } from "../../lib/runtime/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { kcpPair, type PathOptions } from "./support.ts";

/** More than a window under way, and all that waits for one. */
const BYTES = 400_000;

interface Rig {
  readonly clock: VirtualClock;
  /** Who closes, and who reads: by turns who dialled, and who was dialled. */
  readonly from: KcpConn;
  readonly to: KcpConn;
}

function inBothRoles(name: string, test: (rig: Rig) => Promise<void>, path: PathOptions = { latencyMs: 5 }) {
  for (const [role, at] of [["who dialled closes", 0], ["who was dialled closes", 1]] as const) {
    Deno.test(`${name} (${role})`, async () => {
      const ledger = new Ledger();
      const clock = new VirtualClock({ ledger });
      const settle = () => clock.advance(12);
      const { near, far, dispose } = await kcpPair({ clock, ledger }, path, { settle });
      const [from, to] = at === 0 ? [near, far] : [far, near];
      await test({ clock, from: from!, to: to! });
      await dispose();
      await clock.advance(0);
      assertNothingAlive(ledger);
    });
  }
}

/** What a reader comes to: bytes, then the end or an error. */
function readAll(conn: KcpConn) {
  const seen = { bytes: 0, end: undefined as unknown };
  void (async () => {
    try {
      for (let view = await conn.read(); view !== null; view = await conn.read()) seen.bytes += view.length;
      seen.end = "end";
    } catch (error) {
      seen.end = error;
    }
  })();
  return seen;
}

/** How a call ended, once it has. */
function outcome(call: Promise<unknown>) {
  const result = { state: "pending" as unknown };
  call.then(() => result.state = "done", (error) => result.state = error);
  return result;
}

inBothRoles("close() while a write waits: a peer that reads gets all of it, then the end", async (rig) => {
  const { clock, from, to } = rig;
  const seen = readAll(to);
  const write = outcome(from.write(new Uint8Array(BYTES)));
  assert.equal(write.state, "pending");
  from.close();
  await clock.advance(LINGER_MS - 1);
  assert.deepEqual(seen, { bytes: BYTES, end: "end" });
  assert.equal(write.state, "done");
  await from.closed;
});

inBothRoles(
  "close() while a write waits: a peer that reads too late gets a reset, and no end",
  async (rig) => {
    const { clock, from, to } = rig;
    const write = outcome(from.write(new Uint8Array(BYTES)));
    from.close();
    await clock.advance(LINGER_MS + 20);
    assert.ok(write.state instanceof ConnClosedError, `${write.state}`);
    const seen = readAll(to);
    await clock.advance(100);
    assert.ok(seen.end instanceof ConnResetError, `${seen.end}`);
    assert.ok(seen.bytes < BYTES);
    await assert.rejects(to.write(Uint8Array.of(1)), ConnResetError);
    await from.closed;
  },
);

inBothRoles(
  "close() after a closeWrite() that waits: no end, as bytes before it are dropped",
  async (rig) => {
    const { clock, from, to } = rig;
    const write = outcome(from.write(new Uint8Array(BYTES)));
    const end = outcome(from.closeWrite());
    from.close();
    await clock.advance(LINGER_MS + 20);
    for (const { state } of [write, end]) assert.ok(state instanceof ConnClosedError, `${state}`);
    const seen = readAll(to);
    await clock.advance(100);
    assert.ok(seen.end instanceof ConnResetError, `${seen.end}`);
  },
);

inBothRoles(
  "a reader that waits hears of the reset, too: a close with a reason drops what waits at once",
  async (rig) => {
    const { clock, from, to } = rig;
    const seen = readAll(to);
    const write = outcome(from.write(new Uint8Array(BYTES)));
    const reason = new Error("enough");
    from.close(reason);
    await clock.advance(50);
    assert.ok(seen.end instanceof ConnResetError, `${seen.end}`);
    assert.ok(write.state instanceof ConnClosedError && write.state.cause === reason, `${write.state}`);
    await from.closed;
  },
);

inBothRoles(
  "on a path that loses, a close is whole or a reset all the same",
  async ({ clock, from, to }) => {
    const seen = readAll(to);
    const write = outcome(from.write(new Uint8Array(BYTES)));
    from.close();
    await clock.advance(LINGER_MS + 500);
    assert.notEqual(write.state, "pending");
    if (seen.end === "end") assert.equal(seen.bytes, BYTES);
    else assert.ok(seen.end instanceof ConnResetError || seen.end === undefined, `${seen.end}`);
  },
  { latencyMs: 40, lossPct: 10, seed: 5 },
);

inBothRoles("close() with nothing that waits is an end, after every byte", async ({ clock, from, to }) => {
  await from.write(new Uint8Array(3_000));
  from.close();
  const seen = readAll(to);
  await clock.advance(100);
  assert.deepEqual(seen, { bytes: 3_000, end: "end" });
  await from.closed;
});
