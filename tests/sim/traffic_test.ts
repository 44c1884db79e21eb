/** Checked streams: what they complain of, what they merely count, and how they end. */
import assert from "node:assert/strict";
import { type Conn, Ledger, memoryPair } from "../../lib/base/mod.ts";
import { SeededRandom, VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { Traffic, type TrafficEnd } from "../../lib/sim/mod.ts";

type Change = (piece: Uint8Array) => Uint8Array;

/** Two visors whose streams are pairs in memory; `change` has its hands on what the dialler writes. */
function bench({ change = (piece) => piece, dial }: { change?: Change; dial?: () => Promise<Conn> } = {}) {
  const traffic = new Traffic(new SeededRandom(1));
  const clock = new VirtualClock({ ledger: new Ledger() });
  const killed = Promise.withResolvers<void>();
  const to = { name: "b", publicKey: "bb", world: { clock } } as unknown as TrafficEnd;
  const from = {
    name: "a",
    publicKey: "aa",
    world: { clock },
    killed: killed.promise,
    openBulk: dial ?? (() => {
      const [near, far] = memoryPair();
      void traffic.answer(Object.assign(far, { remote: { publicKey: "aa" } }) as never, to);
      return Promise.resolve(meddled(near, change));
    }),
  } as unknown as TrafficEnd;
  return { traffic, from, to, kill: () => killed.resolve() };
}

function meddled(conn: Conn, change: Change): Conn {
  return {
    halfClose: conn.halfClose,
    closed: conn.closed,
    read: () => conn.read(),
    write: (bytes) => conn.write(change(bytes)),
    closeWrite: () => conn.closeWrite(),
    close: (reason) => conn.close(reason),
  };
}

/** Runs one stream, with a length above 0. */
async function oneFlow(change?: Change) {
  const { traffic, from, to } = bench({ change });
  const flow = await traffic.run(from, to, { pauses: false });
  assert.ok(flow.bytes > 1_000, "the seed gives a stream worth the name");
  return { traffic, flow };
}

Deno.test("Traffic completes a stream when every byte arrived both ways", async () => {
  const { traffic, flow } = await oneFlow();
  assert.deepEqual(traffic.violations, []);
  assert.equal(flow.outcome, "complete");
  assert.deepEqual(flow.arrived, { there: flow.bytes, back: flow.bytes });
  assert.deepEqual(traffic.counts, { complete: 1, unopened: 0, cut: 0, lost: 0, bytes: 2 * flow.bytes });
});

for (
  const [what, change] of [
    ["a changed byte", (piece: Uint8Array) => piece.map((byte, index) => index === 50 ? byte ^ 1 : byte)],
    ["a lost byte", (piece: Uint8Array) => piece.length > 100 ? piece.subarray(1) : piece],
    [
      "a doubled byte",
      (piece: Uint8Array) => piece.length > 100 ? new Uint8Array([piece[0]!, ...piece]) : piece,
    ],
    [
      "pieces out of order",
      (piece: Uint8Array) =>
        piece.length > 100 ? new Uint8Array([...piece.subarray(60), ...piece.subarray(0, 60)]) : piece,
    ],
  ] as const
) {
  Deno.test(`Traffic complains of ${what}`, async () => {
    const { traffic, flow } = await oneFlow(change);
    assert.equal(flow.outcome, "cut");
    assert.match(traffic.violations[0]!, /^stream 1 from a to b has a wrong byte at \d+ there$/);
  });
}

Deno.test("Traffic complains of a stream that arrives as another", async () => {
  const { traffic } = await oneFlow((piece) => {
    if (piece.length !== 8) return piece;
    const other = piece.slice();
    other[7]! ^= 1;
    return other;
  });
  assert.match(traffic.violations.join("\n"), /arrived with the head of another/);
});

Deno.test("Traffic counts a stream that reports an error or an early end as cut, without a complaint", async () => {
  for (const reason of [undefined, new Error("reset")]) {
    const { traffic, from, to } = bench({
      dial: () => {
        const [near, far] = memoryPair();
        queueMicrotask(() => far.close(reason));
        return Promise.resolve(near);
      },
    });
    assert.equal((await traffic.run(from, to)).outcome, "cut");
    assert.deepEqual([traffic.violations, traffic.counts.cut], [[], 1]);
  }
  const { traffic, from, to } = bench({ dial: () => Promise.reject(new Error("nobody there")) });
  const flow = await traffic.run(from, to);
  assert.match(flow.failure!, /nobody there/);
  assert.equal(flow.outcome, "unopened");
  assert.deepEqual([traffic.counts.unopened, traffic.counts.cut], [1, 0]);
});

Deno.test("Traffic does not wait for the code of a visor that was killed", async () => {
  const { traffic, from, to, kill } = bench({ dial: () => new Promise(() => {}) });
  const running = traffic.run(from, to);
  kill();
  assert.equal((await running).outcome, "lost");
  assert.deepEqual(traffic.counts, { complete: 0, unopened: 0, cut: 0, lost: 1, bytes: 0 });
});
