import assert from "node:assert/strict";
import { ConnResetError } from "../../lib/base/mod.ts";
import {
  BadAddressError,
  type DatagramSocket,
  sleep,
  type SocketAddress,
  UnreachableError,
  withTimeout,
  type World,
} from "../../lib/runtime/mod.ts";
import { NAT_KINDS, NAT_MAPPING_MS, type NatKind, type Simulation } from "../../lib/runtime/simulated/mod.ts";
import { withSimulation } from "../support/world.ts";

const ANY = { hostname: "0.0.0.0", port: 0 };
const PUNCH = Uint8Array.of(1);

/** The next datagram's sender; undefined when none comes within a second. */
async function heard(world: World, socket: DatagramSocket): Promise<SocketAddress | undefined> {
  const receiving = socket.receive();
  const from = await Promise.race([receiving.then((next) => next?.from), sleep(world.clock, 1_000)]);
  if (from !== undefined) return from;
  // Takes the receive that still waits back, by a datagram from the machine itself.
  const own = await world.network.datagrams(ANY);
  await own.send(PUNCH, { hostname: "127.0.0.1", port: socket.address.port });
  await receiving;
  own.close();
}

interface Home {
  readonly simulation: Simulation;
  readonly alice: World;
  readonly server: World;
  readonly stranger: World;
  readonly socket: DatagramSocket;
  readonly serverSocket: DatagramSocket;
  readonly strangerSocket: DatagramSocket;
}

/** alice behind a box of this kind, and two machines outside. */
function atHome(kind: NatKind, scenario: (home: Home) => Promise<void>): Promise<void> {
  return withSimulation(1, async (simulation) => {
    simulation.nat("home", { kind });
    const alice = simulation.node("alice", { behind: "home" });
    const [server, stranger] = [simulation.node("server"), simulation.node("stranger")];
    await simulation.run(async () => {
      const socket = await alice.network.datagrams(ANY);
      const serverSocket = await server.network.datagrams(ANY);
      const strangerSocket = await stranger.network.datagrams(ANY);
      await scenario({ simulation, alice, server, stranger, socket, serverSocket, strangerSocket });
      for (const each of [socket, serverSocket, strangerSocket]) each.close();
    });
  });
}

const at = (hostname: string, { address }: { readonly address: SocketAddress }) => ({
  hostname,
  port: address.port,
});

for (const kind of NAT_KINDS) {
  Deno.test(`behind a ${kind} box: seen by the box's address, answered, and filtered`, () =>
    atHome(kind, async ({ simulation, alice, server, stranger, socket, serverSocket, strangerSocket }) => {
      assert.deepEqual(alice.network.addresses(), ["127.0.0.1", "192.168.1.2"]);
      await socket.send(PUNCH, at("server", serverSocket));
      const seen = (await heard(server, serverSocket))!;
      assert.equal(seen.hostname, "203.0.113.1");
      assert.notEqual(seen.port, socket.address.port);
      await serverSocket.send(PUNCH, seen);
      const serverAddress = server.network.addresses()[1]!;
      assert.deepEqual(await heard(alice, socket), at(serverAddress, serverSocket));

      const otherPort = await server.network.datagrams(ANY);
      await otherPort.send(PUNCH, seen);
      assert.equal(await heard(alice, socket) !== undefined, kind === "full-cone" || kind === "restricted");
      await strangerSocket.send(PUNCH, seen);
      assert.equal(await heard(alice, socket) !== undefined, kind === "full-cone");
      assert.equal(simulation.datagrams.refused, { "full-cone": 0, "restricted": 1 }[kind as string] ?? 2);
      otherPort.close();

      // The private address means nothing outside.
      await strangerSocket.send(PUNCH, at("192.168.1.2", socket));
      assert.equal(await heard(alice, socket), undefined);
      await socket.send(PUNCH, at("stranger", strangerSocket));
      const seenByStranger = (await heard(stranger, strangerSocket))!;
      assert.equal(seenByStranger.port === seen.port, kind !== "symmetric");
    }));
}

/** Two visors behind boxes learn their outside addresses from a server, then both punch, again and again. */
async function meet(one: NatKind, two: NatKind): Promise<boolean> {
  let met = false;
  await withSimulation(1, async (simulation) => {
    simulation.nat("east", { kind: one });
    simulation.nat("west", { kind: two });
    const server = simulation.node("server");
    const alice = simulation.node("alice", { behind: "east" });
    const bob = simulation.node("bob", { behind: "west" });
    await simulation.run(async () => {
      const serverSocket = await server.network.datagrams(ANY);
      const visors = [];
      for (const world of [alice, bob]) {
        const socket = await world.network.datagrams(ANY);
        await socket.send(PUNCH, at("server", serverSocket));
        visors.push({ world, socket, outside: (await serverSocket.receive())!.from });
      }
      const [a, b] = visors as [typeof visors[0], typeof visors[0]];
      const heardBy = [a, b].map(({ world, socket }) => heard(world, socket));
      for (let round = 0; round < 3; round++) {
        await a.socket.send(PUNCH, b.outside);
        await b.socket.send(PUNCH, a.outside);
        await sleep(server.clock, 200);
      }
      const [byA, byB] = await Promise.all(heardBy);
      // Whoever heard answers to what was heard: a symmetric box shows another port than the server saw.
      if (byA !== undefined) await a.socket.send(PUNCH, byA);
      if (byB !== undefined) await b.socket.send(PUNCH, byB);
      met = byA !== undefined && byB !== undefined ||
        byA !== undefined && await heard(bob, b.socket) !== undefined ||
        byB !== undefined && await heard(alice, a.socket) !== undefined;
      for (const each of [serverSocket, a.socket, b.socket]) each.close();
    });
  });
  return met;
}

Deno.test("hole punching succeeds for the pairs of kinds for which it should", async () => {
  const fails = [];
  for (const [index, one] of NAT_KINDS.entries()) {
    for (const two of NAT_KINDS.slice(index)) if (!await meet(one, two)) fails.push(`${one} ${two}`);
  }
  assert.deepEqual(fails, ["port-restricted symmetric", "symmetric symmetric"]);
});

Deno.test("a punch that comes before the hole is open is lost; one that is under way meanwhile gets in", () =>
  atHome("port-restricted", async ({ alice, socket, server, serverSocket, strangerSocket }) => {
    await socket.send(PUNCH, at("server", serverSocket));
    const seen = (await heard(server, serverSocket))!;
    await strangerSocket.send(PUNCH, seen);
    await sleep(alice.clock, 10); // half way
    await socket.send(PUNCH, at("stranger", strangerSocket));
    assert.equal((await heard(alice, socket))!.port, strangerSocket.address.port);
  }));

Deno.test("a box forgets after its time; heartbeats keep it", () =>
  atHome("full-cone", async ({ alice, socket, server, serverSocket }) => {
    const port = async () => {
      await socket.send(PUNCH, at("server", serverSocket));
      return (await heard(server, serverSocket))!;
    };
    const first = await port();
    for (let beat = 0; beat < 10; beat++) {
      await sleep(alice.clock, 10_000);
      assert.deepEqual(await port(), first);
    }
    await sleep(alice.clock, NAT_MAPPING_MS);
    await serverSocket.send(PUNCH, first);
    assert.equal(await heard(alice, socket), undefined);
    assert.notDeepEqual(await port(), first);
  }));

Deno.test("a box that is restarted forgets, and breaks connections through it alone", () =>
  atHome("full-cone", async ({ simulation, alice, socket, server, serverSocket }) => {
    await socket.send(PUNCH, at("server", serverSocket));
    const seen = (await heard(server, serverSocket))!;
    const neighbour = simulation.node("neighbour", { behind: "home" });
    const [outer, inner] = [await server.network.listen(ANY), await neighbour.network.listen(ANY)];
    const outward = await alice.network.dial(at("server", outer));
    const inward = await alice.network.dial(at("neighbour", inner));
    simulation.restartNat("home");
    await assert.rejects(outward.read(), ConnResetError);
    await inward.write(PUNCH);
    assert.deepEqual(await (await inner.accept())!.read(), PUNCH);
    await serverSocket.send(PUNCH, seen);
    assert.equal(await heard(alice, socket), undefined);
    outward.close();
    inward.close(new Error("done"));
    outer.close();
    inner.close();
    simulation.halt("neighbour");
    (await alice.network.dial(at("server", serverSocket)).catch(() => undefined))?.close();
  }));

Deno.test("those behind one box reach each other directly; there is no hairpin", () =>
  atHome("full-cone", async ({ simulation, alice, socket, server, serverSocket }) => {
    const neighbour = simulation.node("neighbour", { behind: "home" });
    const theirs = await neighbour.network.datagrams(ANY);
    await theirs.send(PUNCH, at("192.168.1.2", socket));
    assert.deepEqual(await heard(alice, socket), at("192.168.1.3", theirs));
    await theirs.send(PUNCH, at("server", serverSocket));
    const seen = (await heard(server, serverSocket))!;
    await socket.send(PUNCH, seen);
    assert.equal(await heard(neighbour, theirs), undefined);
    theirs.close();
  }));

Deno.test("TCP goes out through a box, seen by its address, and never in", () =>
  atHome("full-cone", async ({ alice, stranger, server }) => {
    const listener = await server.network.listen(ANY);
    const [near, far] = await Promise.all([alice.network.dial(at("server", listener)), listener.accept()]);
    assert.equal(far!.remote.hostname, "203.0.113.1");
    assert.equal(near.local.hostname, "192.168.1.2");
    await far!.write(PUNCH);
    assert.deepEqual(await near.read(), PUNCH);
    near.close();
    far!.close();
    listener.close();

    const own = await alice.network.listen(ANY);
    const dialling = stranger.network.dial({ hostname: "203.0.113.1", port: own.address.port });
    await assert.rejects(dialling, UnreachableError);
    await assert.rejects(
      withTimeout(
        stranger.clock,
        { what: "a dial", afterMs: 300_000 },
        (signal) => stranger.network.dial({ hostname: "192.168.1.2", port: own.address.port }, { signal }),
      ),
      UnreachableError,
    );
    own.close();
  }));

Deno.test("two boxes may have the same addresses behind them; names are a realm's own", () =>
  withSimulation(1, async (simulation) => {
    simulation.nat("east", { kind: "full-cone" });
    simulation.nat("west", { kind: "symmetric", address: "198.51.100.7" });
    const alice = simulation.node("alice", { behind: "east" });
    const bob = simulation.node("bob", { behind: "west" });
    assert.deepEqual(alice.network.addresses(), bob.network.addresses());
    assert.throws(() => simulation.nat("east", { kind: "full-cone" }), BadAddressError);
    assert.throws(() => simulation.node("carol", { behind: "nowhere" }), BadAddressError);
    assert.throws(() => simulation.node("dave", { behind: "east", address: "192.168.1.2" }), BadAddressError);
    await simulation.run(async () => {
      const [near, far] = [await alice.network.datagrams(ANY), await bob.network.datagrams(ANY)];
      await near.send(PUNCH, at("bob", far)); // as nobody outside knows the name
      await near.send(PUNCH, at("192.168.1.2", near)); // alice herself
      assert.equal((await heard(alice, near))!.hostname, "192.168.1.2");
      assert.deepEqual([simulation.datagrams.arrived, simulation.datagrams.unheard], [1, 1]);
      near.close();
      far.close();
    });
    simulation.halt("alice");
    assert.deepEqual(simulation.node("alice").network.addresses(), ["127.0.0.1", "192.168.1.2"]);
  }));

Deno.test("same seed, same trace, behind boxes", async () => {
  const hashes: string[] = [];
  for (const [seed, extraTurns] of [[3, 0], [3, 3], [4, 0]] as const) {
    await withSimulation(seed, async (simulation) => {
      for (const kind of NAT_KINDS) simulation.nat(kind, { kind });
      const server = simulation.node("server");
      const worlds = NAT_KINDS.map((kind) => simulation.node(`behind ${kind}`, { behind: kind }));
      await simulation.run(async () => {
        const serverSocket = await server.network.datagrams(ANY);
        const sockets = await Promise.all(worlds.map((world) => world.network.datagrams(ANY)));
        for (let round = 0; round < 20; round++) {
          for (const socket of sockets) await socket.send(PUNCH, at("server", serverSocket));
          await sleep(server.clock, 100);
        }
        for (const socket of [serverSocket, ...sockets]) socket.close();
      });
      hashes.push(simulation.hash);
    }, { extraTurns, link: { burstLossPct: 10, jitterMs: 20, duplicatePct: 5 } });
  }
  assert.equal(hashes[1], hashes[0]);
  assert.notEqual(hashes[2], hashes[0]);
});
