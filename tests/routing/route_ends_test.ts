/** What ends a route on its way: transports that close or stall, and strangers that may not. Who is told, and when. @module */
import assert from "node:assert/strict";
import { ConnResetError } from "../../lib/base/mod.ts";
import { RouteClosedByPeerError, type RouteGroup, type RouteListener } from "../../lib/routing/mod.ts";
import { encodePacket, PacketType, parsePackets } from "../../lib/transport/mod.ts";
import { type RoutingBench, withRouting } from "./_bench.ts";
import { decode, encode, layRoute, link, type Node, openRoute, over, unlink } from "./_rig.ts";

const CHUNK = new Uint8Array(64 * 1024);
const failureOf = (promise: Promise<unknown>) => promise.then(() => undefined, (error) => error);
const rulesOf = (...nodes: Node[]) => nodes.map(({ router }) => router.rules().length);

async function open(bench: RoutingBench, path: readonly Node[]) {
  const listener: RouteListener = path.at(-1)!.router.listen(3);
  const group = await bench.within(1_000, openRoute(path));
  const other = (await listener.accept())!;
  listener.close();
  return { group, other };
}

/** From alice by bob to carol, and back by dave. */
async function openApart(
  bench: RoutingBench,
  { alice, bob, carol, dave }: Readonly<Record<"alice" | "bob" | "carol" | "dave", Node>>,
) {
  const there = layRoute([alice, bob, carol], { from: 60_000 });
  const back = layRoute([alice, dave, carol], { from: 60_000 });
  const listener = carol.router.listen(3);
  carol.router.addEdgeRules({ ...there.destination, forward: back.destination.forward });
  const opening = alice.router.open({ ...there.source, reverse: back.source.reverse });
  const group = await bench.within(1_000, opening);
  const other = (await listener.accept())!;
  listener.close();
  return { group, other };
}

async function talks(bench: RoutingBench, { group, other }: { group: RouteGroup; other: RouteGroup }) {
  for (const [from, to] of [[group, other], [other, group]] as const) {
    const reading = to.read();
    await from.write(encode("hello"));
    assert.equal(decode(await bench.within(0, reading)), "hello");
  }
}

/** Writes until no write is taken any more. */
async function fill(bench: RoutingBench, group: RouteGroup): Promise<void> {
  for (let bytes = 0;; bytes += CHUNK.length) {
    assert.ok(bytes < 64 << 20, "everything is taken");
    let isTaken = false;
    const write = group.write(CHUNK).then(() => isTaken = true);
    write.catch(() => {});
    for (let turn = 0; turn < 4 && !isTaken; turn++) await bench.settle();
    if (!isTaken) return;
  }
}

for (const broken of [0, 1, 2]) {
  Deno.test(`three hops: when transport ${broken + 1} closes, both ends know at once, and no rule is left`, () =>
    withRouting(async (bench) => {
      const path = bench.nodes("alice", "bob", "carol", "dave");
      const links = [0, 1, 2].map((at) => link(path[at]!, path[at + 1]!));
      const { group, other } = await open(bench, path);
      await talks(bench, { group, other });
      const [near, far] = path.slice(broken, broken + 2) as [Node, Node];
      assert.ok(near.router.usesTransport(links[broken]!.id) && far.router.usesTransport(links[broken]!.id));
      const ends = [group, other].map((end) => failureOf(end.read()));
      unlink(links[broken]!, near, far);
      for (const failure of await bench.within(0, Promise.all(ends))) {
        assert.ok(failure instanceof ConnResetError, `${failure}`);
      }
      assert.deepEqual(rulesOf(...path), [0, 0, 0, 0]);
      assert.ok(!near.router.usesTransport(links[broken]!.id));
      link(near, far); // the same id again: nothing of the route comes back
      for (const end of [group, other]) await assert.rejects(end.write(encode("late")), ConnResetError);
      assert.deepEqual(path.map(({ router }) => router.groups()), [[], [], [], []]);
      const again = await open(bench, path);
      await talks(bench, again);
      for (const end of [group, other, again.group, again.other]) end.close();
    }));
}

for (const broken of [0, 1, 2]) {
  Deno.test(`three hops that no packet came by: when transport ${broken + 1} closes, no relay keeps a rule`, () =>
    withRouting(async (bench) => {
      const path = bench.nodes("alice", "bob", "carol", "dave");
      const links = [0, 1, 2].map((at) => link(path[at]!, path[at + 1]!));
      layRoute(path);
      layRoute(path.toReversed()); // another one, the other way
      assert.deepEqual(rulesOf(...path), [0, 4, 4, 0]);
      unlink(links[broken]!, ...path.slice(broken, broken + 2));
      await bench.clock.advance(25_000); // an end that never was answers no close
      assert.deepEqual(rulesOf(...path), [0, 0, 0, 0]);
    }));
}

Deno.test("a destination whose source never comes ends the rules of both relays", () =>
  withRouting(async (bench) => {
    const path = bench.nodes("alice", "bob", "carol", "dave");
    for (const at of [0, 1, 2]) link(path[at]!, path[at + 1]!);
    path[3]!.router.addEdgeRules(layRoute(path).destination);
    await bench.clock.advance(5_900);
    assert.deepEqual(rulesOf(...path), [0, 2, 2, 2]);
    await bench.clock.advance(200);
    assert.deepEqual(rulesOf(...path), [0, 1, 1, 0], "the way back is over");
    await bench.clock.advance(25_000); // nobody answers by the way there
    assert.deepEqual(rulesOf(...path), [0, 0, 0, 0]);
  }));

Deno.test("a close that nobody answers: the way back lives on for 10 s, for as long as it is used", () =>
  withRouting(async (bench) => {
    const [alice, bob, carol] = bench.nodes("alice", "bob", "carol") as [Node, Node, Node];
    link(alice, bob);
    link(bob, carol);
    const { source, destination } = layRoute([alice, bob, carol]);
    const say = (type: number, edge: typeof source, from: Node) =>
      bob.router.handlePackets(
        encodePacket(type, edge.forward.nextRouteId, Uint8Array.of(0)),
        over(from, bob),
      );
    await say(PacketType.close, source, alice);
    assert.deepEqual(rulesOf(bob), [1]);
    for (let round = 0; round < 5; round++) { // the far end has more to say
      await bench.clock.advance(9_000);
      await say(PacketType.data, destination, carol);
      assert.deepEqual(rulesOf(bob), [1]);
    }
    await bench.clock.advance(21_000); // rules are looked at each 10 s
    assert.deepEqual(rulesOf(bob), [0]);
  }));

Deno.test("relays say why, so that it is no orderly end", () =>
  withRouting(async (bench) => {
    const path = bench.nodes("alice", "bob", "carol");
    link(path[0]!, path[1]!);
    const second = link(path[1]!, path[2]!);
    const { group, other } = await open(bench, path);
    const reading = failureOf(group.read());
    unlink(second, path[1]!, path[2]!);
    const failure = await bench.within(0, reading);
    assert.ok(
      failure instanceof RouteClosedByPeerError && /transport of the route failed/.test(failure.text),
    );
    assert.equal(path[1]!.router.counters().rulesBroken, 2);
    for (const end of [group, other]) end.close();
  }));

for (const isClosedAt of ["alice", "dave"]) {
  Deno.test(`another way back: it closes at ${isClosedAt}, and both ends know at once`, () =>
    withRouting(async (bench) => {
      const [alice, bob, carol, dave] = bench.nodes("alice", "bob", "carol", "dave");
      for (const [a, b] of [[alice, bob], [bob, carol], [carol, dave]] as const) link(a, b);
      const last = link(dave, alice);
      const { group, other } = await openApart(bench, { alice, bob, carol, dave });
      await talks(bench, { group, other });
      const ends = [group, other].map((end) => failureOf(end.read()));
      // One side may notice long before the other one.
      if (isClosedAt === "alice") alice.router.transportClosed(last);
      else unlink(last, dave, alice);
      for (const failure of await bench.within(0, Promise.all(ends))) {
        assert.ok(failure instanceof ConnResetError, `${failure}`);
      }
      assert.deepEqual([alice, carol].map(({ router }) => router.groups()), [[], []]);
      for (const each of [group, other]) each.close();
    }));
}

Deno.test("the way there breaks in front of the far end: its rule goes at once, the source is told by the way back", () =>
  withRouting(async (bench) => {
    const [alice, bob, carol, dave] = bench.nodes("alice", "bob", "carol", "dave");
    for (const [a, b] of [[alice, bob], [carol, dave], [dave, alice]] as const) link(a, b);
    const broken = link(bob, carol);
    const { group, other } = await openApart(bench, { alice, bob, carol, dave });
    bob.router.deleteRules([bob.router.rules()[1]!.routeId]); // never used: of the ways that are not taken
    assert.deepEqual(rulesOf(bob), [1]);
    const heard = failureOf(group.read());
    unlink(broken, bob, carol);
    assert.deepEqual(rulesOf(bob), [0]);
    assert.ok(await bench.within(0, heard) instanceof RouteClosedByPeerError);
    for (const each of [group, other]) each.close();
  }));

Deno.test("a neighbour cannot use or end the routes of others: neither at a relay nor at an end", () =>
  withRouting(async (bench) => {
    const [alice, carol, bob, mallory] = bench.nodes("alice", "carol", "bob", "mallory");
    const path = [alice, carol, bob];
    link(alice, carol);
    link(carol, bob);
    const ends = await open(bench, path);
    for (const node of path) {
      link(mallory, node);
      const counted = node.router.counters().wrongTransport;
      const ids = node.router.rules().map(({ routeId }) => routeId);
      for (const type of [PacketType.close, PacketType.data, PacketType.error, PacketType.keepAlive]) {
        for (const id of ids) {
          await node.router.handlePackets(encodePacket(type, id, Uint8Array.of(0)), over(mallory, node));
        }
      }
      await bench.settle();
      assert.equal(node.router.counters().wrongTransport, counted + 4 * ids.length);
      await talks(bench, ends);
    }
    assert.deepEqual(rulesOf(...path), [2, 2, 2]);
    for (const end of [ends.group, ends.other]) end.close();
  }));

Deno.test("a peer behind a relay that does not read: other routes wait for it 10 s, once, and its route ends", () =>
  withRouting(async (bench) => {
    const [alice, carol, bob, dave] = bench.nodes("alice", "carol", "bob", "dave");
    const shared = link(alice, carol);
    const stuck = link(carol, bob);
    link(carol, dave);
    const stalled = await open(bench, [alice, carol, bob]);
    const beside = await open(bench, [alice, carol, dave]);
    stuck.isStalled = true;
    const heardOf = failureOf(stalled.group.read());
    await fill(bench, stalled.group);
    let heard: string | null | undefined;
    void beside.other.read().then((view) => heard = decode(view));
    void beside.group.write(encode("beside"));
    await bench.clock.advance(9_800);
    assert.equal(heard, undefined);
    assert.equal(carol.router.counters().transportsStalled, 0);
    await bench.clock.advance(400);
    assert.equal(heard, "beside");
    assert.ok(await bench.within(0, heardOf) instanceof RouteClosedByPeerError);
    assert.ok(shared.isLive);
    assert.deepEqual([carol.router.counters().transportsStalled, carol.router.counters().rulesBroken], [
      1,
      2,
    ]);
    assert.deepEqual(rulesOf(alice, carol, dave), [2, 2, 2]);
    await talks(bench, beside); // and nothing waits any more
    stuck.resume(); // it reads after all: it is told
    await bench.settle();
    let failure: unknown;
    while (failure === undefined) failure = await bench.within(0, failureOf(stalled.other.read()));
    assert.ok(failure instanceof ConnResetError, `${failure}`);
    assert.deepEqual(rulesOf(bob), [0]);
    for (const { group, other } of [stalled, beside]) {
      group.close();
      other.close();
    }
  }));

Deno.test("a full queue that moves is waited for, though it stays full", () =>
  withRouting(async (bench) => {
    const [alice, carol, bob] = bench.nodes("alice", "carol", "bob");
    link(alice, carol);
    const next = link(carol, bob);
    const taken: (() => void)[] = [];
    next.write = () => new Promise((resolve) => taken.push(resolve));
    layRoute([alice, carol, bob]);
    const { routeId } = carol.router.rules()[0]!;
    let waiting = 0;
    for (let count = 0; count < 40; count++) { // as from many transports, each with a read of its own
      const packet = encodePacket(PacketType.data, routeId, new Uint8Array(65_000));
      void carol.router.handlePackets(packet, over(alice, carol))?.then(() => waiting--);
      waiting++;
    }
    for (let round = 0; round < 3; round++) {
      await bench.clock.advance(9_000);
      taken.shift()!();
    }
    await bench.clock.advance(9_500);
    assert.equal(carol.router.counters().transportsStalled, 0);
    await bench.clock.advance(1_000);
    assert.equal(carol.router.counters().transportsStalled, 1);
    assert.equal(carol.router.counters().packetsForwarded, 3 + 2); // and what alice was told
    assert.equal(waiting, 16); // those that had room never waited
    taken.forEach((resolve) => resolve());
    await bench.settle();
  }));

Deno.test("a transport that took nothing for 10 s holds nobody up again before it takes something", () =>
  withRouting(async (bench) => {
    const [alice, carol, bob] = bench.nodes("alice", "carol", "bob");
    link(alice, carol);
    const next = link(carol, bob);
    next.isStalled = true;
    const flood = async () => {
      layRoute([alice, carol, bob]);
      const { routeId } = carol.router.rules()[0]!;
      const packet = () => encodePacket(PacketType.data, routeId, new Uint8Array(65_000));
      for (let count = 0;; count++) {
        assert.ok(count < 1_000, "everything is taken");
        const waiting = carol.router.handlePackets(packet(), over(alice, carol));
        if (waiting === undefined) continue;
        const startMs = bench.clock.monotonicMs();
        await bench.within(20_000, waiting);
        assert.deepEqual(carol.router.rules(), []);
        return bench.clock.monotonicMs() - startMs;
      }
    };
    assert.deepEqual([await flood(), await flood(), await flood()], [10_000, 0, 0]);
    next.resume();
    await bench.settle();
    next.isStalled = true;
    assert.equal(await flood(), 10_000); // it gets a new chance
    assert.equal(carol.router.counters().transportsStalled, 4);
    next.resume();
    await bench.settle();
  }));

Deno.test("a next transport that is slow, but takes something each 9 s, is waited for", () =>
  withRouting(async (bench) => {
    const [alice, carol, bob] = bench.nodes("alice", "carol", "bob");
    link(alice, carol);
    const slow = link(carol, bob);
    const { group, other } = await open(bench, [alice, carol, bob]);
    void (async () => {
      while (await other.read().catch(() => null) !== null);
    })();
    slow.isStalled = true;
    await fill(bench, group);
    for (let round = 0; round < 4; round++) {
      await bench.clock.advance(9_000);
      slow.resume();
      for (let turn = 0; turn < 300 && round < 3; turn++) await Promise.resolve();
      slow.isStalled = true;
    }
    assert.equal(carol.router.counters().transportsStalled, 0);
    slow.resume();
    await bench.settle();
    group.close();
    other.close();
  }));

Deno.test("what a relay holds for a transport is bounded, and leaves in large writes", () =>
  withRouting(async (bench) => {
    const [alice, carol, bob] = bench.nodes("alice", "carol", "bob");
    link(alice, carol);
    const next = link(carol, bob);
    layRoute([alice, carol, bob]);
    const { routeId } = carol.router.rules()[0]!;
    next.isStalled = true;
    next.written = [];
    let taken = 0;
    let isWaiting = false;
    for (; !isWaiting && taken < 4 << 20; taken += 4_103) {
      const packet = encodePacket(PacketType.data, routeId, new Uint8Array(4_096).fill(taken & 255));
      isWaiting = carol.router.handlePackets(packet, over(alice, carol)) !== undefined;
      packet.fill(0xee); // the view was the transport's
    }
    assert.ok(taken >= 1 << 20 && taken < (1 << 20) + 8_192, `${taken} bytes`);
    next.resume();
    await bench.settle();
    const sizes = next.written.map(({ length }) => length);
    assert.ok(sizes.every((size) => size <= 65_536) && sizes.length <= 18, `${sizes}`);
    assert.equal(carol.router.counters().bytesForwarded, taken);
    const passed = next.written.flatMap((bytes) => parsePackets(bytes));
    assert.equal(passed.length, taken / 4_103);
    passed.forEach(({ payload }, index) => {
      assert.ok(payload.every((byte) => byte === (index * 4_103 & 255)), `packet ${index}`);
    });
  }));
