import assert from "node:assert/strict";
import { type Conn, Ledger, memoryPair } from "../../lib/base/mod.ts";
import type { KeyPair, ProvenKey, PublicKey } from "../../lib/crypto/mod.ts";
import { sleep, type SocketAddress, type World } from "../../lib/runtime/mod.ts";
import { type Simulation, VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  encodePacket,
  type LinkHandler,
  PacketType,
  parsePackets,
  type RegisteredTransport,
  stcpCarrier,
  type Transport,
  type TransportCarrier,
  TransportDialError,
  transportId,
  TransportManager,
  type TransportManagerOptions,
  type TransportRegistrar,
} from "../../lib/transport/mod.ts";
import { LOST_AFTER_MS } from "../../lib/transport/_precedence.ts";
import { assertNothingAlive, withSimulation } from "../support/world.ts";
import { alice, bob, text, transportPair } from "./support.ts";

const PORT = 7777;

/** A visor's transports over stcp, at its node's address. */
function visor(
  world: World,
  local: KeyPair,
  table: ReadonlyMap<PublicKey, SocketAddress>,
  options: Partial<TransportManagerOptions> = {},
): TransportManager {
  const carrier = stcpCarrier({ world, local, table, listen: { hostname: "0.0.0.0", port: PORT } });
  return new TransportManager({ world, local, carriers: [carrier], onPackets: () => {}, ...options });
}

const TABLE = new Map([
  [alice.publicKey, { hostname: "alice", port: PORT }],
  [bob.publicKey, { hostname: "bob", port: PORT }],
]);

Deno.test("dial() makes one transport for all who ask at once, and both ends find it", () =>
  withSimulation("manager dial", async (simulation) => {
    const [a, b] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const seen: string[] = [];
      const near = visor(a, alice, TABLE);
      const far = visor(b, bob, TABLE, {
        onPackets(packets) {
          for (const { payload } of parsePackets(packets)) seen.push(new TextDecoder().decode(payload));
        },
      });
      const [one, two] = await Promise.all([
        near.dial(bob.publicKey, "stcp"),
        near.dial(bob.publicKey, "stcp", { label: "automatic" }),
      ]);
      assert.equal(one, two);
      assert.equal(near.find(one.id), one);
      assert.equal(await near.dial(bob.publicKey, "stcp"), one);
      const other = far.find(one.id)!;
      assert.equal(other.isInitiator, false);
      assert.equal(other.label, "user");
      await one.write(encodePacket(PacketType.data, 5, text("hello")));
      assert.ok(await one.ping() >= 0);
      assert.deepEqual(seen, ["hello"]);
      await near.remove(one.id);
      assert.equal(near.find(one.id), undefined);
      await other.closed;
      assert.deepEqual(far.transports(), []);
      await Promise.all([near.close(), far.close()]);
    });
  }));

Deno.test("dial() of nobody fails with the cause", () =>
  withSimulation("manager nobody", async (simulation) => {
    const a = simulation.node("alice");
    await simulation.run(async () => {
      const near = visor(a, alice, TABLE);
      await assert.rejects(near.dial(bob.publicKey, "stcp"), TransportDialError);
      await near.close();
    });
  }));

Deno.test("a transport of a visor to itself carries packets", () =>
  withSimulation("manager self", async (simulation) => {
    const a = simulation.node("alice");
    await simulation.run(async () => {
      const seen: number[] = [];
      const near = visor(a, alice, TABLE, {
        onPackets: (packets) => void seen.push(...parsePackets(packets).map(({ routeId }) => routeId)),
      });
      const transport = await near.dial(alice.publicKey, "stcp");
      await transport.send(PacketType.data, 9, text("me"));
      await transport.ping();
      assert.deepEqual(seen, [9]);
      assert.deepEqual(near.transports(), [transport]);
      await near.close();
    });
  }));

Deno.test("both dial at once: one transport is left, the same at both ends, and it works", async () => {
  for (let seed = 0; seed < 20; seed++) {
    await withSimulation(`crossing ${seed}`, async (simulation) => {
      const [a, b] = [simulation.node("alice"), simulation.node("bob")];
      await simulation.run(async () => {
        const seen: string[] = [];
        const keep = (packets: Uint8Array) => {
          for (const { payload } of parsePackets(packets)) seen.push(new TextDecoder().decode(payload));
        };
        const near = visor(a, alice, TABLE, { onPackets: keep });
        const far = visor(b, bob, TABLE, { onPackets: keep });
        await sleep(a.clock, 1);
        const dialled = await Promise.all([
          near.dial(bob.publicKey, "stcp"),
          sleep(b.clock, seed * 9).then(() => far.dial(alice.publicKey, "stcp")),
        ]);
        await sleep(a.clock, 2_000);
        const [one, two] = [near.transports(), far.transports()];
        assert.deepEqual([one.length, two.length], [1, 1], `seed ${seed}`);
        assert.deepEqual(dialled, [one[0], two[0]], "what was given is what is left");
        assert.notEqual(one[0]!.isInitiator, two[0]!.isInitiator);
        await one[0]!.send(PacketType.data, 1, text("there"));
        await two[0]!.send(PacketType.data, 1, text("back"));
        await Promise.all([one[0]!.ping(), two[0]!.ping()]);
        assert.deepEqual(seen.sort(), ["back", "there"]);
        await Promise.all([near.close(), far.close()]);
      });
    });
  }
});

Deno.test("a transport that a routing rule uses is not replaced by a connection of the peer", () =>
  withSimulation("manager used", async (simulation) => {
    const [a, b, c] = ["alice", "bob", "alice2"].map((at) => simulation.node(at)) as [World, World, World];
    await simulation.run(async () => {
      let isUsed = true;
      const near = visor(a, alice, TABLE);
      const far = visor(b, bob, TABLE, { isUsed: () => isUsed });
      const restarted = visor(c, alice, TABLE);
      const first = await near.dial(bob.publicKey, "stcp");
      await assert.rejects(restarted.dial(bob.publicKey, "stcp"), TransportDialError);
      assert.equal(far.refusals.count("duplicate"), 1);
      assert.ok(await first.ping() > 0);
      isUsed = false;
      await restarted.dial(bob.publicKey, "stcp");
      await sleep(a.clock, 1_000);
      assert.equal(first.isLive, false);
      assert.equal(far.transports().length, 1);
      await Promise.all([near.close(), far.close(), restarted.close()]);
    });
  }));

const DEATHS: readonly [name: string, die: (simulation: Simulation) => void][] = [
  ["machine was switched off and on", (simulation) => simulation.halt("alice", "silent")],
  ["path is gone", (simulation) => simulation.partition("alice", "bob")],
];

for (const [name, die] of DEATHS) {
  Deno.test(`a transport that a routing rule uses gives way to a new connection of a peer whose ${name}`, () =>
    withSimulation(`manager lost ${name}`, async (simulation) => {
      const [a, b] = [simulation.node("alice"), simulation.node("bob")];
      await simulation.run(async () => {
        const near = visor(a, alice, TABLE);
        const far = visor(b, bob, TABLE, { isUsed: () => true });
        const told: Transport[] = [];
        far.onClosed((transport) => told.push(transport));
        const { id } = await near.dial(bob.publicKey, "stcp");
        const lost = far.find(id)!;
        await sleep(b.clock, 10_000);
        die(simulation);
        await sleep(b.clock, 1_000);
        assert.equal(far.find(id), lost, "nobody knows of it yet");
        const c = name === "path is gone" ? simulation.node("alice2") : simulation.node("alice");
        const startMs = c.clock.monotonicMs();
        const restarted = visor(c, alice, TABLE);
        const transport = await restarted.dial(bob.publicKey, "stcp");
        assert.ok(c.clock.monotonicMs() - startMs < LOST_AFTER_MS + 1_000);
        assert.equal(lost.isLive, false);
        assert.deepEqual(told, [lost], "its rules are to be dropped: routes over it have ended");
        assert.notEqual(far.find(id), lost);
        assert.ok(await transport.ping() > 0 && await far.find(id)!.ping() > 0);
        assert.equal(far.refusals.count("duplicate"), 0);
        if (name === "path is gone") await near.close();
        await Promise.all([far.close(), restarted.close()]);
      });
    }));
}

Deno.test("isAnswering(): by a pong, by anything else, not by silence, and not once it is closed", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const { near, far } = transportPair({ clock, ledger });
  const asked = async (transport: Transport, during: () => unknown = () => {}) => {
    const answer = transport.isAnswering(1_000);
    await clock.advance(500);
    await during();
    await clock.advance(501);
    return await answer;
  };
  assert.equal(await asked(near), true);
  far.close();
  await clock.advance(0);
  assert.equal(await asked(near), false);
  await Promise.all([near.closed, far.closed]);
  const [mute, peer] = memoryPair({ ledger });
  const [spare, unused] = memoryPair({ ledger });
  const { near: alone, far: other } = transportPair({ clock, ledger }, {}, {}, [mute, spare]);
  await clock.advance(100);
  assert.equal(await asked(alone), false);
  const packet = encodePacket(PacketType.keepAlive, 7, new Uint8Array(0));
  assert.equal(await asked(alone, () => peer.write(packet)), true, "a packet of a route");
  const over = new AbortController();
  const aborted = alone.isAnswering(1_000, over.signal);
  over.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  assert.equal(alone.isLive, true);
  for (const each of [alone, other, peer, unused]) each.close();
  assert.equal(await alone.isAnswering(1_000), false);
  await Promise.all([alone.closed, other.closed, peer.closed, unused.closed]);
  assertNothingAlive(ledger);
});

Deno.test("who gives up a dial ends it only when nobody else waits", () =>
  withSimulation("manager abort", async (simulation) => {
    const [a, b] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const near = visor(a, alice, TABLE);
      const far = visor(b, bob, TABLE);
      await sleep(a.clock, 1);
      const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()];
      const dials = [one, two].map(({ signal }) => near.dial(bob.publicKey, "stcp", { signal }));
      one.abort(new Error("enough"));
      await assert.rejects(dials[0]!, /enough/);
      await dials[1];
      assert.equal(near.transports().length, 1);
      await near.remove(near.transports()[0]!.id);
      await sleep(a.clock, 100);
      const last = near.dial(bob.publicKey, "stcp", { signal: three.signal });
      three.abort(new Error("enough"));
      await assert.rejects(last, /enough/);
      await sleep(a.clock, 5_000);
      assert.deepEqual([near.transports(), far.transports()], [[], []]);
      await Promise.all([near.close(), far.close()]);
    });
  }));

/** A transport discovery that writes down what it is told, and when. */
class WatchedRegistrar implements TransportRegistrar {
  readonly calls: {
    readonly at: number;
    readonly registered?: RegisteredTransport[];
    readonly removed?: string[];
  }[] = [];
  fails = false;
  readonly forgotten: string[] = [];
  constructor(readonly nowMs: () => number) {}
  async register(transports: readonly RegisteredTransport[]): Promise<void> {
    this.calls.push({ at: this.nowMs(), registered: [...transports] });
    if (this.fails) throw new Error("unreachable");
  }
  async remove(ids: readonly string[]): Promise<void> {
    this.calls.push({ at: this.nowMs(), removed: [...ids] });
    if (this.fails) throw new Error("unreachable");
  }
  forget(id: string): void {
    this.forgotten.push(id);
  }
  get counts(): (number | string)[] {
    return this.calls.map(({ registered, removed }) => registered?.length ?? `-${removed!.length}`);
  }
}

Deno.test("both ends register all that is live, at once and 5 s after a new one and every 90 s, with what pings measured", () =>
  withSimulation("registration", async (simulation) => {
    const [a, b] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const registrars = [a, b].map(({ clock }) => new WatchedRegistrar(() => clock.monotonicMs()));
      const near = visor(a, alice, TABLE, { registrar: registrars[0] });
      const far = visor(b, bob, TABLE, { registrar: registrars[1] });
      const startMs = a.clock.monotonicMs();
      await sleep(a.clock, 60_000);
      const transport = await near.dial(bob.publicKey, "stcp");
      await near.dial(alice.publicKey, "stcp"); // to ourselves: not listed
      await sleep(a.clock, 5_500);
      for (const { calls } of registrars) {
        assert.deepEqual(calls.map(({ registered }) => registered!.length), [0, 1, 1]);
        const firstMs = calls[1]!.at - startMs;
        assert.ok(firstMs >= 60_000 && firstMs < 60_500, `${firstMs}`); // as soon as it is open
        assert.equal(calls[1]!.registered![0]!.id, transport.id);
        const { at, registered: [entry] } = calls[2] as { at: number; registered: RegisteredTransport[] };
        assert.equal(at - startMs - firstMs, 5_000);
        assert.equal(entry!.id, transport.id);
        assert.deepEqual(entry!.edges, [alice.publicKey, bob.publicKey].sort());
        assert.equal(entry!.label, "user");
        const { min, avg, max } = entry!.latency!;
        assert.ok(min >= 40_000 && min <= avg && avg <= max && max < 200_000, `${avg} microseconds`);
        assert.ok(Number.isInteger(avg));
      }
      await sleep(a.clock, 3 * 90_000);
      for (const { counts } of registrars) assert.deepEqual(counts, [0, 1, 1, 1, 1, 1]);
      await Promise.all([near.close(), far.close()]);
      for (const { counts } of registrars) assert.deepEqual(counts, [0, 1, 1, 1, 1, 1, "-1"]);
    });
  }));

Deno.test("ended transports are removed in one batch after 5 s, unless they are there again", () =>
  withSimulation("deregistration", async (simulation) => {
    const [a, b] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const registrar = new WatchedRegistrar(() => a.clock.monotonicMs());
      const near = visor(a, alice, TABLE, { registrar });
      const far = visor(b, bob, TABLE);
      const first = await near.dial(bob.publicKey, "stcp");
      await sleep(a.clock, 10_000);
      await near.remove(first.id);
      await sleep(a.clock, 1_000);
      const second = await near.dial(bob.publicKey, "stcp");
      await sleep(a.clock, 10_000);
      assert.ok(!registrar.counts.includes("-1"), `${registrar.counts}`);
      assert.deepEqual(registrar.forgotten, [first.id], "the peer may have removed it in between");
      second.close();
      await sleep(a.clock, 4_900);
      assert.ok(!registrar.counts.includes("-1"));
      await sleep(a.clock, 200);
      assert.deepEqual(registrar.calls.at(-1)!.removed, [first.id]);
      await Promise.all([near.close(), far.close()]);
    });
  }));

Deno.test("a discovery that fails is asked again sooner, and holds up no end", () =>
  withSimulation("registration fails", async (simulation) => {
    const [a, b] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const registrar = new WatchedRegistrar(() => a.clock.monotonicMs());
      registrar.fails = true;
      const near = visor(a, alice, TABLE, { registrar });
      const far = visor(b, bob, TABLE);
      await near.dial(bob.publicKey, "stcp");
      await sleep(a.clock, 60_000);
      assert.ok(
        registrar.calls.length >= 3 && registrar.calls.length <= 5,
        `${registrar.calls.length} calls`,
      );
      registrar.remove = (_ids, signal?: AbortSignal) =>
        new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
      const startMs = a.clock.monotonicMs();
      await near.close();
      assert.ok(a.clock.monotonicMs() - startMs <= 3_500);
      await far.close();
    });
  }));

Deno.test("persistent transports are made, and made again when they are gone", () =>
  withSimulation("persistent", async (simulation) => {
    const [a, b] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const id = transportId(alice.publicKey, bob.publicKey, "stcp");
      const near = visor(a, alice, TABLE, { persistent: [{ remote: bob.publicKey, type: "stcp" }] });
      await sleep(a.clock, 25_000); // nobody there yet
      assert.equal(near.find(id), undefined);
      const far = visor(b, bob, TABLE);
      await sleep(a.clock, 11_000);
      const first = near.find(id)!;
      assert.equal(first.label, "user");
      first.close();
      await sleep(a.clock, 11_000);
      const second = near.find(id)!;
      assert.notEqual(second, first);
      await Promise.all([near.close(), far.close()]);
    });
  }));

Deno.test("streams of a kind go to their handler; listeners that throw disturb nobody", () =>
  withSimulation("manager streams", async (simulation) => {
    const [a, b] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const near = visor(a, alice, TABLE);
      const far = visor(b, bob, TABLE);
      const opened: string[] = [];
      far.onOpened(() => {
        throw new Error("a bug");
      });
      far.onOpened(({ id }) => void opened.push(id));
      const undo = far.onStream(PacketType.setupRpc, (stream) => stream.close());
      assert.throws(() => far.onStream(PacketType.setupRpc, () => {}), TypeError);
      const transport = await near.dial(bob.publicKey, "stcp");
      const served = transport.openStream(PacketType.setupRpc);
      assert.equal(await served.read(), null);
      served.close();
      undo();
      const unserved = transport.openStream(PacketType.setupRpc);
      assert.equal(await unserved.read(), null);
      unserved.close();
      assert.deepEqual(opened, [transport.id]);
      assert.equal(far.refusals.count("stream"), 1);
      await Promise.all([near.close(), far.close()]);
    });
  }));

Deno.test("the far end of a transport to oneself, ending late, takes no newer transport with it", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const conns: Conn[] = [];
  let onLink: LinkHandler;
  const carrier: TransportCarrier = {
    type: "stcp",
    dial() {
      const [near, nearPeer] = memoryPair({ ledger });
      const [far, farPeer] = memoryPair({ ledger }); // not joined: neither hears of the other's end
      conns.push(nearPeer, farPeer);
      onLink(far, alice.publicKey as ProvenKey);
      return Promise.resolve(near);
    },
    start: (handler) => Promise.resolve(void (onLink = handler)),
    close: () => Promise.resolve(),
  };
  const manager = new TransportManager({
    world: { clock, ledger },
    local: alice,
    carriers: [carrier],
    onPackets: () => {},
  });
  (await manager.dial(alice.publicKey, "stcp")).close();
  const again = await manager.dial(alice.publicKey, "stcp");
  conns[1]!.close();
  await clock.advance(0);
  assert.deepEqual(manager.transports(), [again]);
  await manager.close();
  for (const conn of conns) conn.close();
  await Promise.all(conns.map(({ closed }) => closed));
  assertNothingAlive(ledger);
});
