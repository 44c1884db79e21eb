/** Who may have how much of a routing table. @module */
import assert from "node:assert/strict";
import { RouteTableFullError, RouteTransportMissingError } from "../../lib/routing/mod.ts";
import { encodePacket, PacketType, transportId } from "../../lib/transport/mod.ts";
import { type RoutingBench, withRouting } from "./_bench.ts";
import { keysOf, layRoute, link, Node, openRoute, over } from "./_rig.ts";

const HOUR_NS = 3_600_000_000_000n;

function line(bench: RoutingBench, rulesMax: number) {
  const settings = { settings: { rulesMax } };
  const [mallory, alice, bob, carol] = [
    bench.node("mallory"),
    bench.node("alice"),
    bench.node("bob", settings),
    bench.node("carol"),
  ];
  link(mallory, bob);
  link(alice, bob);
  link(bob, carol);
  return { mallory, alice, bob, carol };
}

/** `count` rules of a relay to `next`, as one who can ask a setup node has them installed. */
function fill(relay: Node, next: Node, count: number): number[] {
  const ids = relay.router.reserveIds(count);
  const nextTransportId = transportId(relay.key, next.key, "stcpr");
  relay.router.addIntermediaryRules(
    ids.map((routeId) => ({
      kind: "intermediary",
      routeId,
      nextRouteId: 7,
      nextTransportId,
      keepAliveNs: HOUR_NS,
    })),
  );
  return ids;
}

Deno.test("a rule that leads over no live transport is refused, with all of its call", () =>
  withRouting(async (bench) => {
    const { bob, carol } = line(bench, 64);
    const [good, bad] = bob.router.reserveIds(2) as [number, number];
    const head = { kind: "intermediary" as const, nextRouteId: 7, keepAliveNs: HOUR_NS };
    const nowhere = transportId(keysOf("x").publicKey, keysOf("y").publicKey, "stcpr");
    const rules = [
      { ...head, routeId: good, nextTransportId: transportId(bob.key, carol.key, "stcpr") },
      { ...head, routeId: bad, nextTransportId: nowhere },
    ];
    assert.throws(() => bob.router.addIntermediaryRules(rules), RouteTransportMissingError);
    assert.deepEqual(bob.router.rules(), []);
    assert.equal(bob.router.counters().rulesRefused, 1);
    await bench.settle();
  }));

Deno.test("a table full of rules that nobody uses has room again after 60 s, the oldest goes first", () =>
  withRouting(async (bench) => {
    const { alice, bob, carol } = line(bench, 64);
    const ids = fill(bob, carol, 64);
    await bench.clock.advance(59_000);
    assert.throws(() => layRoute([alice, bob, carol]), RouteTableFullError);
    await bench.clock.advance(1_000);
    const listener = carol.router.listen(3);
    const group = await bench.within(1_000, openRoute([alice, bob, carol]));
    const other = (await listener.accept())!;
    const left = bob.router.rules().map(({ routeId }) => routeId);
    assert.equal(left.length, 64);
    assert.deepEqual(left.slice(0, 62), ids.slice(2));
    assert.throws(() => { // what is in use does not make room
      for (let more = 0; more < 63; more++) fill(bob, carol, 1);
    }, RouteTableFullError);
    const used = bob.router.rules().slice(0, 2);
    await bench.clock.advance(60_000);
    fill(bob, carol, 1);
    assert.deepEqual(bob.router.rules().slice(0, 2), used);
    assert.equal(alice.router.groups().length, 1);
    bob.router.deleteRules(ids);
    for (const each of [group, other, listener]) each.close();
    await bench.clock.advance(3_000);
    bob.router.deleteRules(bob.router.rules().map(({ routeId }) => routeId));
  }));

Deno.test("the packets of one transport have a quarter of the table; another one's routes find room", () =>
  withRouting(async (bench) => {
    const { mallory, bob, carol } = line(bench, 64);
    const ids = fill(bob, carol, 64);
    for (const routeId of ids) {
      const packet = encodePacket(PacketType.keepAlive, routeId, new Uint8Array());
      await bob.router.handlePackets(packet, over(mallory, bob));
    }
    assert.deepEqual(bob.router.rules().map(({ routeId }) => routeId), ids.slice(0, 16));
    assert.equal(bob.router.counters().rulesRefused, 48);
    bob.router.deleteRules(ids);
    await bench.settle();
  }));

Deno.test("one source has a quarter of the table for its ends; others, and our own dials, find room", () =>
  withRouting(async (bench) => {
    const { mallory, alice, bob, carol } = line(bench, 64);
    const listener = bob.router.listen(58);
    const groups = [];
    for (let count = 0; count < 8; count++) {
      groups.push(await bench.within(1_000, openRoute([mallory, bob], { port: 58 })));
      groups.push((await listener.accept())!);
    }
    const { destination } = layRoute([mallory, bob], { port: 58 });
    assert.throws(() => bob.router.addEdgeRules(destination), RouteTableFullError);
    groups.push(await bench.within(1_000, openRoute([alice, bob], { port: 58 })));
    groups.push((await listener.accept())!);
    fill(bob, carol, 64 - 18);
    assert.throws(() => fill(bob, carol, 1), RouteTableFullError);
    const far = carol.router.listen(3);
    groups.push(await bench.within(1_000, openRoute([bob, carol]))); // beyond what others may fill
    groups.push((await far.accept())!);
    for (const each of [...groups, listener, far]) each.close();
    await bench.clock.advance(3_000);
    bob.router.deleteRules(bob.router.rules().map(({ routeId }) => routeId));
    bob.router.addEdgeRules(layRoute([mallory, bob], { port: 58 }).destination); // its routes ended
    await bench.clock.advance(7_000);
  }));
