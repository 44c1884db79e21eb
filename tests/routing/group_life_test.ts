/** A route group from its first handshake packet to its last close, and what goes wrong in between. @module */
import assert from "node:assert/strict";
import { ConnClosedError, ConnResetError, TimedOutError } from "../../lib/base/mod.ts";
import { HandshakeError, PqRequiredError } from "../../lib/noise/mod.ts";
import {
  RouteBusyError,
  RouteClosedByPeerError,
  type RouteGroup,
  RouteHandshakeTimeoutError,
  type RouteListener,
  RoutePortTakenError,
  RouteTransportMissingError,
  RouteUnencryptedError,
} from "../../lib/routing/mod.ts";
import { encodePacket, PacketType, parsePackets } from "../../lib/transport/mod.ts";
import { type RoutingBench, withRouting } from "./_bench.ts";
import {
  decode,
  encode,
  layRoute,
  link,
  type MemoryTransport,
  Node,
  openRoute,
  over,
  unlink,
} from "./_rig.ts";

/** Two visors with one transport between them. */
function pair(bench: RoutingBench, options: ConstructorParameters<typeof Node>[2] = {}) {
  const [alice, bob] = [bench.node("alice", options), bench.node("bob", options)];
  const near = link(alice, bob);
  return { alice, bob, near, far: near.peer };
}

/** Both ends of an open group. */
async function open(bench: RoutingBench, path: readonly Node[], options: { keepAliveNs?: bigint } = {}) {
  const listener: RouteListener = path.at(-1)!.router.listen(3);
  const group = await bench.within(1_000, openRoute(path, options));
  const other = (await listener.accept())!;
  listener.close();
  return { group, other };
}

/** The types of what was written since the last call. */
function types(transport: MemoryTransport): number[] {
  const written = transport.written!.splice(0);
  return written.flatMap((bytes) => parsePackets(bytes).map(({ type }) => type));
}

function closeBoth({ group, other }: { group: RouteGroup; other: RouteGroup }): void {
  group.close();
  other.close();
}

const failureOf = (promise: Promise<unknown>) => promise.then(() => undefined, (error) => error);
const NOTHING = new Uint8Array(0);
const { data, close, keepAlive, handshake, ping, pong, error } = PacketType;

Deno.test("RT-7: the source says its handshake each second, and fails after 6 s with Skywire's words", () =>
  withRouting(async (bench) => {
    const { alice, bob, near } = pair(bench);
    near.written = [];
    const failing = failureOf(alice.router.open(layRoute([alice, bob]).source)); // bob has no rules for it
    await bench.clock.advance(5_900);
    assert.deepEqual(types(near), new Array(6).fill(handshake));
    const failure = await bench.within(200, failing);
    assert.ok(failure instanceof RouteHandshakeTimeoutError);
    assert.equal(
      failure.message,
      `remote handshake not received within 6s (peer ${bob.key} likely unreachable, app down, or whitelist-rejected)`,
    );
    assert.deepEqual([alice.router.rules(), alice.router.groups()], [[], []]);
    assert.equal(alice.router.counters().groupsFailed, 1);
    assert.ok(types(near).includes(close), "relays were not told");
  }));

Deno.test("RT-7: a destination that hears nothing for 6 s closes its way back, and its rules go", () =>
  withRouting(async (bench) => {
    const { alice, bob, far } = pair(bench);
    far.written = [];
    bob.router.addEdgeRules(layRoute([alice, bob]).destination);
    assert.equal(bob.router.groups().length, 1);
    await bench.clock.advance(5_900);
    assert.equal(bob.router.rules().length, 2);
    await bench.clock.advance(200);
    assert.deepEqual([bob.router.rules(), bob.router.groups()], [[], []]);
    assert.deepEqual(types(far), [PacketType.error, close], "the relays' rules were left alone");
  }));

Deno.test("a handshake whose answer is lost is answered again, also when the group runs already", () =>
  withRouting(async (bench) => {
    const { alice, bob, near, far } = pair(bench);
    near.written = [];
    const listener = bob.router.listen(3);
    const accepting = listener.accept();
    let lost = 0;
    const sink = far.peer.sink;
    far.written = [];
    far.peer = {
      sink: () => void (++lost), // what bob says does not arrive
    } as unknown as MemoryTransport;
    const opening = openRoute([alice, bob]);
    await bench.clock.advance(2_500);
    assert.deepEqual([types(far), lost], [[handshake, handshake, handshake], 3]);
    far.peer = { sink } as unknown as MemoryTransport;
    const group = await bench.within(600, opening);
    const other = (await accepting)!;
    types(far);
    const said = types(near).filter((type) => type === handshake);
    assert.equal(said.length, 4, "the source repeats each second, and answers nothing");
    const { routeId } = bob.router.groups()[0]!;
    await bob.router.handlePackets(
      encodePacket(handshake, routeId, Uint8Array.of(1, 3, 0)),
      over(alice, bob),
    );
    assert.deepEqual(types(far), [handshake]);
    await group.write(encode("still here"));
    assert.equal(decode(await other.read()), "still here");
    far.peer = { sink: () => {} } as unknown as MemoryTransport; // else answers would have answers
    await bench.settle();
    types(near);
    await alice.router.handlePackets(
      encodePacket(handshake, alice.router.groups()[0]!.routeId, Uint8Array.of(1)),
      over(alice, bob),
    );
    await bench.settle();
    assert.deepEqual(types(near), [], "the source answered a handshake");
    group.close(new Error("enough"));
    other.close(new Error("enough"));
  }));

Deno.test("a peer that offers mux and SACK, or is of 2024, gets plain data packets; we offer nothing", () =>
  withRouting(async (bench) => {
    const { alice, bob, near } = pair(bench);
    for (const offer of [[1], [1, 3, 0], [1, 0xd3, 1], [1, 0xff, 0xff, 9, 9]]) {
      const listener = bob.router.listen(3);
      const { source, destination } = layRoute([alice, bob]);
      near.written = [];
      bob.router.addEdgeRules(destination);
      // The source's own handshake comes as a duplicate of this one.
      await bob.router.handlePackets(
        encodePacket(handshake, destination.reverse.routeId, Uint8Array.from(offer)),
        over(alice, bob),
      );
      const group = await bench.within(1_000, alice.router.open(source));
      const other = (await listener.accept())!;
      const [first] = parsePackets(near.written[0]!);
      assert.deepEqual([...first!.payload], [1, 0, 0]);
      await group.write(encode("hello"));
      assert.equal(decode(await other.read()), "hello");
      closeBoth({ group, other });
      listener.close();
      await bench.settle();
    }
  }));

Deno.test("data in front of any handshake, or a handshake without encryption, is refused at both ends", () =>
  withRouting(async (bench) => {
    const { alice, bob } = pair(bench);
    for (const packet of [[data, 9, 9], [handshake, 0], [handshake, 0, 3, 0]]) {
      const [type, ...payload] = packet as [number, ...number[]];
      const { source, destination } = layRoute([alice, bob]);
      const failing = failureOf(alice.router.open(source));
      await alice.router.handlePackets(
        encodePacket(type, source.reverse.routeId, Uint8Array.from(payload)),
        over(alice, bob),
      );
      assert.ok(await bench.within(100, failing) instanceof RouteUnencryptedError);
      bob.router.addEdgeRules(destination);
      await bob.router.handlePackets(
        encodePacket(type, destination.reverse.routeId, Uint8Array.from(payload)),
        over(alice, bob),
      );
      await bench.settle();
      assert.deepEqual([alice.router.rules(), bob.router.rules()], [[], []]);
    }
    assert.equal(bob.router.counters().groupsFailed, 3);
  }));

Deno.test("the noise handshake proves the descriptor's keys, and ends after 5 s", () =>
  withRouting(async (bench) => {
    const { alice, bob, near } = pair(bench);
    const mallory = bench.node("mallory");
    const { source, destination } = layRoute([alice, bob]);
    // Bob believes that mallory dials.
    const claimed = { ...destination.descriptor.source, publicKey: mallory.key };
    const descriptor = { ...destination.descriptor, source: claimed };
    bob.router.addEdgeRules({
      descriptor,
      forward: {
        ...destination.forward,
        descriptor: { source: descriptor.destination, destination: descriptor.source },
      },
      reverse: { ...destination.reverse, descriptor },
    });
    const failure = await bench.within(6_000, failureOf(alice.router.open(source)));
    assert.ok(failure instanceof RouteClosedByPeerError, `${failure}`);
    assert.equal(bob.router.counters().groupsFailed, 1);

    const silent = layRoute([alice, bob]);
    const waiting = failureOf(alice.router.open(silent.source));
    near.written = [];
    await alice.router.handlePackets(
      encodePacket(handshake, silent.source.reverse.routeId, Uint8Array.of(1)),
      over(alice, bob),
    );
    await bench.clock.advance(4_900);
    assert.equal(alice.router.groups().length, 1);
    assert.ok(await bench.within(200, waiting) instanceof TimedOutError);
    const garbled = layRoute([alice, bob]);
    const refusing = failureOf(alice.router.open(garbled.source));
    const say = (type: number, payload: Uint8Array) =>
      alice.router.handlePackets(
        encodePacket(type, garbled.source.reverse.routeId, payload),
        over(alice, bob),
      );
    await say(handshake, Uint8Array.of(1));
    await say(data, Uint8Array.from([0, 49, ...new Array(49).fill(2)]));
    assert.ok(await bench.within(200, refusing) instanceof HandshakeError);
  }));

Deno.test("the hybrid rides in the group's noise; where it is required, a peer without it is refused", () =>
  withRouting(async (bench) => {
    const [alice, bob, carol] = [
      bench.node("alice", { mode: "offer" }),
      bench.node("bob", { mode: "require" }),
      bench.node("carol", { mode: "off" }),
    ];
    const near = link(alice, bob);
    link(carol, bob);
    near.written = [];
    const { group, other } = await open(bench, [alice, bob]);
    assert.deepEqual([group.postQuantum, other.postQuantum], [true, true]);
    const first = near.written.flatMap((bytes) => parsePackets(bytes)).find(({ type }) => type === data)!;
    assert.deepEqual([first.payload.length, first.payload[0], first.payload[1]], [1235, 0x04, 0xd1]);
    assert.equal(alice.router.groups()[0]!.postQuantum, true);
    closeBoth({ group, other });
    const failure = await bench.within(8_000, failureOf(openRoute([carol, bob])));
    assert.ok(failure instanceof ConnResetError, `${failure}`);
    const refusal = await bench.within(8_000, failureOf(openRoute([bob, carol])));
    assert.ok(refusal instanceof PqRequiredError, `${refusal}`);
  }));

Deno.test("each noise frame is one packet, and 15 of them one write, which is one batch of 64 KiB below", () =>
  withRouting(async (bench) => {
    const { alice, bob, near } = pair(bench);
    const { group, other } = await open(bench, [alice, bob]);
    near.written = [];
    const writing = group.write(new Uint8Array(15 * 4_070 + 1));
    for (let got = 0; got < 15 * 4_070 + 1;) got += (await other.read())!.length;
    await writing;
    assert.equal(near.written.length, 2);
    assert.ok(near.written[0]!.length <= 16 * 4_070); // as many frames of a transport's noise
    const packets = parsePackets(near.written[0]!);
    assert.deepEqual(
      packets.map(({ type, payload }) => [type, payload.length]),
      new Array(15).fill([data, 4_096]),
    );
    types(near);
    await group.write(NOTHING);
    assert.deepEqual(types(near), []);
    closeBoth({ group, other });
  }));

Deno.test("an empty data packet is no end", () =>
  withRouting(async (bench) => {
    const { alice, bob } = pair(bench);
    const { group, other } = await open(bench, [alice, bob]);
    await alice.router.handlePackets(
      encodePacket(data, alice.router.groups()[0]!.routeId, NOTHING),
      over(alice, bob),
    );
    await other.write(encode("after"));
    assert.equal(decode(await group.read()), "after");
    closeBoth({ group, other });
  }));

Deno.test("nobody on the port: the source is told so in Skywire's words once the group is up", () =>
  withRouting(async (bench) => {
    const { alice, bob, far } = pair(bench);
    for (
      const [port, text] of [[3, "no listener on port 3, skysocks offline"], [
        77,
        "no listener on port 77, service offline",
      ]] as const
    ) {
      far.written = [];
      const group = await bench.within(1_000, openRoute([alice, bob], { port }));
      const failure = await failureOf(group.read());
      assert.ok(failure instanceof RouteClosedByPeerError);
      assert.deepEqual([failure.text, failure.code, group.closeErrorText], [
        text,
        "ROUTE_CLOSED_BY_PEER",
        text,
      ]);
      await assert.rejects(group.write(encode("x")), RouteClosedByPeerError);
      await assert.rejects(group.ping(), RouteClosedByPeerError);
      group.close();
      await bench.settle();
      assert.deepEqual(types(far).slice(-2), [error, close]);
      assert.deepEqual([alice.router.rules(), bob.router.rules()], [[], []]);
    }
  }));

Deno.test("a peer that closes right behind its handshake: the group is open, and ends in the peer's words", () =>
  withRouting(async (bench) => {
    const { alice, bob, near } = pair(bench);
    const deliver = near.sink;
    const held: Uint8Array[] = [];
    near.sink = (packets, from) => { // noise, reason and close come in one read
      const kinds = parsePackets(packets).map(({ type }) => type);
      if (kinds.includes(handshake)) return deliver(packets, from);
      held.push(packets.slice());
      return kinds.includes(close)
        ? deliver(Uint8Array.from(held.flatMap((part) => [...part])), from)
        : undefined;
    };
    const group = await bench.within(1_000, openRoute([alice, bob], { port: 77 }));
    assert.ok(held.length > 0);
    assert.ok(await failureOf(group.ping()) instanceof RouteClosedByPeerError);
    const failure = await failureOf(group.read());
    assert.ok(failure instanceof RouteClosedByPeerError, String(failure));
    assert.equal(failure.text, "no listener on port 77, service offline");
    group.close();
    await group.closed;
    assert.deepEqual([alice.router.groups(), alice.router.rules()], [[], []]);
  }));

Deno.test("a ping under way when the peer closes fails in the peer's words", () =>
  withRouting(async (bench) => {
    const { alice, bob, near } = pair(bench);
    const { group, other } = await open(bench, [alice, bob]);
    near.isStalled = true; // the ping never gets there
    const ended = failureOf(group.ping());
    other.closeWithText("no listener on port 58, service offline");
    const failure = await bench.within(1_000, ended);
    assert.ok(failure instanceof RouteClosedByPeerError, String(failure));
    assert.equal(failure.text, "no listener on port 58, service offline");
    near.resume();
    group.close();
    await bench.settle();
  }));

Deno.test("a listener's queue is bounded; its end closes what nobody accepted, and frees the port", () =>
  withRouting(async (bench) => {
    const { alice, bob } = pair(bench);
    const listener = bob.router.listen(3);
    assert.throws(() => bob.router.listen(3), RoutePortTakenError);
    for (const port of [0, -1, 65_536, 1.5]) assert.throws(() => bob.router.listen(port), RangeError);
    const groups: RouteGroup[] = [];
    for (let index = 0; index < 257; index++) groups.push(await bench.within(1_000, openRoute([alice, bob])));
    assert.match(String(await failureOf(groups.at(-1)!.read())), /accept queue of port 3 is full/);
    listener.close();
    assert.equal(await listener.accept(), null);
    assert.ok(await failureOf(groups[0]!.read()) instanceof ConnResetError);
    bob.router.listen(3).close();
    for (const group of groups) group.close();
  }));

Deno.test("a close is answered at once; what was written before it arrives; the rules of all three go", () =>
  withRouting(async (bench) => {
    const [alice, carol, bob] = [bench.node("alice"), bench.node("carol"), bench.node("bob")];
    link(alice, carol);
    const back = link(carol, bob).peer;
    const { group, other } = await open(bench, [alice, carol, bob]);
    back.written = [];
    await group.write(encode("last words"));
    group.close();
    assert.equal(decode(await other.read()), "last words");
    assert.equal(await other.read(), null);
    await bench.settle();
    await group.closed;
    assert.deepEqual(types(back), [close]);
    assert.deepEqual([alice, carol, bob].map(({ router }) => router.rules()), [[], [], []]);
    other.close();
    await other.closed;
  }));

Deno.test("a close that is not answered ends after 2 s", () =>
  withRouting(async (bench) => {
    const { alice, bob, near } = pair(bench);
    const { group, other } = await open(bench, [alice, bob]);
    near.peer.sink = () => {}; // nothing arrives
    let isClosed = false;
    void group.closed.then(() => isClosed = true);
    group.close();
    await bench.clock.advance(1_900);
    assert.deepEqual([isClosed, alice.router.rules().length], [false, 2]);
    await bench.clock.advance(200);
    assert.deepEqual([isClosed, alice.router.rules().length], [true, 0]);
    other.close(new Error("enough"));
  }));

Deno.test("a close of one leg ends a group that has only that one", () =>
  withRouting(async (bench) => {
    const { alice, bob } = pair(bench);
    const { group, other } = await open(bench, [alice, bob]);
    await alice.router.handlePackets(
      encodePacket(close, alice.router.groups()[0]!.routeId, Uint8Array.of(1)),
      over(alice, bob),
    );
    assert.equal(await group.read(), null);
    assert.deepEqual(alice.router.groups(), []);
    closeBoth({ group, other });
  }));

Deno.test("a transport that dies ends the groups that use it at once, and no other", () =>
  withRouting(async (bench) => {
    const [alice, bob, carol] = [bench.node("alice"), bench.node("bob"), bench.node("carol")];
    const near = link(alice, bob);
    link(alice, carol);
    const [dying, living] = [await open(bench, [alice, bob]), await open(bench, [alice, carol])];
    const reading = failureOf(dying.group.read());
    unlink(near, alice, bob);
    const failure = await reading;
    assert.ok(failure instanceof ConnResetError, `${failure}`);
    await assert.rejects(dying.group.write(encode("x")), ConnResetError);
    assert.deepEqual(alice.router.groups().map(({ remote }) => remote.publicKey), [carol.key]);
    assert.deepEqual(bob.router.rules(), []);
    await living.group.write(encode("alive"));
    assert.equal(decode(await living.other.read()), "alive");
    for (const each of [dying, living]) closeBoth(each);
  }));

Deno.test("a first transport that is missing is told in Skywire's words", () =>
  withRouting(async (bench) => {
    const { alice, bob, near } = pair(bench);
    const { source } = layRoute([alice, bob]);
    near.cut();
    const failure = await failureOf(alice.router.open(source));
    assert.ok(failure instanceof RouteTransportMissingError);
    assert.equal(failure.message, `transport ${near.id} not found locally`);
    assert.deepEqual(alice.router.rules(), []);
  }));

Deno.test("one set-up of a name at a time; a ready group is replaced by a new one of its name", () =>
  withRouting(async (bench) => {
    const { alice, bob } = pair(bench);
    const first = layRoute([alice, bob], { from: 50_000 });
    const second = layRoute([alice, bob], { from: 50_000 });
    const listener = bob.router.listen(3);
    const opening = alice.router.open(first.source);
    assert.match(String(await failureOf(alice.router.open(second.source))), /already being initialized/);
    assert.ok(await failureOf(alice.router.open(second.source)) instanceof RouteBusyError);
    bob.router.addEdgeRules(first.destination);
    const old = await bench.within(2_000, opening);
    const oldOther = (await listener.accept())!;
    bob.router.addEdgeRules(second.destination);
    const group = await bench.within(2_000, alice.router.open(second.source));
    const other = (await listener.accept())!;
    await assert.rejects(old.read());
    await assert.rejects(oldOther.read());
    await group.write(encode("new"));
    assert.equal(decode(await other.read()), "new");
    assert.deepEqual([alice.router.groups().length, alice.router.rules().length], [1, 2]);
    for (const each of [old, oldOther, group, other]) each.close();
  }));

Deno.test("an aborted dial leaves nothing", () =>
  withRouting(async (bench) => {
    const { alice, bob } = pair(bench);
    const abort = new AbortController();
    const reason = new Error("enough");
    const failing = failureOf(alice.router.open(layRoute([alice, bob]).source, { signal: abort.signal }));
    await bench.clock.advance(1_500);
    abort.abort(reason);
    assert.equal(await failing, reason);
    assert.deepEqual([alice.router.rules(), bench.clock.pendingTimers], [[], 0]);
    await assert.rejects(alice.router.open(layRoute([alice, bob]).source, { signal: abort.signal }), reason);
  }));

Deno.test("pings are answered, matched and measured; a pong that stays out is a time-out", () =>
  withRouting(async (bench) => {
    const { alice, bob, near, far } = pair(bench);
    const { group, other } = await open(bench, [alice, bob]);
    near.written = [];
    far.written = [];
    const measured = await bench.within(1_000, group.ping({ count: 3 }));
    assert.deepEqual([measured.length, types(near), types(far)], [3, [ping, ping, ping], [pong, pong, pong]]);
    assert.equal(group.status().latencyMs, measured[2]);
    near.isStalled = true;
    const late = failureOf(group.ping());
    await bench.clock.advance(4_900);
    assert.ok(await bench.within(200, late) instanceof TimedOutError);
    const abort = new AbortController();
    const aborted = failureOf(group.ping({ signal: abort.signal }));
    abort.abort(new Error("enough"));
    assert.equal((await aborted).message, "enough");
    const ended = failureOf(group.ping());
    group.close(new Error("enough"));
    assert.ok(await bench.within(10, ended) instanceof ConnResetError);
    near.resume();
    await bench.settle();
    other.close();
  }));

Deno.test("short pings, pongs and handshakes are counted, and end nothing", () =>
  withRouting(async (bench) => {
    const { alice, bob } = pair(bench);
    const { group, other } = await open(bench, [alice, bob]);
    const { routeId } = bob.router.groups()[0]!;
    for (const type of [ping, pong]) {
      for (const length of [0, 1, 8, 15]) {
        await bob.router.handlePackets(encodePacket(type, routeId, new Uint8Array(length)), over(alice, bob));
      }
    }
    await bob.router.handlePackets(encodePacket(handshake, routeId, NOTHING), over(alice, bob));
    for (const type of [PacketType.sack, PacketType.datagram, 200]) {
      await bob.router.handlePackets(encodePacket(type, routeId, new Uint8Array(5)), over(alice, bob));
    }
    const { malformed, unknownType } = bob.router.counters();
    assert.deepEqual([malformed, unknownType], [9, 3]);
    await group.write(encode("fine"));
    assert.equal(decode(await other.read()), "fine");
    closeBoth({ group, other });
  }));

Deno.test("a flood of pings costs a bounded queue, not memory", () =>
  withRouting(async (bench) => {
    const { alice, bob, far } = pair(bench);
    const { group, other } = await open(bench, [alice, bob]);
    const { routeId } = bob.router.groups()[0]!;
    far.isStalled = true;
    const stuck = other.write(encode("stuck"));
    far.written = [];
    for (let index = 0; index < 1_000; index++) {
      await bob.router.handlePackets(encodePacket(ping, routeId, new Uint8Array(16)), over(alice, bob));
    }
    assert.ok(far.written.length <= 2, `${far.written.length} writes`);
    assert.ok(bob.router.counters().serviceDropped > 980);
    far.resume();
    await stuck;
    await bench.settle();
    closeBoth({ group, other });
  }));

for (
  const [name, keepAliveNs, everyMs] of [
    ["10 min", 600_000_000_000n, 300_000],
    ["30 s, as of 2024", 30_000_000_000n, 15_000],
  ] as const
) {
  Deno.test(`a silent group says that it is there, in time for rules of ${name}`, () =>
    withRouting(async (bench) => {
      const [alice, carol, bob] = [bench.node("alice"), bench.node("carol"), bench.node("bob")];
      const near = link(alice, carol);
      link(carol, bob);
      const { group, other } = await open(bench, [alice, carol, bob], { keepAliveNs });
      near.written = [];
      await bench.clock.advance(everyMs - 1_000);
      assert.deepEqual(types(near), []);
      await bench.clock.advance(2_000);
      assert.deepEqual(types(near), [keepAlive]);
      for (let round = 0; round < 20; round++) await bench.clock.advance(everyMs);
      assert.deepEqual([alice, carol, bob].map(({ router }) => router.rules().length), [2, 2, 2]);
      await bench.clock.advance(everyMs - 5_000); // a keep-alive is due in a moment
      types(near);
      await group.write(encode("busy"));
      assert.equal(decode(await other.read()), "busy");
      await bench.clock.advance(everyMs - 1_000);
      assert.deepEqual(types(near), [data], "said that it is there though it was heard");
      closeBoth({ group, other });
    }));
}

Deno.test("a group whose peer is silent for longer than the keep-alive ends", () =>
  withRouting(async (bench) => {
    const { alice, bob, far } = pair(bench);
    const { group, other } = await open(bench, [alice, bob], { keepAliveNs: 30_000_000_000n });
    far.isStalled = true;
    const reading = failureOf(group.read());
    await bench.clock.advance(29_000);
    assert.equal(alice.router.groups().length, 1);
    await bench.clock.advance(22_000);
    assert.ok(await reading instanceof ConnClosedError);
    assert.deepEqual([alice.router.rules(), alice.router.groups()], [[], []]);
    far.resume();
    closeBoth({ group, other });
  }));

Deno.test("ephemeral ports start at 49152, skip what is in use, and come again", () =>
  withRouting(async (bench) => {
    const { alice, bob } = pair(bench);
    alice.router.listen(49_153);
    const { group, other } = await open(bench, [alice, bob]);
    assert.equal(group.local.port, 49_152);
    assert.deepEqual([group.remote, other.remote], [
      { publicKey: bob.key, port: 3 },
      { publicKey: alice.key, port: 49_152 },
    ]);
    assert.equal(alice.router.ephemeralPort(), 49_154);
    for (let port = 49_155; port <= 65_535; port++) assert.equal(alice.router.ephemeralPort(), port);
    assert.equal(alice.router.ephemeralPort(), 49_154);
    closeBoth({ group, other });
    await bench.settle();
    for (let port = 49_155; port <= 65_535; port++) alice.router.ephemeralPort();
    assert.equal(alice.router.ephemeralPort(), 49_152);
  }));
