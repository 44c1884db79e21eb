/** Routes from end to end: dmsg, transports, routers and a setup node, all real, in one simulation. */
import assert from "node:assert/strict";
import { SETUP_NODE_PORT } from "../../../lib/dmsg/mod.ts";
import { ACCEPTS_OF_KEY_MAX } from "../../../lib/routing/mod.ts";
import { generateRules, mirrored } from "../../../lib/routing/setup/mod.ts";
import {
  BIDIRECTIONAL_ROUTE,
  DONE,
  EDGE_RULES,
  ID_COUNT,
  ROUTE_IDS,
  wireEdge,
  wireRoute,
} from "../../../lib/routing/setup/wire_types.ts";
import { sleep } from "../../../lib/runtime/mod.ts";
import { RpcClient, RpcError, RpcShutDownError } from "../../../lib/wire/rpc/mod.ts";
import { said } from "../../dmsg/client_support.ts";
import { PacketType, transportId } from "../../../lib/transport/mod.ts";
import { inFleet, key } from "./_world.ts";

const bob = { publicKey: key("bob"), port: 3 };
const carol = { publicKey: key("carol"), port: 3 };

Deno.test("A to B to C: two hops by a setup node, bytes both ways, nothing left", () =>
  inFleet(1, ["alice", "bob", "carol"], async (fleet) => {
    await fleet.join("alice", "bob", "carol");
    fleet.paths = [["alice", "bob", "carol"]];
    fleet.visor("carol").echo();
    const group = await fleet.visor("alice").dialer.dial(carol);
    assert.equal(await said(group, "across bob"), "across bob");
    assert.equal(fleet.visor("bob").router.rules().length, 2);
    const stats = fleet.node.stats();
    assert.deepEqual([stats.successful, stats.failed, stats.route_length_hist], [1, 0, { "2": 1 }]);
    assert.equal(fleet.node.pooledConnections, 3);
    group.close();
    await group.closed;
  }));

Deno.test("one hop is set up with the peer itself: no setup node, no route finder", () =>
  inFleet(2, ["alice", "bob"], async (fleet) => {
    await fleet.join("alice", "bob");
    fleet.visor("bob").echo();
    const group = await fleet.visor("alice").dialer.dial(bob);
    assert.equal(await said(group), "hello");
    assert.deepEqual([fleet.node.stats().total_requests, fleet.asked], [0, 0]);
    group.close();
    await group.closed;
  }));

Deno.test("one hop to a visor that does not serve direct set-up: the setup node, and the peer is remembered", () =>
  inFleet(3, ["alice", "bob"], async (fleet) => {
    await fleet.join("alice", "bob");
    fleet.visor("bob").echo();
    for (let time = 1; time <= 2; time++) {
      const group = await fleet.visor("alice").dialer.dial(bob);
      assert.equal(await said(group), "hello");
      assert.equal(fleet.node.stats().successful, time);
      group.close();
      await group.closed;
    }
  }, { visors: { bob: { direct: false } } }));

Deno.test("--direct goes over the transport's own stream, and says when nobody listens", () =>
  inFleet(4, ["alice", "bob"], async (fleet) => {
    await fleet.join("alice", "bob");
    const { dialer } = fleet.visor("alice");
    const conn = await dialer.dial(bob, { direct: true });
    assert.equal(await said(conn, "straight"), "straight");
    assert.equal(fleet.visor("alice").router.groups().length, 0);
    conn.close();
    await conn.closed;
    await assert.rejects(dialer.dial({ ...bob, port: 4 }, { direct: true }), { code: "APP_PORT_CLOSED" });
  }));

Deno.test("--direct to a visor of 2024 says so", () =>
  inFleet(5, ["alice", "bob"], async (fleet) => {
    await fleet.join("alice", "bob");
    await assert.rejects(
      fleet.visor("alice").dialer.dial(bob, { direct: true }),
      { code: "DIRECT_DIAL_FAILED", message: /visors of 2024 have none/ },
    );
    assert.equal(fleet.node.stats().total_requests, 0);
  }, { visors: { bob: { direct: false } } }));

Deno.test("RT-4, RT-11: a destination without the last transport is asked once, and no rule is left at the relay", () =>
  inFleet(6, ["alice", "bob", "carol"], async (fleet) => {
    await fleet.join("alice", "bob");
    await fleet.join("bob", "carol");
    fleet.visor("carol").transports.find = () => undefined; // carol lost it, and bob does not know yet
    fleet.paths = [["alice", "bob", "carol"]];
    await assert.rejects(fleet.visor("alice").dialer.dial(carol), (error: Error & { code?: string }) => {
      assert.equal(error.code, "NO_ROUTE");
      assert.match(
        (error.cause as Error).message,
        /failed to broadcast rules to destination router: failure code 1 \(.*not found locally/,
      );
      return true;
    });
    // The finder three times: for a route, for another one, and for more than it gives by itself.
    assert.deepEqual([fleet.asked, fleet.node.stats().failures_by_reason], [3, { destination_rules: 1 }]);
    await fleet.network.sleep(100);
    assert.deepEqual(["alice", "bob", "carol"].map((name) => fleet.visor(name).router.rules().length), [
      0,
      0,
      0,
    ]);
  }));

Deno.test("RT-8: hops that are given by transport and by key, without a route finder", () =>
  inFleet(7, ["alice", "bob", "carol"], async (fleet) => {
    await fleet.join("alice", "bob", "carol");
    fleet.visor("carol").echo();
    const [toBob] = fleet.visor("alice").transports.to(key("bob"));
    const group = await fleet.visor("alice").dialer.dial(carol, { forward: [{ transportId: toBob!.id }] });
    assert.equal(await said(group, "my own way"), "my own way");
    assert.equal(fleet.asked, 0);
    group.close();
    await group.closed;
  }, {
    visors: {
      alice: {
        dialer: {
          directory: {
            byId: () => Promise.resolve(undefined),
            byEdge: () =>
              Promise.resolve([
                {
                  id: transportId(key("bob"), key("carol"), "stcp"),
                  edges: [key("bob"), key("carol")],
                  type: "stcp",
                },
              ]),
          },
        },
      },
    },
  }));

Deno.test("a relay that does not trust the setup node is named, and the next route goes around it", () =>
  inFleet(8, ["alice", "bob", "carol", "dave"], async (fleet) => {
    await fleet.join("alice", "bob", "carol");
    await fleet.join("alice", "dave", "carol");
    fleet.paths = [["alice", "bob", "carol"], ["alice", "dave", "carol"]];
    fleet.visor("carol").echo();
    const group = await fleet.visor("alice").dialer.dial(carol);
    assert.equal(await said(group, "around bob"), "around bob");
    assert.deepEqual([fleet.asked, fleet.node.stats().failures_by_reason], [2, { id_reservation: 1 }]);
    assert.equal(fleet.visor("dave").router.rules().length, 2);
    group.close();
    await group.closed;
  }, { visors: { bob: { trusted: [], direct: false } } }));

Deno.test("a stranger cannot have a route made in another's name: the group lives on, and no rule is added", () =>
  inFleet(9, ["alice", "bob", "carol"], async (fleet) => {
    await fleet.join("alice", "bob", "carol");
    fleet.paths = [["alice", "bob", "carol"]];
    fleet.visor("carol").echo();
    const group = await fleet.visor("alice").dialer.dial(carol);
    const mallory = fleet.network.client("mallory");
    await mallory.whenPublished();
    const client = new RpcClient(await mallory.dial({ publicKey: key("setup"), port: SETUP_NODE_PORT }), {
      world: fleet.network.world("mallory"),
    });
    const [there] = await fleet.findRoutes([[key("alice"), key("carol")]], {} as never);
    const [back] = await fleet.findRoutes([[key("carol"), key("alice")]], {} as never);
    const wire = wireRoute({
      descriptor: { source: { publicKey: key("alice"), port: group.local.port }, destination: carol },
      keepAliveNs: 2n ** 63n - 1n,
      forward: there![0] as never,
      reverse: back![0] as never,
    });
    const count = () => ["bob", "carol"].map((name) => fleet.visor(name).router.rules().length);
    const before = count();
    await assert.rejects(
      client.call("SetupRPCGateway.DialRouteGroup", BIDIRECTIONAL_ROUTE, wire, EDGE_RULES),
      (error) => error instanceof RpcError && error.text.startsWith("a visor asks for its own routes"),
    );
    assert.deepEqual(count(), before);
    assert.equal(await said(group, "still here"), "still here");
    assert.deepEqual(fleet.node.stats().failures_by_reason, { invalid_route: 1 });
    client.close();
    await client.closed;
    group.close();
    await group.closed;
    await mallory.close();
  }));

Deno.test("calls of one stranger that lead nowhere do not slow others' routes down", () =>
  inFleet(10, ["alice", "bob", "carol", "dave"], async (fleet) => {
    await fleet.join("alice", "bob", "carol");
    fleet.paths = [["alice", "bob", "carol"]];
    fleet.visor("carol").echo();
    const world = fleet.network.world("mallory");
    const mallory = fleet.network.client("mallory");
    await mallory.whenPublished();
    const descriptor = { source: { publicKey: key("mallory"), port: 1 }, destination: { ...carol } };
    const hop = {
      transportId: transportId(key("mallory"), key("carol"), "stcp"),
      from: key("mallory"),
      to: key("carol"),
    };
    const wire = wireRoute({
      descriptor,
      keepAliveNs: 1n,
      forward: [hop],
      reverse: [{ ...hop, from: hop.to, to: hop.from }],
    });
    mallory.listen(136); // which takes connections, and never answers
    const clients: RpcClient[] = [];
    const calls: Promise<unknown>[] = [];
    for (let each = 0; each < 40; each++) {
      const client = new RpcClient(await mallory.dial({ publicKey: key("setup"), port: SETUP_NODE_PORT }), {
        world,
      });
      clients.push(client);
      for (let call = 0; call < 8; call++) {
        calls.push(
          client.call("SetupRPCGateway.DialRouteGroup", BIDIRECTIONAL_ROUTE, wire, EDGE_RULES).catch(
            () => {},
          ),
        );
      }
    }
    await sleep(world.clock, 500);
    assert.equal(fleet.node.stats().active_requests, 16);
    const startMs = world.clock.monotonicMs();
    const group = await fleet.visor("alice").dialer.dial(carol);
    assert.equal(await said(group), "hello");
    const tookMs = world.clock.monotonicMs() - startMs;
    assert(tookMs < 1_000, `${tookMs} ms`);
    group.close();
    await group.closed;
    for (const client of clients) client.close();
    await Promise.all([...calls, ...clients.map(({ closed }) => closed)]);
    await mallory.close();
  }));

Deno.test("one neighbour's flood of set-ups over virtual streams leaves others their routes to the same visor", () =>
  inFleet(11, ["alice", "bob", "carol"], async (fleet) => {
    await fleet.join("alice", "bob");
    await fleet.join("carol", "bob");
    fleet.visor("bob").echo();
    const { world, transports } = fleet.visor("carol");
    const transport = transports.to(key("bob"))[0]!;
    const service = "DirectSetupGateway";
    let installed = 0;
    const setUp = async (port: number) => {
      const client = new RpcClient(transport.openStream(PacketType.setupRpc), { world });
      try {
        const [first, second] = await client.call(`${service}.ReserveIDs`, ID_COUNT, 2, ROUTE_IDS);
        const path = [{ transportId: transport.id, from: key("carol"), to: key("bob") }];
        const { responding } = generateRules({
          descriptor: { source: { publicKey: key("carol"), port }, destination: bob },
          keepAliveNs: 2n ** 63n - 1n,
          forward: path,
          reverse: mirrored(path),
        }, new Map([[key("carol"), [1, 2]], [key("bob"), [first!, second!]]]));
        await client.call(`${service}.AddEdgeRules`, EDGE_RULES, wireEdge(responding), DONE);
        installed++;
      } catch (error) {
        assert(error instanceof RpcError || error instanceof RpcShutDownError, `${error}`);
      } finally {
        client.close();
        await client.closed;
      }
    };
    for (let round = 0; round < 40; round++) {
      await Promise.all(Array.from({ length: 20 }, (_, at) => setUp(1 + round * 20 + at)));
    }
    assert.equal(installed, ACCEPTS_OF_KEY_MAX);
    const startMs = world.clock.monotonicMs();
    const group = await fleet.visor("alice").dialer.dial(bob);
    assert.equal(await said(group), "hello");
    const tookMs = world.clock.monotonicMs() - startMs;
    assert(tookMs < 1_000, `${tookMs} ms`);
    group.close();
    await group.closed;
  }));
