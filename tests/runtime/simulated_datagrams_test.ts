import assert from "node:assert/strict";
import { type DatagramSocket, sleep, type World } from "../../lib/runtime/mod.ts";
import type { LinkProfile, Simulation } from "../../lib/runtime/simulated/mod.ts";
import { withSimulation } from "../support/world.ts";

const PORT = 9;
const ANY = { hostname: "0.0.0.0", port: 0 };

interface Arrived {
  readonly number: number;
  readonly atMs: number;
}

interface Pair {
  readonly simulation: Simulation;
  readonly alice: World;
  readonly bob: World;
  readonly near: DatagramSocket;
  readonly far: DatagramSocket;
  /** What bob got so far. */
  readonly arrived: Arrived[];
  /** Sends datagrams that carry their number, one each `everyMs`, and waits until the last is through. */
  send(count: number, options?: { everyMs?: number; bytes?: number }): Promise<void>;
}

/** Two nodes with a socket each, and a loop that takes what bob gets. */
function onPair(
  link: Partial<LinkProfile>,
  scenario: (pair: Pair) => Promise<void>,
  { seed = 1, extraTurns = 0 } = {},
): Promise<void> {
  return withSimulation(seed, async (simulation) => {
    const [alice, bob] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const near = await alice.network.datagrams(ANY);
      const far = await bob.network.datagrams({ hostname: "0.0.0.0", port: PORT });
      const arrived: Arrived[] = [];
      const receiving = receiveAll(far, simulation, arrived);
      let next = 0;
      await scenario({
        simulation,
        alice,
        bob,
        near,
        far,
        arrived,
        async send(count, { everyMs = 1, bytes = 100 } = {}) {
          for (let index = 0; index < count; index++) {
            await near.send(numbered(next++, bytes), { hostname: "bob", port: PORT });
            if (everyMs > 0) await sleep(alice.clock, everyMs);
          }
          await sleep(alice.clock, 60_000);
        },
      });
      near.close();
      far.close();
      await receiving;
    });
  }, { link: { latencyMs: 50, jitterMs: 0, ...link }, extraTurns });
}

async function receiveAll(socket: DatagramSocket, simulation: Simulation, into: Arrived[]): Promise<void> {
  for (let next = await socket.receive(); next !== null; next = await socket.receive()) {
    into.push({ number: new DataView(next.bytes.buffer).getUint32(0), atMs: simulation.nowMs });
  }
}

function numbered(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

const numbers = (arrived: readonly Arrived[]) => arrived.map(({ number }) => number);
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

Deno.test("a plain link gives every datagram once, in order, after its latency", () =>
  onPair({}, async ({ simulation, arrived, send }) => {
    await send(100);
    assert.deepEqual(numbers(arrived), upTo(100));
    assert.deepEqual(arrived.map(({ atMs }) => atMs), upTo(100).map((index) => 50 + index));
    assert.deepEqual(simulation.datagrams, {
      sent: 100,
      arrived: 100,
      duplicated: 0,
      lost: 0,
      tooLarge: 0,
      overflowed: 0,
      cut: 0,
      refused: 0,
      unheard: 0,
    });
  }));

Deno.test("latency is a path's own, one way or both", () =>
  onPair({}, async ({ simulation, arrived, send }) => {
    simulation.link("alice", "bob", { latencyMs: 200 });
    await send(1);
    assert.deepEqual(arrived, [{ number: 0, atMs: 200 }]);
  }));

Deno.test("jitter lets datagrams overtake each other, within its bound", () =>
  onPair({ jitterMs: 30 }, async ({ arrived, send }) => {
    await send(200);
    assert.notDeepEqual(numbers(arrived), upTo(200));
    assert.deepEqual(numbers(arrived).sort((a, b) => a - b), upTo(200));
    for (const { number, atMs } of arrived) assert.ok(atMs >= number + 50 && atMs <= number + 80);
  }));

Deno.test("reorderPct holds some back, and only those come late", () =>
  onPair({ reorderPct: 10, reorderMs: 25 }, async ({ arrived, send }) => {
    await send(1_000);
    const held = arrived.filter(({ number, atMs }) => atMs === number + 75).length;
    const inTime = arrived.filter(({ number, atMs }) => atMs === number + 50).length;
    assert.equal(held + inTime, 1_000);
    assert.ok(held > 70 && held < 130, `${held} held back`);
    assert.notDeepEqual(numbers(arrived), upTo(1_000));
  }));

Deno.test("lossPct loses each datagram by itself", () =>
  onPair({ lossPct: 3 }, async ({ simulation, arrived, send }) => {
    await send(10_000, { everyMs: 0.1 });
    const { lost } = simulation.datagrams;
    assert.equal(arrived.length + lost, 10_000);
    assert.ok(lost > 240 && lost < 360, `${lost} lost`);
    const mean = meanBurst(arrived, 10_000);
    assert.ok(mean < 1.15, `bursts of ${mean}`);
  }));

Deno.test("burstLossPct loses as many, several in a row", () =>
  onPair({ burstLossPct: 3, burstPackets: 5 }, async ({ simulation, arrived, send }) => {
    await send(20_000, { everyMs: 0.1 });
    const { lost } = simulation.datagrams;
    assert.equal(arrived.length + lost, 20_000);
    assert.ok(lost > 400 && lost < 800, `${lost} lost`);
    const mean = meanBurst(arrived, 20_000);
    assert.ok(mean > 4 && mean < 6, `bursts of ${mean}`);
  }));

/** The mean length of a row of datagrams that are missing. */
function meanBurst(arrived: readonly Arrived[], sent: number): number {
  const got = new Set(numbers(arrived));
  let [missing, rows] = [0, 0];
  for (let number = 0; number < sent; number++) {
    if (got.has(number)) continue;
    missing++;
    if (number === 0 || got.has(number - 1)) rows++;
  }
  return missing / rows;
}

Deno.test("bursts of one way leave the other way alone, and reach TCP as delay", () =>
  withSimulation(1, async (simulation) => {
    const [alice, bob] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const listener = await bob.network.listen({ hostname: "0.0.0.0", port: PORT });
      const [near, far] = await Promise.all([
        alice.network.dial({ hostname: "bob", port: PORT }),
        listener.accept(),
      ]);
      simulation.link("alice", "bob", { burstLossPct: 60 });
      let slowestMs = 0;
      for (let round = 0; round < 50; round++) {
        const startMs = simulation.nowMs;
        await near.write(Uint8Array.of(round));
        assert.deepEqual(await far!.read(), Uint8Array.of(round));
        slowestMs = Math.max(slowestMs, simulation.nowMs - startMs);
      }
      assert.ok(slowestMs >= 220, `${slowestMs} ms`);
      near.close();
      far!.close();
      listener.close();
    });
  }));

Deno.test("duplicatePct doubles some; each copy is a buffer of its own", () =>
  onPair({ duplicatePct: 20, jitterMs: 5 }, async ({ simulation, arrived, send }) => {
    await send(1_000);
    const { duplicated } = simulation.datagrams;
    assert.ok(duplicated > 150 && duplicated < 250, `${duplicated} doubled`);
    assert.equal(arrived.length, 1_000 + duplicated);
    assert.equal(new Set(numbers(arrived)).size, 1_000);
  }));

Deno.test("a datagram belongs to its receiver: the sender's buffer may change at once", () =>
  withSimulation(1, async (simulation) => {
    const [alice, bob] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const near = await alice.network.datagrams(ANY);
      const far = await bob.network.datagrams({ hostname: "0.0.0.0", port: PORT });
      const bytes = Uint8Array.of(1, 2, 3);
      await near.send(bytes, { hostname: "bob", port: PORT });
      bytes.fill(9);
      const [first, second] = [(await far.receive())!.bytes, (await far.receive())!.bytes];
      first.fill(7);
      assert.deepEqual(second, Uint8Array.of(1, 2, 3));
      near.close();
      far.close();
    });
  }, { link: { duplicatePct: 100 } }));

Deno.test("a slow link sends in order, and drops what its queue has no room for", () =>
  onPair({ bytesPerSecond: 10_000, queueBytes: 2_000 }, async ({ simulation, arrived, send }) => {
    await send(50, { everyMs: 0 });
    assert.deepEqual(numbers(arrived), upTo(20)); // 2,000 bytes of 100 each
    assert.equal(simulation.datagrams.overflowed, 30);
    assert.deepEqual(arrived.map(({ atMs }) => Math.round(atMs)), upTo(20).map((index) => 60 + index * 10));
    await send(10, { everyMs: 10 });
    assert.equal(arrived.length, 30, "what is not sent faster than the link all arrives");
  }));

Deno.test("what is larger than the link's packets is dropped; on loopback nothing is", () =>
  onPair({ mtuBytes: 1_400 }, async ({ simulation, bob, far, arrived, send }) => {
    await send(1, { bytes: 1_372 });
    assert.deepEqual(numbers(arrived), [0]);
    await send(1, { bytes: 1_373 });
    assert.deepEqual([arrived.length, simulation.datagrams.tooLarge], [1, 1]);
    const own = await bob.network.datagrams(ANY);
    await own.send(numbered(77, 65_000), { hostname: "127.0.0.1", port: far.address.port });
    await sleep(bob.clock, 1);
    assert.equal(arrived.at(-1)!.number, 77);
    await assert.rejects(own.send(new Uint8Array(65_508), far.address), /65508 bytes/);
    own.close();
  }));

Deno.test("a partition and a black hole take what is under way, and heal", () =>
  onPair({}, async ({ simulation, alice, arrived, near, send }) => {
    await near.send(numbered(99, 4), { hostname: "bob", port: PORT });
    simulation.partition("alice", "bob");
    await send(10);
    assert.deepEqual([arrived.length, simulation.datagrams.cut], [0, 11]);
    simulation.heal("alice", "bob");
    simulation.blackHole("bob", "alice");
    await send(10);
    assert.equal(arrived.length, 10);
    await sleep(alice.clock, 1);
    assert.equal(simulation.datagrams.cut, 11);
  }));

Deno.test("a reader that is away gets 256, and the rest is dropped", () =>
  withSimulation(1, async (simulation) => {
    const [alice, bob] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const near = await alice.network.datagrams(ANY);
      const far = await bob.network.datagrams({ hostname: "0.0.0.0", port: PORT });
      for (let number = 0; number < 300; number++) {
        await near.send(numbered(number, 4), { hostname: "bob", port: PORT });
      }
      await sleep(alice.clock, 1_000);
      assert.deepEqual([simulation.datagrams.arrived, simulation.datagrams.overflowed], [256, 44]);
      near.close();
      far.close();
      assert.equal(await far.receive(), null);
    });
  }));

Deno.test("nobody at an address or a port is silence, and is counted", () =>
  onPair({}, async ({ simulation, alice, near }) => {
    await near.send(Uint8Array.of(1), { hostname: "bob", port: PORT + 1 });
    await near.send(Uint8Array.of(1), { hostname: "10.9.9.9", port: PORT });
    await sleep(alice.clock, 1_000);
    assert.equal(simulation.datagrams.unheard, 2);
  }));

Deno.test("a halted node's datagrams under way still arrive; its port hears nothing more", () =>
  onPair({}, async ({ simulation, bob, arrived, near, far }) => {
    await near.send(numbered(5, 4), { hostname: "bob", port: PORT });
    simulation.halt("alice");
    await sleep(bob.clock, 1_000);
    assert.deepEqual(numbers(arrived), [5]);
    await far.send(Uint8Array.of(1), { hostname: "alice", port: near.address.port });
    await sleep(bob.clock, 1_000);
    assert.deepEqual([simulation.datagrams.sent, simulation.datagrams.arrived], [2, 1]);
  }));

Deno.test("same seed, same trace, whatever a link does; another seed, another", async () => {
  const hostile: Partial<LinkProfile> = {
    jitterMs: 30,
    lossPct: 1,
    burstLossPct: 3,
    reorderPct: 5,
    duplicatePct: 2,
    bytesPerSecond: 50_000,
    queueBytes: 4_000,
  };
  const runs: { hash: string; arrived: Arrived[]; counts: Simulation["datagrams"] }[] = [];
  for (const [seed, extraTurns] of [[7, 0], [7, 3], [8, 0]] as const) {
    await onPair(hostile, async ({ simulation, arrived, send }) => {
      await send(500);
      runs.push({ hash: simulation.hash, arrived: [...arrived], counts: { ...simulation.datagrams } });
    }, { seed, extraTurns });
  }
  const [first, again, other] = runs;
  assert.deepEqual(again, first);
  assert.notEqual(other!.hash, first!.hash);
  assert.ok(first!.counts.lost > 0 && first!.counts.duplicated > 0, JSON.stringify(first!.counts));
});
