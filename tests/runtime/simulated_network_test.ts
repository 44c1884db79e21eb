import assert from "node:assert/strict";
import { ConnClosedError, ConnResetError } from "../../lib/base/mod.ts";
import {
  AddressInUseError,
  BadAddressError,
  sleep,
  UnreachableError,
  type World,
} from "../../lib/runtime/mod.ts";
import {
  BACKLOG_MAX,
  type LinkProfile,
  type Simulation,
  WINDOW_BYTES,
} from "../../lib/runtime/simulated/mod.ts";
import { withSimulation } from "../support/world.ts";

const PORT = 80;

/** Two nodes, a connection between them, and the scenario on it; what is left open is reset at the end. */
function onPair(
  link: Partial<LinkProfile>,
  scenario: (parts: Awaited<ReturnType<typeof connect>> & { simulation: Simulation }) => Promise<void>,
): Promise<void> {
  return withSimulation(1, async (simulation) => {
    const [alice, bob] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const parts = await connect(alice, bob);
      await scenario({ ...parts, simulation });
      parts.near.close(new Error("end of test"));
      parts.far.close(new Error("end of test"));
    });
  }, { link: { latencyMs: 50, jitterMs: 0, splitPct: 0, ...link } });
}

async function connect(alice: World, bob: World) {
  const listener = await bob.network.listen({ hostname: "0.0.0.0", port: PORT });
  const [near, far] = await Promise.all([
    alice.network.dial({ hostname: "bob", port: PORT }),
    listener.accept(),
  ]);
  listener.close();
  return { near, far: far!, alice, bob };
}

async function readAll(conn: { read(): Promise<Uint8Array | null> }): Promise<number[]> {
  const sizes: number[] = [];
  for (let view = await conn.read(); view !== null; view = await conn.read()) sizes.push(view.length);
  return sizes;
}

const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);

Deno.test("a dial takes a round trip, a byte half of one", () =>
  onPair({}, async ({ simulation, near, far }) => {
    assert.equal(simulation.nowMs, 100);
    assert.equal(far.remote.hostname, near.local.hostname);
    assert.deepEqual(near.remote, { hostname: far.local.hostname, port: PORT });
    await near.write(Uint8Array.of(1));
    assert.deepEqual(await far.read(), Uint8Array.of(1));
    assert.equal(simulation.nowMs, 150);
  }));

Deno.test("splitPct cuts reads at places of the seed's choice; what is read stays the same", () =>
  onPair({ splitPct: 100 }, async ({ near, far }) => {
    const bytes = Uint8Array.from({ length: 10_000 }, (_, index) => index * 7);
    await near.write(bytes);
    await near.closeWrite();
    const got: number[] = [];
    let reads = 0;
    for (let view = await far.read(); view !== null; view = await far.read()) {
      got.push(...view);
      reads++;
    }
    assert.deepEqual(Uint8Array.from(got), bytes);
    assert.ok(reads > 3, `${reads} reads`);
  }));

Deno.test("a dial whose packets are all lost gives up after 127 s", async () => {
  await withSimulation(1, async (simulation) => {
    const [alice, bob] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const listener = await bob.network.listen({ hostname: "0.0.0.0", port: PORT });
      await assert.rejects(alice.network.dial({ hostname: "bob", port: PORT }), UnreachableError);
      assert.ok(simulation.nowMs >= 127_000 && simulation.nowMs < 128_000, `${simulation.nowMs} ms`);
      listener.close();
    });
  }, { link: { lossPct: 100 } });
});

Deno.test("a dial aborted between the answer and its arrival resets what the listener has", async () => {
  await withSimulation(1, async (simulation) => {
    const [alice, bob] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const listener = await bob.network.listen({ hostname: "0.0.0.0", port: PORT });
      const controller = new AbortController();
      const dialling = alice.network.dial({ hostname: "bob", port: PORT }, { signal: controller.signal });
      const accepted = (await listener.accept())!;
      assert.equal(simulation.nowMs, 50);
      const reason = new Error("enough");
      controller.abort(reason);
      await assert.rejects(dialling, (error) => error === reason);
      await assert.rejects(accepted.read(), ConnResetError);
      accepted.close();
      listener.close();
    });
  }, { link: { latencyMs: 50, jitterMs: 0 } });
});

Deno.test("bandwidth spreads bytes over time", () =>
  onPair({ bytesPerSecond: 100_000 }, async ({ simulation, near, far }) => {
    const startMs = simulation.nowMs;
    const writing = near.write(new Uint8Array(1_000_000)).then(() => near.closeWrite());
    assert.equal(sum(await readAll(far)), 1_000_000);
    await writing;
    const tookMs = simulation.nowMs - startMs;
    assert.ok(tookMs >= 10_000 && tookMs < 11_000, `took ${tookMs} ms`);
  }));

Deno.test("a writer waits for a reader that stops, and goes on when it reads", () =>
  onPair({}, async ({ alice, near, far }) => {
    let written = 0;
    const writing = (async () => {
      for (; written < 40; written++) await near.write(new Uint8Array(32 * 1024));
      await near.closeWrite();
    })();
    await sleep(alice.clock, 60_000);
    assert.equal(written, WINDOW_BYTES / (32 * 1024));
    assert.equal(sum(await readAll(far)), 40 * 32 * 1024);
    await writing;
  }));

Deno.test("slowReader() bounds what a node takes a second; 0 stops it until it is lifted", () =>
  onPair({}, async ({ simulation, alice, near, far }) => {
    const startMs = simulation.nowMs;
    simulation.slowReader("bob", 10_000);
    await near.write(new Uint8Array(50_000));
    await near.closeWrite();
    assert.equal(sum(await readAll(far)), 50_000);
    assert.ok(simulation.nowMs - startMs >= 5_000);

    simulation.slowReader("alice", 0);
    await far.write(Uint8Array.of(7));
    const reading = near.read();
    await sleep(alice.clock, 60_000);
    simulation.slowReader("alice", Infinity);
    assert.deepEqual(await reading, Uint8Array.of(7));
  }));

Deno.test("loss delays TCP and keeps its order; it drops datagrams", () =>
  onPair({ lossPct: 30, jitterMs: 40, splitPct: 50 }, async ({ simulation, alice, bob, near, far }) => {
    const writing = (async () => {
      for (let index = 0; index < 200; index++) {
        await near.write(Uint8Array.of(index));
        await sleep(alice.clock, 1);
      }
      await near.closeWrite();
    })();
    const got: number[] = [];
    for (let view = await far.read(); view !== null; view = await far.read()) got.push(...view);
    await writing;
    assert.deepEqual(got, Array.from({ length: 200 }, (_, index) => index));
    assert.ok(simulation.nowMs > 600);

    const from = await alice.network.datagrams({ hostname: "0.0.0.0", port: 0 });
    const to = await bob.network.datagrams({ hostname: "0.0.0.0", port: 9 });
    for (let index = 0; index < 200; index++) {
      await from.send(Uint8Array.of(index), { hostname: "bob", port: 9 });
    }
    const received: number[] = [];
    const receiving = (async () => {
      for (let item = await to.receive(); item !== null; item = await to.receive()) {
        received.push(item.bytes[0]!);
        assert.equal(item.from.port, from.address.port);
      }
    })();
    await sleep(bob.clock, 1_000);
    from.close();
    to.close();
    await receiving;
    assert.ok(received.length > 100 && received.length < 180, `${received.length} of 200 arrived`);
    assert.notDeepEqual(received, received.toSorted((a, b) => a - b), "jitter reorders");
  }));

Deno.test("a partition holds TCP back, and its healing lets it go on", () =>
  onPair({}, async ({ simulation, alice, near, far }) => {
    simulation.partition("alice", "bob");
    await near.write(Uint8Array.of(1));
    const reading = far.read();
    let isHere = false;
    reading.then(() => isHere = true);
    await sleep(alice.clock, 10_000);
    assert.equal(isHere, false);
    simulation.heal("alice", "bob");
    assert.deepEqual(await reading, Uint8Array.of(1));
    assert.ok(simulation.nowMs < 30_000);
  }));

Deno.test("hindrances counts the ways that are cut and the readers that are slow, as long as they are", () =>
  onPair({}, async ({ simulation }) => {
    assert.equal(simulation.hindrances, 0);
    simulation.partition("alice", "bob");
    assert.equal(simulation.hindrances, 2);
    simulation.heal("alice", "bob");
    simulation.blackHole("alice", "bob");
    simulation.slowReader("bob", 0);
    assert.equal(simulation.hindrances, 2);
    simulation.heal("alice", "bob");
    simulation.slowReader("bob", Infinity);
    assert.equal(simulation.hindrances, 0);
    await Promise.resolve();
  }));

Deno.test("a black hole lets the other way pass", () =>
  onPair({}, async ({ simulation, alice, near, far }) => {
    simulation.blackHole("alice", "bob");
    await near.write(Uint8Array.of(1));
    await far.write(Uint8Array.of(2));
    assert.deepEqual(await near.read(), Uint8Array.of(2));
    const reading = far.read();
    reading.catch(() => {});
    await sleep(alice.clock, 30_000);
    far.close(new Error("nothing came"));
    await assert.rejects(reading, ConnClosedError);
  }));

Deno.test("a machine that vanishes is silence to a reader, and a reset to a writer after a quarter of an hour", () =>
  onPair({}, async ({ simulation, alice, near }) => {
    simulation.halt("bob", "silent");
    const startMs = simulation.nowMs;
    const reading = near.read();
    reading.catch(() => {});
    await near.write(Uint8Array.of(1)); // taken in, not delivered
    await sleep(alice.clock, 300_000);
    await near.write(Uint8Array.of(2));
    await assert.rejects(reading, ConnResetError);
    await assert.rejects(near.write(Uint8Array.of(3)), ConnResetError);
    await near.closed;
    const tookMs = simulation.nowMs - startMs;
    assert.ok(tookMs > 600_000 && tookMs < 1_200_000, `took ${tookMs} ms`);
    const dialling = alice.network.dial({ hostname: "bob", port: PORT });
    await assert.rejects(dialling, UnreachableError);
  }));

Deno.test("a killed process resets its peers; one that started again refuses what is left of old connections", () =>
  onPair({}, async ({ simulation, alice, near }) => {
    const reading = near.read();
    simulation.halt("bob", "reset");
    await assert.rejects(reading, ConnResetError);
    await assert.rejects(alice.network.dial({ hostname: "bob", port: PORT }), UnreachableError);

    const bob = simulation.node("bob");
    const next = await connect(alice, bob);
    simulation.halt("bob", "silent");
    simulation.node("bob");
    await next.near.write(Uint8Array.of(1));
    await assert.rejects(next.near.read(), ConnResetError);
  }));

Deno.test("reset() fails both halves of both ends", () =>
  onPair({}, async ({ simulation, near, far }) => {
    const waiting = [near.read(), far.read(), near.write(new Uint8Array(WINDOW_BYTES * 2))];
    simulation.reset("alice", "bob");
    for (const call of waiting) await assert.rejects(call, ConnResetError);
    await assert.rejects(far.write(Uint8Array.of(1)), ConnResetError);
    await Promise.all([near.closed, far.closed]);
    near.close();
    await assert.rejects(near.read(), ConnClosedError);
  }));

Deno.test("close() delivers what was taken in, then the end; close(reason) resets", () =>
  onPair({}, async ({ alice, bob, near, far }) => {
    await near.write(new Uint8Array(100_000));
    near.close();
    await near.closed;
    assert.equal(sum(await readAll(far)), 100_000);
    await far.write(Uint8Array.of(1)); // taken and dropped: the peer's socket is just closed
    far.close();

    const next = await connect(alice, bob);
    const reading = next.far.read();
    const reason = new Error("planted");
    next.near.close(reason);
    await assert.rejects(next.near.write(Uint8Array.of(1)), (error: Error) => error.cause === reason);
    await assert.rejects(reading, ConnResetError);
  }));

Deno.test("close() with a stopped reader gives up after its linger", () =>
  onPair({}, async ({ simulation, near, far }) => {
    const writing = near.write(new Uint8Array(WINDOW_BYTES * 2));
    const startMs = simulation.nowMs;
    near.close();
    await assert.rejects(writing, ConnClosedError);
    await near.closed;
    assert.equal(simulation.nowMs - startMs, 1_000);
    await assert.rejects(readAll(far), ConnResetError); // cut off: no orderly end
  }));

Deno.test("dials: refused, no such name, nobody at the address, aborted", () =>
  onPair({}, async ({ simulation, alice, bob }) => {
    let startMs = simulation.nowMs;
    await assert.rejects(alice.network.dial({ hostname: "bob", port: 81 }), UnreachableError);
    assert.equal(simulation.nowMs - startMs, 100);
    await assert.rejects(alice.network.dial({ hostname: "no.such.name", port: 81 }), UnreachableError);
    await assert.rejects(alice.network.dial({ hostname: "bob", port: 0 }), BadAddressError);
    startMs = simulation.nowMs;
    await assert.rejects(alice.network.dial({ hostname: "10.9.9.9", port: 80 }), UnreachableError);
    assert.equal(simulation.nowMs - startMs, 127_000);

    const reason = new Error("planted");
    const listener = await bob.network.listen({ hostname: "0.0.0.0", port: 81 });
    for (const afterMs of [0, 10, 75]) { // before the first packet, under way, when the answer is
      const controller = new AbortController();
      const dialing = alice.network.dial({ hostname: "bob", port: 81 }, { signal: controller.signal });
      alice.clock.timer(afterMs, () => controller.abort(reason));
      await assert.rejects(dialing, reason);
    }
    listener.close();
  }));

Deno.test("a full backlog makes the next dial wait until there is room", () =>
  onPair({}, async ({ simulation, alice, bob }) => {
    const listener = await bob.network.listen({ hostname: "0.0.0.0", port: 81 });
    const conns = [];
    for (let index = 0; index < BACKLOG_MAX; index++) {
      conns.push(await alice.network.dial({ hostname: "bob", port: 81 }));
    }
    const startMs = simulation.nowMs;
    const waiting = alice.network.dial({ hostname: "bob", port: 81 });
    await sleep(bob.clock, 500);
    conns.push((await listener.accept())!);
    conns.push(await waiting);
    assert.ok(simulation.nowMs - startMs >= 1_000);
    listener.close(); // resets whoever still waits
    for (const conn of conns) conn.close();
    await Promise.all(conns.map((conn) => conn.closed));
  }));

Deno.test("listening: taken ports, foreign addresses, loopback is the node itself", () =>
  withSimulation(1, async (simulation) => {
    const alice = simulation.node("alice", { address: "192.0.2.7", hostnames: ["alice.example"] });
    simulation.node("bob");
    await simulation.run(async () => {
      const { network } = alice;
      const listener = await network.listen({ hostname: "127.0.0.1", port: 0 });
      await assert.rejects(network.listen(listener.address), AddressInUseError);
      await assert.rejects(network.listen({ hostname: "10.1.1.1", port: 0 }), BadAddressError);
      await assert.rejects(network.listen({ hostname: "0.0.0.0", port: 65_536 }), BadAddressError);
      const udp = await network.datagrams({ hostname: "0.0.0.0", port: listener.address.port });
      await assert.rejects(network.datagrams(udp.address), AddressInUseError);
      udp.close();
      assert.throws(() => simulation.node("carol", { address: "192.0.2.7" }), BadAddressError);
      const [near, far] = await Promise.all([network.dial(listener.address), listener.accept()]);
      assert.equal(far!.remote.hostname, "127.0.0.1");
      assert.equal(simulation.nowMs, 0);
      near.close();
      far!.close();
      const accepting = listener.accept();
      await assert.rejects(listener.accept(), TypeError);
      listener.close();
      assert.equal(await accepting, null);
      assert.equal(await listener.accept(), null);
    });
  }));
