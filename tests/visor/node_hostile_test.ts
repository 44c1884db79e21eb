/** A visor among enemies: nothing grows, its accept loops go on, and each piece of bad input is counted. */
import assert from "node:assert/strict";
import type { Conn } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { kkConnect, noiseConn } from "../../lib/noise/mod.ts";
import { SeededRandom } from "../../lib/runtime/simulated/mod.ts";
import { sleep, type SocketAddress, type World } from "../../lib/runtime/mod.ts";
import { openAddressHandshake } from "../../lib/transport/address_handshake.ts";
import { encodePacket, PacketType } from "../../lib/transport/mod.ts";
import { AWAIT_SETUP_PORT, TRANSPORT_SETUP_PORT } from "../../lib/dmsg/mod.ts";
import {
  DONE,
  EDGE_RULES,
  ID_COUNT,
  ROUTE_IDS,
  RULES,
  wireEdge,
} from "../../lib/routing/setup/wire_types.ts";
import { RpcClient } from "../../lib/wire/rpc/mod.ts";
import {
  assertGrownLittle,
  echoed,
  echoServer,
  type Fleet,
  keyOf,
  pairOf,
  proxyArgs,
  withFleet,
} from "./_fleet.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const bytes = new SeededRandom("hostile").bytes(20_000);
const SERVER = { launcher: { apps: [{ name: "skysocks", auto_start: true, port: 3 }] } };

async function stcprOf(fleet: Fleet, name: string): Promise<SocketAddress> {
  const known = await fleet.node(name).services.addressResolver!.resolve("stcpr", keyOf(name));
  return {
    hostname: fleet.world(name).network.addresses().find((each) => each.startsWith("203."))!,
    port: known!.port,
  };
}

async function readToEnd(conn: Conn): Promise<void> {
  try {
    while (await conn.read() !== null);
  } catch { /* however it ends */ }
  conn.close();
  await conn.closed;
}

/** An authenticated connection for a transport to visor `name`, up to its settlement. */
async function unsettled(world: World, at: SocketAddress, local: KeyPair, name: string): Promise<Conn> {
  const remote = keyOf(name);
  const plain = await openAddressHandshake(await world.network.dial(at), {
    world,
    local,
    localPort: 49_153,
    remote,
  });
  const { clock, random } = world;
  const { conn, result } = await kkConnect(plain, { local, remote, clock, random });
  return noiseConn(conn, result.keys);
}

Deno.test("10,000 garbage connections to stcpr: each counted, nothing grows, honest visors get their transports all along", () =>
  withFleet(360, ["A", "B", "C"], async (fleet) => {
    const enemy = fleet.simulation.node("enemy", { address: "192.0.2.66" });
    const at = await stcprOf(fleet, "B");
    const before = fleet.world("B").ledger.live();
    const random = new SeededRandom("garbage");
    const TOTAL = 10_000;
    const one = async (index: number) => {
      const conn = await enemy.network.dial(at);
      if (index % 4 === 0) return conn.close();
      if (index % 4 === 1) await conn.write(utf8("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
      if (index % 4 === 2) await conn.write(random.bytes(300));
      if (index % 4 === 3) await conn.write(utf8(`{"nonce":"${"f".repeat(3_000)}`));
      await readToEnd(conn);
    };
    for (let done = 0; done < TOTAL; done += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, index) => one(done + index).catch(() => {})));
      if (done === 2_500) await fleet.link("A", "B");
      if (done === 7_500) await fleet.link("B", "C");
    }
    await fleet.sleep(30_000);
    const { transports } = await fleet.call("B", "counters", {});
    const { probe = 0, handshake = 0, busy = 0 } = transports;
    assert.equal(probe + handshake + busy, TOTAL, JSON.stringify(transports));
    assert(Math.min(probe, handshake, busy) > 100, JSON.stringify(transports));
    assertGrownLittle(before, fleet.world("B").ledger.live(), 15); // with two transports and what they need
    assert.equal((await fleet.call("B", "transports", {})).length, 2);
    const status = await fleet.call("B", "status", {});
    assert.deepEqual(status.node.counters.transports, transports);
  }));

Deno.test("silent connections fill no place for ever: the handshakes of honest visors come through", () =>
  withFleet(361, ["A", "B"], async (fleet) => {
    const enemy = fleet.simulation.node("enemy", { address: "192.0.2.66" });
    const at = await stcprOf(fleet, "B");
    const held = await Promise.all(Array.from({ length: 400 }, () => enemy.network.dial(at)));
    const startedMs = fleet.nowMs;
    await fleet.link("A", "B");
    assert(fleet.nowMs - startedMs < 2_000, `${fleet.nowMs - startedMs} ms`);
    await Promise.all(held.map(readToEnd));
    assert(fleet.nowMs - startedMs < 12_000, "each silent one is let go after ten seconds");
    const { busy = 0, handshake = 0, probe = 0 } = (await fleet.call("B", "counters", {})).transports;
    assert.equal(busy + handshake + probe, 400);
  }));

Deno.test("forged settlements: none settles, each is counted, the accept loop goes on", () =>
  withFleet(362, ["A", "B"], async (fleet) => {
    const enemy = fleet.simulation.node("enemy", { address: "192.0.2.66" });
    const at = await stcprOf(fleet, "B");
    await fleet.sleep(15_000); // its own first errands are done
    const before = fleet.world("B").ledger.live();
    const ids = ["f70ca1bc-b645-0b6b-9306-fbb03f4f0a52", "00000000-0000-0000-0000-000000000000"];
    const forgeries = [
      utf8("\n"),
      utf8("not json\n"),
      utf8("{}\n"),
      utf8(`{"entry":null,"signatures":[]}\n`),
      ...ids.map((id) =>
        utf8(
          JSON.stringify({
            entry: { t_id: id, edges: [keyOf("A"), keyOf("B")], type: "stcpr", label: "user" },
            signatures: ["0".repeat(130), "0".repeat(130)],
          }) + "\n",
        )
      ),
      new SeededRandom("settlement").bytes(4_000),
      new Uint8Array(0),
    ];
    let tried = 0;
    for (let round = 0; round < 10; round++) {
      for (const forgery of forgeries) {
        const conn = await unsettled(enemy, at, keyPairFromSeed(utf8(`enemy ${round}`)), "B");
        if (forgery.length > 0) await conn.write(forgery).catch(() => {});
        await conn.closeWrite().catch(() => {});
        await readToEnd(conn);
        tried++;
      }
    }
    await fleet.sleep(25_000);
    const { transports } = await fleet.call("B", "counters", {});
    assert.equal(transports.settlement, tried, JSON.stringify(transports));
    assert.deepEqual(await fleet.call("B", "transports", {}), []);
    assertGrownLittle(before, fleet.world("B").ledger.live());
    await fleet.link("A", "B");
  }));

Deno.test("packets for unknown ids, of unknown types and of other visors' streams: counted, and the routes beside them work", () =>
  withFleet(363, ["A", "B", "C", "E"], async (fleet) => {
    const web = await echoServer(fleet);
    await fleet.link("A", "B");
    await fleet.link("B", "C");
    const id = await fleet.link("E", "B");
    await fleet.sleep(6_000);
    await fleet.call("A", "appStart", { name: "skysocks-client", args: proxyArgs("C", "--min-hops", "2") });
    await fleet.until(
      "connected",
      () => fleet.node("A").launcher.app("skysocks-client")?.proxy?.connected === true,
    );
    const conn = await fleet.browse("A", web.address);
    await echoed(conn, bytes);

    const enemy = fleet.node("E").transports.find(id as never)!;
    const used = new Set(fleet.node("B").router.rules().map(({ routeId }) => routeId));
    const before = fleet.world("B").ledger.live();
    let sent = 0;
    for (let batch = 0; batch < 100; batch++) {
      const packets = Array.from({ length: 100 }, (_, index) => {
        const routeId = 1_000_000 + batch * 100 + index;
        assert(!used.has(routeId));
        return encodePacket(index % 12, routeId, new Uint8Array(50));
      });
      await enemy.write(new Uint8Array(await new Blob(packets as BlobPart[]).arrayBuffer()));
      sent += packets.length;
    }
    for (const type of [200, 99]) await enemy.send(type, 0, new Uint8Array(10));
    await enemy.send(PacketType.transportPong, 0, new Uint8Array(8));
    await enemy.send(PacketType.transportPing, 0, new Uint8Array(3));
    await echoed(conn, bytes);
    const counters = await fleet.call("B", "counters", {});
    assert.equal(counters.router.unknownRoute, sent);
    assert.equal(counters.transports["unknown packet"], 2);
    assert.equal(counters.transports["unasked pong"], 1);
    assert.equal(counters.transports["malformed packet"], 1);
    assertGrownLittle(before, fleet.world("B").ledger.live());
    assert.equal(fleet.node("B").router.rules().length, 2);
    assert.equal(enemy.isLive, true);
    conn.close();
    await fleet.call("A", "appStop", { name: "skysocks-client" });
    await web.close();
  }, { configs: { C: SERVER } }));

Deno.test("rules for foreign routes: who is no setup node gets none in, by no call, and each try is counted", () =>
  withFleet(364, ["B", "C", "E"], async (fleet) => {
    const id = await fleet.link("E", "B");
    const bc = await fleet.link("B", "C");
    const { dmsg } = fleet.running("E").visor;
    const world = fleet.world("E");
    const call = async (work: (client: RpcClient) => Promise<unknown>): Promise<unknown> => {
      const client = new RpcClient(await dmsg.dial({ publicKey: keyOf("B"), port: AWAIT_SETUP_PORT }), {
        world,
      });
      try {
        return await work(client);
      } finally {
        client.close();
        await client.closed;
      }
    };
    const reserve = (client: RpcClient, count = 2) =>
      client.call("RPCGateway.ReserveIDs", ID_COUNT, count, ROUTE_IDS, {});
    const rejected = async (what: RegExp, work: (client: RpcClient) => Promise<unknown>) =>
      await assert.rejects(call(work), (error: { text?: string; message: string }) => {
        assert.match(error.text ?? error.message, what);
        return true;
      });

    const edge = (over: string, remote: string, ids: readonly number[]) =>
      wireEdge({
        descriptor: {
          source: { publicKey: keyOf(remote), port: 49_200 },
          destination: { publicKey: keyOf("B"), port: 58 },
        },
        forward: {
          kind: "forward",
          routeId: ids[0]!,
          keepAliveNs: 600_000_000_000n,
          nextRouteId: 7,
          nextTransportId: over as never,
          descriptor: {
            source: { publicKey: keyOf("B"), port: 58 },
            destination: { publicKey: keyOf(remote), port: 49_200 },
          },
        },
        reverse: {
          kind: "consume",
          routeId: ids[1]!,
          keepAliveNs: 600_000_000_000n,
          descriptor: {
            source: { publicKey: keyOf(remote), port: 49_200 },
            destination: { publicKey: keyOf("B"), port: 58 },
          },
        },
      } as never);
    const add = (client: RpcClient, wire: ReturnType<typeof wireEdge>) =>
      client.call("RPCGateway.AddEdgeRules", EDGE_RULES, wire, DONE, {});

    await rejected(
      /not between the caller/,
      async (client) => add(client, edge(id, "C", await reserve(client))),
    );
    await rejected(
      /does not leave over a transport to the caller/,
      async (client) => add(client, edge(bc, "E", await reserve(client))),
    );
    await rejected(
      /does not use the reserved/,
      async (client) => (await reserve(client), add(client, edge(id, "E", [1, 2]))),
    );
    await rejected(/one reservation and one install/, (client) => add(client, edge(id, "E", [1, 2])));
    await rejected(/too many route IDs/, (client) => reserve(client, 200));
    await rejected(
      /can't find/,
      (client) => client.call("RPCGateway.AddIntermediaryRules", RULES, [], DONE, {}),
    );
    await rejected(
      /can't find/,
      (client) => client.call("RPCGateway.DelRules", ROUTE_IDS, [1, 2, 3], DONE, {}),
    );
    assert.equal((await fleet.call("B", "counters", {})).setup.callsRefused, 5);

    // Who has no transport with it gets no answer at all; nor does anybody on the port of transport setup nodes.
    await fleet.call("E", "transportRemove", { id });
    await fleet.until("B has seen it", () => fleet.node("B").transports.to(keyOf("E")).length === 0, 2_000);
    for (let round = 0; round < 3; round++) await assert.rejects(call((client) => reserve(client)));
    const gateway = await dmsg.dial({ publicKey: keyOf("B"), port: TRANSPORT_SETUP_PORT });
    await readToEnd(gateway);
    const { setup, router } = await fleet.call("B", "counters", {});
    assert.deepEqual(setup, { connectionsRefused: 3, callsRefused: 5, gatewayConnectionsRefused: 1 });
    assert.deepEqual([router.groupsOpened, fleet.node("B").router.rules()], [0, []]);
    assert.equal(pairOf("E").publicKey, keyOf("E"));
    await sleep(world.clock, 1);
  }));
