/** sudph: what a visor says to its resolver, and how visors meet when something on the way fails. @module */
import assert from "node:assert/strict";
import { ConnClosedError } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { encodeSegment, KcpSocket } from "../../lib/kcp/mod.ts";
import { type DatagramSocket, sleep, type SocketAddress, type World } from "../../lib/runtime/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import { acceptAddressHandshake } from "../../lib/transport/address_handshake.ts";
import {
  PacketType,
  RefusalCounters,
  SudphCarrier,
  sudphCarrier,
  type SudphCarrierOptions,
  TransportManager,
} from "../../lib/transport/mod.ts";
import { isHolePunch } from "../../lib/transport/sudph/mod.ts";
import { withSimulation } from "../support/world.ts";
import { alice, bob, carol, text } from "./support.ts";
import { RESOLVER_PORT, TestResolver } from "./sudph_support.ts";

const RESOLVER: SocketAddress = { hostname: "198.51.100.1", port: RESOLVER_PORT };

interface Visor {
  readonly world: World;
  readonly carrier: SudphCarrier;
  readonly manager: TransportManager;
}

interface Rig {
  readonly simulation: Simulation;
  readonly resolver: TestResolver;
  readonly clock: World["clock"];
  visor(name: string, local: KeyPair, options?: Partial<SudphCarrierOptions>): Visor;
  wait(ms: number): Promise<void>;
  /** The machine is gone without a word, and what ran there is not closed at the end. */
  halt(name: string): void;
}

const ADDRESSES: Record<string, string> = { alice: "203.0.113.1", bob: "203.0.113.2", carol: "203.0.113.3" };

/** Runs a test with a resolver; what is made with `visor` is closed at the end. */
function withResolver(name: string, test: (rig: Rig) => Promise<void>, link = {}): Promise<void> {
  return withSimulation(`sudph ${name}`, async (simulation) => {
    await simulation.run(async () => {
      const resolverWorld = simulation.node("resolver", { address: RESOLVER.hostname });
      const resolver = await TestResolver.start(resolverWorld);
      const { clock } = simulation.node("watch");
      const managers: { readonly name: string; readonly manager: TransportManager }[] = [];
      const rig: Rig = {
        simulation,
        resolver,
        clock,
        wait: (ms) => sleep(clock, ms),
        halt(name) {
          simulation.halt(name, "silent");
          managers.splice(0, managers.length, ...managers.filter((each) => each.name !== name));
        },
        visor(name, local, options = {}) {
          const world = simulation.node(name, { address: ADDRESSES[name]! });
          const carrier = sudphCarrier({
            world,
            local,
            resolver: resolver.client(local.publicKey),
            resolverAddress: async () => RESOLVER,
            listen: { hostname: "0.0.0.0", port: 0 },
            addresses: () => ["127.0.0.1", ADDRESSES[name]!, "fe80::1"],
            ...options,
          });
          const manager = new TransportManager({ world, local, carriers: [carrier], onPackets: () => {} });
          managers.push({ name, manager });
          return { world, carrier, manager };
        },
      };
      await test(rig);
      await Promise.all(managers.map(({ manager }) => manager.close()));
      await resolver.close();
    }, { untilMs: 6 * 3_600_000 });
  }, { link });
}

/** A world whose datagrams a test sees; false: this one is lost. */
function watched(world: World, onSend: (bytes: Uint8Array, to: SocketAddress) => boolean): World {
  const datagrams = async (at: SocketAddress): Promise<DatagramSocket> => {
    const socket = await world.network.datagrams(at);
    return {
      address: socket.address,
      receive: () => socket.receive(),
      close: () => socket.close(),
      send: (bytes, to) => onSend(bytes, to) ? socket.send(bytes, to) : Promise.resolve(),
    };
  };
  return { ...world, network: { ...world.network, datagrams }, outside: (work) => world.outside(work) };
}

Deno.test("a visor is bound at once, beats every 10 s, binds again every 90 s, and unbinds at its end", () =>
  withResolver("bind", async ({ resolver, visor, wait, clock }) => {
    const startMs = clock.monotonicMs();
    const { carrier, manager } = visor("alice", alice);
    await wait(185_000);
    const binding = `{"port":"${carrier.address!.port}","addresses":["127.0.0.1","203.0.113.1"]}`;
    const at = (what: string) =>
      resolver.said.filter(({ text }) => text === what).map(({ atMs }) =>
        Math.round((atMs - startMs) / 1_000)
      );
    assert.deepEqual(at(binding), [0, 90, 180]);
    assert.deepEqual(at("heartbeat"), Array.from({ length: 19 }, (_, index) => index * 10));
    assert.equal(resolver.said.length, 22);
    assert.ok(resolver.said.every(({ key }) => key === alice.publicKey));
    await manager.close();
    assert.equal(resolver.said.at(-1)!.text, "delBind");
    assert.deepEqual([...resolver.bound.keys()], []);
    assert.equal(carrier.isBound, false);
  }));

Deno.test("the callee is told and punches; both punches leave before the handshake", () =>
  withResolver("punch", async ({ simulation, visor, wait }) => {
    const punches: [who: string, to: SocketAddress, atMs: number][] = [];
    const startMs = simulation.nowMs;
    const watch = (name: string): Partial<SudphCarrierOptions> => ({
      world: watched(simulation.node(name, { address: ADDRESSES[name]! }), (bytes, to) => {
        if (isHolePunch(bytes)) punches.push([name, to, Math.round(simulation.nowMs - startMs)]);
        return true;
      }),
    });
    const plain = (name: string, local: KeyPair) => visor(`${name} beside`, local, watch(name));
    ADDRESSES["alice beside"] = "203.0.113.11";
    ADDRESSES["bob beside"] = "203.0.113.12";
    const [a, b] = [plain("alice", alice), plain("bob", bob)];
    await wait(1_000);
    await a.manager.dial(bob.publicKey, "sudph");
    await wait(1_000);
    const from = (who: string) => punches.filter(([name]) => name === who);
    assert.deepEqual(from("alice").map(([, to]) => to), [{
      hostname: "203.0.113.2",
      port: b.carrier.address!.port,
    }]);
    assert.equal(from("bob").length, 3);
    assert.ok(
      from("bob").every(([, { hostname, port }]) =>
        hostname === "203.0.113.1" && port === a.carrier.address!.port
      ),
    );
    const [first, second, third] = from("bob").map(([, , atMs]) => atMs) as [number, number, number];
    assert.deepEqual([second - first, third - second], [100, 400]);
  }));

Deno.test("transports live on while the resolver is gone; it is found again, and visors are dialled again", () =>
  withResolver("restart", async ({ simulation, resolver, visor, wait }) => {
    const [a, b] = [visor("alice", alice), visor("bob", bob)];
    await wait(1_000);
    const transport = await a.manager.dial(bob.publicKey, "sudph");
    await resolver.close(); // says so to both
    await wait(5_000);
    assert.deepEqual([a.carrier.isBound, b.carrier.isBound], [false, false]);
    assert.ok(await transport.ping() > 0);
    await wait(10 * 60_000);
    assert.ok(transport.isLive && await transport.ping() > 0);
    simulation.halt("resolver");
    const again = await TestResolver.start(simulation.node("resolver"));
    await wait(80_000); // the longest pause between two tries
    assert.deepEqual([a.carrier.isBound, b.carrier.isBound, again.bound.size], [true, true, 2]);
    assert.equal(a.manager.find(transport.id), transport);
    await again.close();
  }));

Deno.test("a resolver that falls silent is noticed within 45 s, and bound to again when it is back", () =>
  withResolver("silence", async ({ simulation, resolver, visor, wait }) => {
    const { carrier } = visor("alice", alice);
    await wait(1_000);
    simulation.partition("resolver");
    await wait(45_000);
    assert.equal(carrier.isBound, false);
    simulation.heal("resolver");
    await wait(75_000);
    assert.equal(carrier.isBound, true);
    const bindings = resolver.said.filter(({ text }) => text.startsWith("{"));
    assert.ok(bindings.length >= 2);
  }));

Deno.test("a resolver that talks nonsense costs a session each time, and nothing else", () =>
  withSimulation("sudph nonsense", async (simulation) => {
    await simulation.run(async () => {
      const world = simulation.node("resolver", { address: RESOLVER.hostname });
      const datagrams = await world.network.datagrams({ hostname: "0.0.0.0", port: RESOLVER_PORT });
      const socket = new KcpSocket(datagrams, { world, admits: () => true });
      const nonsense = [
        "hello",
        `{"PK":"x","Addr":"y"}`,
        `{"a":"${"x".repeat(5_000)}"}`,
        "[]",
        "{}{}{}",
      ];
      let sessions = 0;
      const serving = (async () => {
        for (let session = await socket.accept(); session !== null; session = await socket.accept()) {
          const which = nonsense[sessions++ % nonsense.length]!;
          acceptAddressHandshake(session, { world, isListening: () => true })
            .then(({ conn }) => conn.write(text(which))).catch(() => {});
        }
      })();
      const visorWorld = simulation.node("alice", { address: "203.0.113.1" });
      const carrier = sudphCarrier({
        world: visorWorld,
        local: alice,
        resolver: { resolve: async () => undefined },
        resolverAddress: async () => RESOLVER,
        listen: { hostname: "0.0.0.0", port: 0 },
        addresses: () => [],
      });
      await carrier.start(() => {});
      await sleep(world.clock, 15 * 60_000);
      assert.ok(sessions >= 10 && sessions <= 40, `${sessions} sessions in 15 min`);
      await carrier.close();
      socket.close(new Error("over"));
      await Promise.all([serving, socket.closed]);
    });
  }));

Deno.test("punches go where an announcement says, to public addresses alone, and to no end of them", () =>
  withResolver("targets", async ({ simulation, resolver, visor, wait }) => {
    const sent: string[] = [];
    const world = watched(simulation.node("alice watched", { address: "203.0.113.21" }), (bytes, to) => {
      if (isHolePunch(bytes)) sent.push(`${to.hostname}:${to.port}`);
      return true;
    });
    visor("alice", alice, { world });
    await wait(1_000);
    const { conn } = resolver.bound.get(alice.publicKey)!;
    const announce = (address: string) =>
      conn.write(text(JSON.stringify({ PK: bob.publicKey, Addr: address })));
    for (const address of ["10.0.0.1:5", "127.0.0.1:5", "192.168.1.1:5", "224.0.0.1:5", "203.0.113.200:7"]) {
      await announce(address);
    }
    await wait(1_000);
    assert.deepEqual(sent, Array(3).fill("203.0.113.200:7"));
    for (let port = 1; port <= 1_000; port++) await announce(`203.0.113.201:${port}`);
    await wait(5_000);
    assert.ok(sent.length >= 3 + 1_000 && sent.length < 1_600, `${sent.length} punches`);
    await wait(1_000);
    assert.equal(
      simulation.live()["alice watched timer"] ?? 0,
      simulation.live()["alice watched timer"] ?? 0,
    );
  }));

Deno.test("a dial whose punches are lost goes on: the resolver is asked again, and tells the callee again", () =>
  withResolver("lost", async ({ resolver, visor, wait, simulation }) => {
    const a = visor("alice", alice);
    visor("bob", bob);
    await wait(1_000);
    simulation.partition("alice", "bob");
    const dialling = a.manager.dial(bob.publicKey, "sudph");
    await wait(9_000);
    simulation.heal("alice", "bob");
    const transport = await dialling;
    assert.ok(transport.isLive);
    assert.equal(resolver.asked, 2);
  }));

Deno.test("a dial ends after 30 s, with what was missing, and leaves nothing", () =>
  withResolver("nobody", async ({ simulation, visor, wait, clock }) => {
    const a = visor("alice", alice);
    visor("bob", bob);
    await wait(1_000);
    simulation.partition("alice", "bob");
    const startMs = clock.monotonicMs();
    const { signal } = new AbortController();
    await assert.rejects(a.carrier.dial(bob.publicKey, { signal }), { code: "TIMED_OUT", afterMs: 30_000 });
    const tookMs = clock.monotonicMs() - startMs;
    assert.ok(tookMs > 29_000 && tookMs < 31_000, `${tookMs} ms`);
  }));

Deno.test("a dial waits until its own visor is known: else nobody would tell the callee", () =>
  withResolver("at once", async ({ resolver, visor, wait, clock }) => {
    visor("bob", bob);
    await wait(1_000);
    const a = visor("alice", alice);
    await wait(1);
    assert.equal(a.carrier.isBound, false);
    const startMs = clock.monotonicMs();
    const isKnownWhenAsked: boolean[] = [];
    resolver.onAsked = () => isKnownWhenAsked.push(a.carrier.isBound);
    assert.ok((await a.manager.dial(bob.publicKey, "sudph")).isLive);
    assert.deepEqual(isKnownWhenAsked, [true]);
    assert.ok(clock.monotonicMs() - startMs < 1_500);
  }));

Deno.test("a dial can be given up at any moment", () =>
  withResolver("given up", async ({ visor, wait }) => {
    const a = visor("alice", alice);
    visor("bob", bob);
    await wait(1_000);
    for (const afterMs of [0, 1, 25, 45, 60, 90, 110, 130]) {
      const controller = new AbortController();
      const reason = new Error(`after ${afterMs} ms`);
      const dialling = a.carrier.dial(bob.publicKey, { signal: controller.signal });
      dialling.catch(() => {});
      await wait(afterMs);
      controller.abort(reason);
      const outcome = await dialling.then((conn) => (conn.close(), "made"), (error) => error);
      assert.ok(outcome === "made" || outcome === reason, `${afterMs}: ${outcome}`);
    }
  }));

Deno.test("nobody's key, a private address, an address that is none: each is refused at once", () =>
  withResolver("refused", async ({ visor, wait, clock }) => {
    const known = { remoteAddress: "", port: 1, addresses: [], isLocal: false };
    for (
      const remoteAddress of [undefined, "10.0.0.1:5", "127.0.0.1:5", "example.org:5", "203.0.113.9:99999"]
    ) {
      const resolve = async () => remoteAddress === undefined ? undefined : { ...known, remoteAddress };
      const name = `alice ${remoteAddress}`;
      ADDRESSES[name] = `203.0.114.${1 + Object.keys(ADDRESSES).length}`;
      const { manager } = visor(name, alice, { resolver: { resolve } });
      await wait(1_000);
      const startMs = clock.monotonicMs();
      const failure = await manager.dial(bob.publicKey, "sudph").catch((error) => error);
      assert.equal(failure.cause.code, "PEER_ADDRESS_UNKNOWN", `${remoteAddress}`);
      assert.ok(clock.monotonicMs() - startMs < 100);
    }
  }));

Deno.test("visors behind one address try each other's own addresses first", () =>
  withResolver("local", async ({ resolver, visor, wait }) => {
    const b = visor("bob", bob);
    const tried: string[] = [];
    const resolve = async () => ({
      remoteAddress: "203.0.113.250:9", // nobody is there
      port: b.carrier.address!.port,
      addresses: ["127.0.0.1", "203.0.113.251", "203.0.113.2"],
      isLocal: true,
    });
    const a = visor("alice", alice, { resolver: { resolve: (...all) => (tried.push(all[0]), resolve()) } });
    await wait(1_000);
    const transport = await a.manager.dial(bob.publicKey, "sudph");
    assert.ok(transport.isLive);
    assert.deepEqual([tried.length, resolver.asked], [1, 0]);
  }));

Deno.test("a callee whose NAT gave it another port for us is found by its punch", () =>
  withResolver("symmetric", async ({ resolver, visor, wait, clock }) => {
    const a = visor("alice", alice, {
      resolver: {
        resolve: async (type, key, signal) => {
          const known = await resolver.client(alice.publicKey).resolve(type, key, signal);
          return known && { ...known, remoteAddress: "203.0.113.2:9" }; // towards the resolver it had that one
        },
      },
    });
    visor("bob", bob);
    await wait(1_000);
    const startMs = clock.monotonicMs();
    const transport = await a.manager.dial(bob.publicKey, "sudph");
    assert.ok(transport.isLive);
    assert.ok(clock.monotonicMs() - startMs < 3_000);
  }));

Deno.test("both dial each other at once: one transport, live at both ends", () =>
  withResolver("crossing", async ({ visor, wait }) => {
    const [a, b] = [visor("alice", alice), visor("bob", bob)];
    await wait(1_000);
    await Promise.allSettled([
      a.manager.dial(bob.publicKey, "sudph"),
      b.manager.dial(alice.publicKey, "sudph"),
    ]);
    await wait(3_000);
    const transport = await a.manager.dial(bob.publicKey, "sudph");
    await wait(1_000);
    assert.deepEqual([a.manager.transports().length, b.manager.transports().length], [1, 1]);
    assert.ok(await transport.ping() > 0);
  }));

Deno.test("many transports share one port and do not mix", () =>
  withResolver("many", async ({ visor, wait }) => {
    const a = visor("alice", alice);
    const others = Array.from({ length: 12 }, (_, index) => {
      const name = `other ${index}`;
      ADDRESSES[name] = `203.0.115.${index + 1}`;
      const keys = keyPairFromSeed(text(name));
      return { keys, ...visor(name, keys) };
    });
    await wait(1_000);
    const dialled = await Promise.all(
      others.map(({ keys }, index) =>
        index % 2 === 0
          ? a.manager.dial(keys.publicKey, "sudph")
          : others[index]!.manager.dial(alice.publicKey, "sudph")
      ),
    );
    await wait(500);
    assert.equal(a.manager.transports().length, 12);
    for (const transport of dialled) assert.ok(await transport.ping() > 0);
    await Promise.all(dialled.map((transport) => transport.send(PacketType.data, 1, new Uint8Array(50_000))));
    for (const transport of dialled) assert.ok(await transport.ping() > 0);
  }));

Deno.test("4,000 forged beginnings a second hold up no honest dial, and nothing of them is left", () =>
  withResolver("flood", async ({ simulation, visor, wait }) => {
    const refusals = new RefusalCounters();
    const a = visor("alice", alice);
    const b = visor("bob", bob, { refusals });
    await wait(1_000);
    const forger = simulation.node("forger", { address: "203.0.113.66" });
    const at = { hostname: "203.0.113.2", port: b.carrier.address!.port };
    const plain = { command: 81, fragment: 0, window: 32, timestamp: 0, number: 0, unacknowledged: 0 };
    const sockets = await Promise.all(
      Array.from({ length: 5 }, () => forger.network.datagrams({ hostname: "0.0.0.0", port: 0 })),
    );
    let isOver = false;
    const flooding = (async () => {
      for (let conversation = 1; !isOver && conversation <= 120_000; conversation++) {
        const datagram = encodeSegment({ ...plain, conversation }, text("get_nonce"));
        await sockets[conversation % 5]!.send(datagram, at);
        if (conversation % 40 === 0) await wait(10);
      }
    })();
    await wait(300);
    const transport = await a.manager.dial(bob.publicKey, "sudph");
    assert.ok(await transport.ping() > 0);
    isOver = true;
    await flooding;
    for (const socket of sockets) socket.close();
    assert.ok(refusals.count("busy") > 100);
    await wait(30_000);
    assert.equal(simulation.live()["bob kcp-session"], 2, "the resolver's and the transport's");
  }));

Deno.test("3 % of loss and jitter on every path: transports are made, and carry a megabyte whole", () =>
  withResolver("loss", async ({ visor, wait, simulation }) => {
    const a = visor("alice", alice);
    let got = 0;
    const worldOfBob = simulation.node("bob", { address: "203.0.113.2" });
    const carrier = sudphCarrier({
      world: worldOfBob,
      local: bob,
      resolver: { resolve: async () => undefined },
      resolverAddress: async () => RESOLVER,
      listen: { hostname: "0.0.0.0", port: 0 },
      addresses: () => [],
    });
    const far = new TransportManager({
      world: worldOfBob,
      local: bob,
      carriers: [carrier],
      onPackets: (packets) => void (got += packets.length),
    });
    await wait(5_000);
    const transport = await a.manager.dial(bob.publicKey, "sudph");
    for (let count = 0; count < 20; count++) await transport.send(PacketType.data, 1, new Uint8Array(50_000));
    await transport.ping();
    assert.equal(got, 20 * 50_007);
    await far.close();
  }, { lossPct: 3, jitterMs: 20 }));

Deno.test("a visor that died and came back is noticed by its old transports' ends, and dialled anew", () =>
  withResolver("comeback", async ({ halt, visor, wait }) => {
    const a = visor("alice", alice);
    const listen = { hostname: "0.0.0.0", port: 30_500 };
    visor("bob", bob, { listen });
    await wait(1_000);
    const old = await a.manager.dial(bob.publicKey, "sudph");
    halt("bob");
    visor("bob", bob, { listen });
    await wait(2_000);
    await old.send(PacketType.data, 1, text("are you there?")).catch(() => {});
    await wait(1_000);
    assert.equal(old.isLive, false);
    const transport = await a.manager.dial(bob.publicKey, "sudph");
    assert.ok(await transport.ping() > 0);
  }));

Deno.test("a port that is taken is raised, and a carrier that is closed dials no more", () =>
  withResolver("ports", async ({ visor, wait }) => {
    const { carrier, world, manager } = visor("carol", carol, {
      listen: { hostname: "0.0.0.0", port: 30_500 },
    });
    await wait(100);
    assert.equal(carrier.address!.port, 30_500);
    const second = sudphCarrier({
      world,
      local: carol,
      resolver: { resolve: async () => undefined },
      resolverAddress: async () => undefined,
      listen: { hostname: "0.0.0.0", port: 30_500 },
      addresses: () => [],
    });
    const { signal } = new AbortController();
    await assert.rejects(second.dial(bob.publicKey, { signal }), { code: "TRANSPORT_TYPE_UNAVAILABLE" });
    await second.start(() => {});
    assert.equal(second.address!.port, 30_501);
    await second.close();
    await manager.close();
    await assert.rejects(carrier.dial(bob.publicKey, { signal }), ConnClosedError);
  }));
