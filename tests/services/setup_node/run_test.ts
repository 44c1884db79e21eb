/** The setup node as a service: a whole network over dmsg, in one simulation. */
import assert from "node:assert/strict";
import { silentLog } from "../../../lib/base/mod.ts";
import {
  type DmsgNetwork,
  embeddedNetwork,
  joinNetwork,
  type NetworkClient,
} from "../../../lib/directory/mod.ts";
import { AWAIT_SETUP_PORT, SETUP_NODE_PORT } from "../../../lib/dmsg/mod.ts";
import { HttpClient } from "../../../lib/http/mod.ts";
import * as types from "../../../lib/routing/setup/wire_types.ts";
import { attachDmsg, runDmsgDiscovery } from "../../../lib/services/dmsg_discovery/mod.ts";
import {
  type RunningSetupNode,
  runSetupNode,
  setupNodeNetwork,
  type SetupNodeSettings,
} from "../../../lib/services/setup_node/mod.ts";
import { RpcClient, RpcError, rpcMethod, serveRpc } from "../../../lib/wire/rpc/mod.ts";
import {
  type DmsgNetworkUnderTest,
  inNetwork,
  key,
  pair,
  seedOf,
  SERVER_PORT,
} from "../../dmsg/client_support.ts";
import { routeAlong } from "../../routing/setup/_fake_visors.ts";

const LOCAL: DmsgNetwork = {
  name: "local",
  file: undefined,
  servers: [{ publicKey: key("server"), address: `server:${SERVER_PORT}` }],
  discoveryHttp: "http://discovery:9090",
  discoveryDmsg: { publicKey: key("discovery"), port: 80 },
};

/** A discovery, a server, a setup node, and clients that join. */
async function inDeployment(
  seed: number,
  scenario: (parts: {
    network: DmsgNetworkUnderTest;
    node: RunningSetupNode;
    join: (name: string) => NetworkClient;
  }) => Promise<void>,
  settings: Pick<SetupNodeSettings, "circuits"> = {},
): Promise<void> {
  await inNetwork(seed, async (network) => {
    const server = await network.server("server");
    const world = network.world("discovery");
    const discovery = await runDmsgDiscovery({
      world,
      log: silentLog,
      settings: {
        address: { hostname: "0.0.0.0", port: 9090 },
        store: "memory",
        mode: "dual",
        publicKey: key("discovery"),
      },
      dmsg: attachDmsg({ world, local: pair("discovery"), servers: [seedOf("server")], log: silentLog }),
    });
    const node = await runSetupNode({
      world: network.world("setup"),
      keys: pair("setup"),
      network: LOCAL,
      log: silentLog,
      userAgent: "test/1",
      settings: {
        address: { hostname: "0.0.0.0", port: 9091 },
        build: { version: "v9", commit: "abc", date: "today" },
        ...settings,
      },
    });
    const joined: NetworkClient[] = [];
    await scenario({
      network,
      node,
      join(name) {
        const client = joinNetwork({
          world: network.world(name),
          local: pair(name),
          network: LOCAL,
          log: silentLog,
          userAgent: "test/1",
          sessionsMin: 1,
        });
        joined.push(client);
        return client;
      },
    });
    for (const client of joined) await client.close();
    await node.close();
    await node.close(); // may be repeated
    await node.closed;
    await discovery.close();
    await server.close();
  });
}

/** Answers port 136 as a visor would. */
function answerSetups({ dmsg }: NetworkClient): void {
  const listener = dmsg.listen(AWAIT_SETUP_PORT);
  void (async () => {
    for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
      void serveRpc(stream, {
        "RPCGateway.ReserveIDs": rpcMethod({
          argument: types.ID_COUNT,
          reply: types.ROUTE_IDS,
          handle: (count) => Array.from({ length: count }, (_, at) => at + 1),
        }),
        "RPCGateway.AddEdgeRules": rpcMethod({
          argument: types.EDGE_RULES,
          reply: types.DONE,
          handle: () => true,
        }),
      });
    }
  })();
}

Deno.test("SV-6, SV-8: from configured servers alone; routes, health and /stats over dmsg and where asked for", () =>
  inDeployment(1, async ({ network, node, join }) => {
    const [alice, bob] = [join("alice"), join("bob")];
    for (const client of [alice, bob]) {
      answerSetups(client);
      await client.dmsg.whenPublished();
    }
    await node.dmsg.whenPublished();
    const world = network.world("alice");
    const port36 = { publicKey: key("setup"), port: SETUP_NODE_PORT };
    const client = new RpcClient(await alice.dmsg.dial(port36), { world });
    const ask = (...names: string[]) => {
      const wire = types.wireRoute(routeAlong(...names));
      return client.call("SetupRPCGateway.DialRouteGroup", types.BIDIRECTIONAL_ROUTE, wire, types.EDGE_RULES);
    };
    assert.equal(types.edgeOfWire(await ask("alice", "bob")).descriptor.destination.publicKey, key("alice"));
    await assert.rejects(
      ask("alice", "nobody"),
      (error) =>
        error instanceof RpcError && error.text.startsWith("failed to instantiate route id reserver: a dial"),
    );
    const health = { argument: types.HEALTH_CHECK_ARGUMENT, reply: types.HEALTH_CHECK_REPLY };
    assert.deepEqual(await client.call("SetupRPCGateway.HealthCheck", health.argument, {}, health.reply), {
      Status: "OK",
      Version: "v9",
      Commit: "abc",
      Date: "today",
    });
    const peers = { argument: types.RELAY_PEERS_ARGUMENT, reply: types.RELAY_PEERS_REPLY };
    assert.deepEqual(
      (await client.call("SetupRPCGateway.RelayPeers", peers.argument, {}, peers.reply)).Peers,
      [key("server")],
    );

    const tcp = new HttpClient({
      clock: world.clock,
      ledger: world.ledger,
      dial: () => world.network.dial({ hostname: "setup", port: 9091 }),
    });
    for (const [http, host] of [[alice.http, key("setup")], [tcp, "setup:9091"]] as const) {
      const get = async (path: string, method = "GET") => {
        const answer = await http.send({ url: `http://${host}${path}`, method });
        return { status: answer.status, body: await answer.text(100_000) };
      };
      const stats = JSON.parse((await get("/stats")).body);
      assert.deepEqual(
        [stats.total_requests, stats.successful, stats.failed, stats.active_requests, stats.success_rate_pct],
        [2, 1, 1, 0, 50],
      );
      assert.deepEqual(stats.failures_by_reason, { id_reservation: 1 });
      assert.equal(stats.latency_ms.count, 1);
      assert.deepEqual([stats.recent_failures[0].src_pk, stats.recent_failures[0].hop_count], [
        key("alice"),
        1,
      ]);
      assert.deepEqual(stats.top_failed_destinations, [
        { pk: key("nobody"), total: 1, failed: 1, circuit: "closed" },
      ]);
      const { service_name, dmsg_address, dmsg_servers, build_info } = JSON.parse(
        (await get("/health")).body,
      );
      assert.deepEqual(
        [service_name, dmsg_address, dmsg_servers, build_info.version],
        ["setup-node", `${key("setup")}:80`, [key("server")], "v9"],
      );
      assert.deepEqual([(await get("/other")).status, (await get("/stats", "POST")).status], [404, 405]);
    }
    client.close();
    await tcp.close();
    // It never spoke to the discovery but over dmsg.
    assert.deepEqual([...new Set(network.dials.filter(({ from }) => from === "setup").map(({ to }) => to))], [
      "server",
    ]);
  }));

for (
  const [what, circuits, reasons] of [
    ["by default the sixth is refused", undefined, { id_reservation: 5, circuit_open: 1 }],
    ["a setting makes it the third", { failures: 2 }, { id_reservation: 2, circuit_open: 4 }],
    ["turned off, none is", false, { id_reservation: 6 }],
  ] as const
) {
  Deno.test(`RT-6: six routes to a visor that is not there: ${what}`, () =>
    inDeployment(2, async ({ network, node, join }) => {
      const alice = join("alice");
      answerSetups(alice);
      await alice.dmsg.whenPublished();
      await node.dmsg.whenPublished();
      const conn = await alice.dmsg.dial({ publicKey: key("setup"), port: SETUP_NODE_PORT });
      const client = new RpcClient(conn, { world: network.world("alice") });
      const wire = types.wireRoute(routeAlong("alice", "nobody"));
      const method = "SetupRPCGateway.DialRouteGroup";
      for (let call = 0; call < 6; call++) {
        await assert.rejects(client.call(method, types.BIDIRECTIONAL_ROUTE, wire, types.EDGE_RULES));
      }
      assert.deepEqual(node.stats().failures_by_reason, reasons);
      client.close();
    }, { circuits }));
}

Deno.test("SV-6: the production network is joined by embedded servers, too; a discovery over dmsg stands for HTTP", () => {
  const embedded = embeddedNetwork();
  const own = { publicKey: key("own"), address: "own:1" };
  const first = embedded.servers[0]!;
  const merged = setupNodeNetwork({ ...embedded, servers: [own, first] });
  assert.equal(merged.servers.length, embedded.servers.length + 1);
  assert.deepEqual(merged.servers.slice(0, 2), [own, first]);
  assert.equal(new Set(merged.servers.map(({ publicKey }) => publicKey)).size, merged.servers.length);
  assert.equal(merged.discoveryHttp, undefined);
  assert.deepEqual(merged.discoveryDmsg, embedded.discoveryDmsg);
  assert.deepEqual(setupNodeNetwork(LOCAL), { ...LOCAL, discoveryHttp: undefined });
  // Without any other way the discovery over HTTP is better than none.
  const alone = { ...LOCAL, discoveryDmsg: undefined };
  assert.equal(setupNodeNetwork(alone).discoveryHttp, "http://discovery:9090");
});
