/** Bytes come whole and in order over paths that lose, double, delay and reorder, in virtual time. @module */
import assert from "node:assert/strict";
import { Ledger } from "../../lib/base/mod.ts";
import type { KcpConn } from "../../lib/kcp/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { Pattern, seededBelow } from "../base/_compliance_bench.ts";
import { type KcpPair, kcpPair, type PathOptions, settled } from "./support.ts";

async function withPair(path: PathOptions, test: (pair: KcpPair, clock: VirtualClock) => Promise<void>) {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const pair = await kcpPair({ clock, ledger }, path, { settle: () => clock.advance(10) });
  await test(pair, clock);
  await pair.dispose();
  await clock.advance(1_000); // what is still on its way arrives nowhere
  assertNothingAlive(ledger);
}

async function send(conn: KcpConn, pattern: Pattern, { bytes, seed }: { bytes: number; seed: number }) {
  const below = seededBelow(seed);
  for (let at = 0; at < bytes;) {
    const length = Math.min(1 + below(below(3) === 0 ? 30_000 : 2_000), bytes - at);
    await conn.write(pattern.bytes(at, length));
    at += length;
  }
  await conn.closeWrite();
}

async function receive(conn: KcpConn, pattern: Pattern): Promise<number> {
  let at = 0;
  for (let view = await conn.read(); view !== null; view = await conn.read()) {
    pattern.check(view, at);
    at += view.length;
  }
  return at;
}

const PATHS: readonly [name: string, path: PathOptions][] = [
  ["3 % loss and jitter", { latencyMs: 20, jitterMs: 10, lossPct: 3 }],
  ["20 % loss", { latencyMs: 5, jitterMs: 1, lossPct: 20 }],
  ["jitter of many round trips", { latencyMs: 1, jitterMs: 200 }],
  ["everything doubled", { latencyMs: 10, jitterMs: 5, doubledPct: 100 }],
  ["a narrow path with a short queue", { latencyMs: 10, bytesPerSecond: 100_000, queueBytesMax: 8_000 }],
  ["all of it", { latencyMs: 30, jitterMs: 60, lossPct: 10, doubledPct: 20 }],
];

for (const [name, path] of PATHS) {
  for (const seed of [1, 2, 3]) {
    Deno.test(`bytes come whole and in order, both ways, over ${name} (seed ${seed})`, () =>
      withPair({ ...path, seed }, async ({ near, far }, clock) => {
        const bytes = 150_000 + seed;
        const [there, back] = [new Pattern(seed), new Pattern(seed + 50)];
        const work = Promise.all([
          send(near, there, { bytes, seed }),
          send(far, back, { bytes, seed: seed + 9 }),
          receive(near, back),
          receive(far, there),
        ]);
        const [, , atNear, atFar] = await settled(work, () => clock.advance(50));
        assert.deepEqual([atNear, atFar], [bytes, bytes]);
        near.close();
        far.close();
        await settled(Promise.all([near.closed, far.closed]), () => clock.advance(50));
      }));
  }
}

/** Bytes per second of a long transfer, and what it cost in datagrams. */
async function throughput(
  path: PathOptions,
  bytes: number,
): Promise<{ bytesPerSecond: number; net: number }> {
  let result = { bytesPerSecond: 0, net: 0 };
  await withPair(path, async ({ near, far, net }, clock) => {
    const startMs = clock.monotonicMs();
    const pattern = new Pattern(1);
    const work = Promise.all([send(near, pattern, { bytes, seed: 4 }), receive(far, pattern)]);
    await settled(work, () => clock.advance(20));
    const seconds = (clock.monotonicMs() - startMs) / 1_000;
    result = { bytesPerSecond: bytes / seconds, net: net.sent };
  });
  return result;
}

/** What 32 segments a round trip could carry at best: the original's bound. */
const originalAtBest = (roundTripMs: number) => 32 * 1376 / roundTripMs * 1_000;

Deno.test("a long path is filled beyond 32 segments a round trip, and a few per cent of loss do not stop that", async () => {
  for (
    const [latencyMs, lossPct, times] of [[10, 0, 3], [10, 1, 1.5], [50, 0, 3], [50, 1, 2], [50, 3, 1.5]]
  ) {
    const path = { latencyMs: latencyMs!, jitterMs: 2, lossPct: lossPct!, seed: 5 };
    const { bytesPerSecond } = await throughput(path, 6 << 20);
    const least = times! * originalAtBest(2 * latencyMs! + 2);
    assert.ok(bytesPerSecond > least, `${latencyMs} ms, ${lossPct} %: ${Math.round(bytesPerSecond)} B/s`);
  }
});

Deno.test("a machine that is busy for moments is no queue on the way: a long path is filled all the same", async () => {
  for (const [latencyMs, stallMsMax, lossPct] of [[10, 5, 1], [50, 15, 0], [50, 15, 1]] as const) {
    const path = { latencyMs, jitterMs: 1, stallMsMax, lossPct, seed: 5 };
    const { bytesPerSecond } = await throughput(path, 6 << 20);
    const least = 2 * originalAtBest(2 * latencyMs + stallMsMax);
    assert.ok(
      bytesPerSecond > least,
      `${latencyMs} ms, stalls of ${stallMsMax}, ${lossPct} %: ${Math.round(bytesPerSecond)} B/s`,
    );
  }
});

Deno.test("a path that became longer is filled again, and its losses are noise after a while", () =>
  withPair({ latencyMs: 1, jitterMs: 1, seed: 5 }, async ({ near, far, net }, clock) => {
    let bytes = 0;
    (async () => {
      for (;;) await near.write(new Uint8Array(32_768));
    })().catch(() => {});
    (async () => {
      for (let view = await far.read(); view !== null; view = await far.read()) bytes += view.length;
    })().catch(() => {});
    await clock.advance(500);
    net.path = { latencyMs: 20, jitterMs: 1, lossPct: 1 };
    await clock.advance(40_000); // the shorter way is forgotten, and the window grows
    bytes = 0;
    await clock.advance(4_000);
    assert.ok(bytes / 4 > 2 * originalAtBest(42), `${bytes / 4} bytes a second`);
  }));

Deno.test("a narrow path is used and not flooded, and two sessions on it get a half each", () =>
  withPair({ latencyMs: 20, jitterMs: 1, bytesPerSecond: 1e6 }, async (pair, clock) => {
    const rates: { bytes: number }[] = [];
    const pump = (near: KcpConn, far: KcpConn) => {
      const rate = { bytes: 0 };
      rates.push(rate);
      (async () => {
        for (;;) await near.write(new Uint8Array(32_768));
      })().catch(() => {});
      (async () => {
        for (let view = await far.read(); view !== null; view = await far.read()) rate.bytes += view.length;
      })().catch(() => {});
    };
    pump(pair.near, pair.far);
    await clock.advance(10_000);
    assert.ok(rates[0]!.bytes > 9e6, `${rates[0]!.bytes} of 10,000,000 bytes`);
    assert.ok(pair.net.overflowed < pair.net.sent / 100, `${pair.net.overflowed} of ${pair.net.sent} lost`);
    const second = pair.client.dial(pair.server.address);
    await second.write(Uint8Array.of(1));
    pump(second, (await settled(pair.server.accept(), () => clock.advance(10)))!);
    await clock.advance(10_000); // they find their share
    const before = rates.map(({ bytes }) => bytes);
    await clock.advance(30_000);
    const shares = rates.map(({ bytes }, index) => (bytes - before[index]!) / 30e6);
    assert.ok(shares.every((share) => share > 0.35 && share < 0.65), `shares ${shares}`);
    assert.ok(pair.net.overflowed < pair.net.sent / 50, `${pair.net.overflowed} of ${pair.net.sent} lost`);
  }));

Deno.test("a busy session has one timer; an idle one has none, and sends nothing", () =>
  withPair({}, async ({ near, far, net }, clock) => {
    net.watch = () => false;
    for (let count = 0; count < 20; count++) await near.write(new Uint8Array(2_000));
    await clock.advance(0);
    assert.equal(clock.pendingTimers, 1);
    await clock.advance(2_000);
    assert.equal(clock.pendingTimers, 1);
    net.watch = () => true;
    await clock.advance(5_000);
    assert.ok((await far.read())!.length > 0);
    await clock.advance(1_000);
    assert.equal(clock.pendingTimers, 0);
    const sent = net.sent;
    await clock.advance(3_600_000);
    assert.equal(net.sent, sent);
  }));
