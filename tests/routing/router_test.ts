/** What a router does with packets: passing on, handing over, dropping, parking; and with rules. @module */
import assert from "node:assert/strict";
import { ConnClosedError } from "../../lib/base/mod.ts";
import {
  encodeRule,
  invertDescriptor,
  parseRule,
  RouteRuleError,
  RouteTransportMissingError,
  type Rule,
} from "../../lib/routing/mod.ts";
import { encodePacket, type Packet, PacketType, parsePackets } from "../../lib/transport/mod.ts";
import { addEdges } from "./_accepts.ts";
import { type RoutingBench, withRouting } from "./_bench.ts";
import { decode, encode, layRoute, link, type MemoryTransport, openRoute, over } from "./_rig.ts";

/** alice - carol - bob, carol a relay; what carol sends to bob is kept. */
function line(bench: RoutingBench) {
  const [alice, carol, bob] = [bench.node("alice"), bench.node("carol"), bench.node("bob")];
  const [first, second] = [link(alice, carol), link(carol, bob)];
  second.written = [];
  carol.router.reserveIds(3); // no id is the same at two of them
  bob.router.reserveIds(700);
  return { alice, carol, bob, first, second };
}

function joined(...packets: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(packets.reduce((sum, { length }) => sum + length, 0));
  packets.reduce((at, packet) => (all.set(packet, at), at + packet.length), 0);
  return all;
}

function writtenPackets({ written }: MemoryTransport): Packet[] {
  return written!.flatMap((bytes) => parsePackets(bytes));
}

/** The id under which carol holds her rule of the way there. */
function relayRule({ router }: { router: { rules(): Rule[] } }, index = 0) {
  const rule = router.rules()[index]!;
  assert.equal(rule.kind, "intermediary");
  return rule as Extract<Rule, { kind: "intermediary" }>;
}

Deno.test("a run of packets for one transport leaves as one write, ids changed in place, payloads untouched", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob, second } = line(bench);
    layRoute([alice, carol, bob]);
    layRoute([alice, carol, bob]);
    const [one, two] = [relayRule(carol, 0), relayRule(carol, 2)];
    const payloads = ["first", "second", "third"].map(encode);
    const batch = joined(
      encodePacket(PacketType.data, one.routeId, payloads[0]!),
      encodePacket(PacketType.data, two.routeId, payloads[1]!),
      encodePacket(PacketType.handshake, one.routeId, payloads[2]!), // whole: relays of 2024 cut it
    );
    await carol.router.handlePackets(batch, over(alice, carol));
    assert.equal(second.written!.length, 1);
    assert.equal(second.written![0]!.length, batch.length);
    assert.deepEqual(
      writtenPackets(second).map(({ type, routeId, payload }) => [type, routeId, decode(payload)]),
      [
        [PacketType.data, one.nextRouteId, "first"],
        [PacketType.data, two.nextRouteId, "second"],
        [PacketType.handshake, one.nextRouteId, "third"],
      ],
    );
    await bench.settle();
    assert.equal(carol.router.counters().packetsForwarded, 3);
    assert.equal(carol.router.counters().bytesForwarded, batch.length);
  }));

Deno.test("packets for two transports in turn keep their order on each, and one that stalls holds up nothing yet", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob, second } = line(bench);
    const dave = bench.node("dave");
    const third = link(carol, dave);
    third.written = [];
    layRoute([alice, carol, bob]);
    layRoute([alice, carol, dave]);
    const [toBob, toDave] = [relayRule(carol, 0), relayRule(carol, 2)];
    const batch = joined(
      ...[toBob, toDave, toBob, toDave].map(({ routeId }, index) =>
        encodePacket(PacketType.data, routeId, Uint8Array.of(index))
      ),
    );
    third.isStalled = true;
    let isDone = false;
    const handled = Promise.resolve(carol.router.handlePackets(batch, over(alice, carol))).then(() =>
      isDone = true
    );
    await bench.settle();
    assert.deepEqual(writtenPackets(second).map(({ payload }) => payload[0]), [0, 2]);
    assert.deepEqual(writtenPackets(third).map(({ payload }) => payload[0]), [1]);
    assert.equal(isDone, true); // the arriving transport reads on
    await handled;
    third.resume();
    await bench.settle();
    assert.deepEqual(writtenPackets(third).map(({ payload }) => payload[0]), [1, 3]);
  }));

Deno.test("unknown ids, unknown types and missing transports are dropped and counted; what is around them goes on", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob, first, second } = line(bench);
    layRoute([alice, carol, bob]);
    const { routeId, nextRouteId } = relayRule(carol);
    const data = (text: string) => encodePacket(PacketType.data, routeId, encode(text));
    await carol.router.handlePackets(
      joined(
        data("a"),
        encodePacket(PacketType.data, 999, encode("x")),
        data("b"),
        encodePacket(60, routeId, encode("y")),
        encodePacket(PacketType.transportPing, routeId, new Uint8Array(8)),
        data("c"),
      ),
      over(alice, carol),
    );
    await bench.settle();
    assert.deepEqual(writtenPackets(second).map((each) => [each.routeId, decode(each.payload)]), [
      [nextRouteId, "a"],
      [nextRouteId, "b"],
      [nextRouteId, "c"],
    ]);
    second.cut();
    await carol.router.handlePackets(data("d"), over(alice, carol));
    const { unknownRoute, unknownType, transportMissing } = carol.router.counters();
    assert.deepEqual({ unknownRoute, unknownType, transportMissing }, {
      unknownRoute: 1,
      unknownType: 2,
      transportMissing: 1,
    });
    assert.ok(first.isLive, "a transport was closed for what came over it");
  }));

Deno.test("a relay passes a keep-alive and a close on, and then has the rule no more; a forward rule passes neither", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob, second } = line(bench);
    const { source } = layRoute([alice, carol, bob]);
    const { routeId } = relayRule(carol);
    const close = encodePacket(PacketType.close, routeId, Uint8Array.of(0));
    await carol.router.handlePackets(
      joined(
        encodePacket(PacketType.keepAlive, routeId, new Uint8Array()),
        close,
        encodePacket(PacketType.data, routeId, encode("too late")),
      ),
      over(alice, carol),
    );
    assert.deepEqual(writtenPackets(second).map(({ type }) => type), [
      PacketType.keepAlive,
      PacketType.close,
    ]);
    assert.deepEqual(carol.router.rules().map((rule) => rule.routeId), [routeId + 1]);
    assert.equal(carol.router.counters().unknownRoute, 1);

    const opening = alice.router.open(source).catch((error) => error);
    const near = alice.transports.values().next().value!;
    near.written = [];
    await alice.router.handlePackets(
      encodePacket(PacketType.keepAlive, source.forward.routeId, new Uint8Array()),
      near,
    );
    assert.deepEqual(near.written, []);
    await alice.router.handlePackets(
      encodePacket(PacketType.close, source.forward.routeId, Uint8Array.of(0)),
      near,
    );
    assert.ok(await bench.within(10_000, opening) instanceof Error);
    assert.deepEqual(alice.router.rules(), []);
  }));

Deno.test("a relay's rules live while packets go by, and die 30 s after the last", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob } = line(bench);
    layRoute([alice, carol, bob], { keepAliveNs: 30_000_000_000n });
    const { routeId } = relayRule(carol);
    for (let round = 0; round < 5; round++) {
      await bench.clock.advance(25_000);
      await carol.router.handlePackets(
        encodePacket(PacketType.data, routeId, encode("x")),
        over(alice, carol),
      );
    }
    assert.equal(carol.router.rules().length, 1);
    await bench.clock.advance(31_000);
    await carol.router.handlePackets(encodePacket(PacketType.data, routeId, encode("x")), over(alice, carol));
    assert.deepEqual(carol.router.rules(), []);
  }));

Deno.test("a rule whose transport fails is not kept alive by packets that did not go out", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob, second } = line(bench);
    layRoute([alice, carol, bob], { keepAliveNs: 30_000_000_000n });
    const { routeId } = relayRule(carol);
    second.write = () => Promise.reject(new Error("The test fails every write"));
    for (let round = 0; round < 4; round++) {
      await carol.router.handlePackets(
        encodePacket(PacketType.data, routeId, encode("x")),
        over(alice, carol),
      );
      await bench.clock.advance(15_000);
    }
    assert.deepEqual(carol.router.rules(), []);
    assert.ok(carol.router.counters().forwardFailed >= 2);
  }));

Deno.test("rules that were not asked for, of the wrong kind or of other visors are refused, and none is saved", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob, second } = line(bench);
    const { source, destination } = layRoute([alice, carol, bob]);
    const good = relayRule(carol);
    const before = carol.router.rules().length;
    const foreign = { ...good, routeId: 1_000 };
    const { router } = carol;
    const ids = router.reserveIds(2);
    assert.throws(
      () => router.addIntermediaryRules([{ ...good, routeId: ids[0]! }, foreign]),
      RouteRuleError,
    );
    assert.throws(
      () => router.addIntermediaryRules([{ ...destination.reverse, routeId: ids[1]! }]),
      /not consume/,
    );
    assert.equal(router.rules().length, before);
    assert.throws(() => router.addEdgeRules(destination), /ends at .*, not here/);
    for (
      const wrong of [
        { ...destination, reverse: { ...destination.reverse, descriptor: source.descriptor } },
        { ...destination, forward: { ...destination.forward, descriptor: destination.descriptor } },
        { ...destination, forward: { ...destination.forward, routeId: destination.reverse.routeId } },
        { ...destination, descriptor: invertDescriptor(destination.descriptor) },
        { ...destination, forward: { ...destination.forward, routeId: 1_000 } },
      ]
    ) assert.throws(() => bob.router.addEdgeRules(wrong), RouteRuleError);
    second.cut();
    assert.throws(() => bob.router.addEdgeRules(destination), RouteTransportMissingError);
    await assert.rejects(
      alice.router.open({ ...source, descriptor: destination.descriptor }),
      RouteRuleError,
    );
    assert.deepEqual([bob.router.rules(), bob.router.groups(), alice.router.rules()], [[], [], []]);
    assert.equal(bob.router.counters().rulesRefused, 6);
    assert.equal(router.counters().rulesRefused, 3);
  }));

Deno.test("rules that went over the wire lead packets as well", () =>
  withRouting(async (bench) => {
    const { alice, bob } = line(bench);
    link(alice, bob);
    const { source, destination } = layRoute([alice, bob]);
    const sent = <R extends Rule>(rule: R) => parseRule(encodeRule(rule)) as R;
    const listener = bob.router.listen(3);
    bob.router.addEdgeRules({
      descriptor: destination.descriptor,
      forward: sent(destination.forward),
      reverse: sent(destination.reverse),
    });
    const group = await bench.within(1_000, alice.router.open(source));
    const other = (await listener.accept())!;
    await group.write(encode("hello"));
    assert.equal(decode(await other.read()), "hello");
    group.close();
    other.close();
  }));

Deno.test("deleted rules end their group, at both ends", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob } = line(bench);
    const listener = bob.router.listen(3);
    const group = await bench.within(1_000, openRoute([alice, carol, bob]));
    const other = (await listener.accept())!;
    const [reading, otherReading] = [group.read(), other.read()].map((read) => read.catch((error) => error));
    bob.router.deleteRules([4_000, bob.router.groups()[0]!.routeId]);
    await bench.settle();
    assert.ok(await otherReading instanceof ConnClosedError);
    assert.match(String(await reading), /closed by the peer/);
    assert.deepEqual([alice, carol, bob].map(({ router }) => router.rules()), [[], [], []]);
    group.close();
    other.close();
  }));

Deno.test("packets that come before their group are parked for it: 16 of each, and 2 s long", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob } = line(bench);
    // As many groups in their handshakes as there may be, so that the next one has rules and must wait.
    addEdges([bench.node("dave"), bench.node("erin")], [carol, bob], 128);
    await bench.clock.advance(4_500);
    addEdges([alice], [carol, bob], 1); // the first of a source waits for nobody
    const { source, destination } = layRoute([alice, carol, bob]);
    const listener = bob.router.listen(3);
    bob.router.addEdgeRules(destination);
    assert.equal(bob.router.groups().length, 257);
    const opening = alice.router.open(source); // its handshakes come before the group is there
    await bench.clock.advance(1_000);
    for (let index = 0; index < 20; index++) {
      await bob.router.handlePackets(
        encodePacket(PacketType.keepAlive, destination.reverse.routeId, new Uint8Array()),
        over(carol, bob),
      );
    }
    assert.equal(bob.router.counters().parkedDropped, 20 + 2 - 16);
    await bench.clock.advance(600); // the 256 are over
    const group = await bench.within(100, opening); // by a parked handshake, not by the next repeat
    group.close();
    (await listener.accept())!.close();
    await bench.clock.advance(3_000);
  }));

Deno.test("parked packets whose group does not come are dropped after 2 s", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob } = line(bench);
    addEdges([bench.node("dave"), bench.node("erin")], [carol, bob], 128);
    addEdges([alice], [carol, bob], 1);
    const { destination } = layRoute([alice, carol, bob]);
    bob.router.addEdgeRules(destination);
    await bob.router.handlePackets(
      encodePacket(PacketType.handshake, destination.reverse.routeId, Uint8Array.of(1)),
      over(carol, bob),
    );
    await bench.clock.advance(1_900);
    assert.equal(bob.router.counters().parkedDropped, 0);
    await bench.clock.advance(1_100);
    assert.equal(bob.router.counters().parkedDropped, 1);
    await bench.clock.advance(20_000);
  }));

Deno.test("after close() nothing is taken any more", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob } = line(bench);
    const { source, destination } = layRoute([alice, carol, bob]);
    await bob.router.close();
    await alice.router.close();
    assert.throws(() => bob.router.addEdgeRules(destination), ConnClosedError);
    await assert.rejects(alice.router.open(source), ConnClosedError);
  }));
