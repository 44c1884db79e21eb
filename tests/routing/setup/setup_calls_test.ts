/** A visor's port 136, by wire, before a real router. */
import assert from "node:assert/strict";
import { type Conn, Ledger, memoryPair, Scope, silentLog } from "../../../lib/base/mod.ts";
import { keyPairFromSeed, type ProvenKey, type PublicKey } from "../../../lib/crypto/mod.ts";
import { DmsgStream, Listener } from "../../../lib/dmsg/mod.ts";
import { encodeRule, type Hop, parseRule, Router } from "../../../lib/routing/mod.ts";
import {
  type BidirectionalRoute,
  DIRECT_CONNECTIONS_MAX,
  DIRECT_OF_PEER_MAX,
  generateRules,
  newSetupCounters,
  serveDirectSetupStream,
  serveSetupCalls,
  SETUP_CONNECTIONS_MAX,
  SetupConnections,
  wireEdge,
} from "../../../lib/routing/setup/mod.ts";
import * as types from "../../../lib/routing/setup/wire_types.ts";
import { SeededRandom, VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { type TransportId, transportId } from "../../../lib/transport/mod.ts";
import { RpcClient, RpcError, RpcShutDownError } from "../../../lib/wire/rpc/mod.ts";
import { assertNothingAlive } from "../../support/world.ts";
import { key, outcomeOf, routeAlong } from "./_fake_visors.ts";

const local = keyPairFromSeed(new TextEncoder().encode("here"));
const SHARED = transportId(local.publicKey, key("peer"), "stcpr");
const OTHER = transportId(local.publicKey, key("third"), "stcpr");

class Rig {
  readonly ledger = new Ledger();
  readonly clock = new VirtualClock({ ledger: this.ledger });
  readonly listener = new Listener(136, () => {});
  readonly scope = new Scope();
  readonly connections = new SetupConnections();
  readonly counters = newSetupCounters();
  readonly remotes = new Map<TransportId, PublicKey>([[SHARED, key("peer")], [OTHER, key("third")]]);
  readonly transports = {
    find: (id: TransportId) => {
      const remote = this.remotes.get(id);
      return remote === undefined ? undefined : { id, remote, isLive: true, write: () => Promise.resolve() };
    },
    to: (remote: PublicKey) =>
      [...this.remotes].filter(([, each]) => each === remote).map(([id]) => ({ id })),
  };
  readonly router = new Router({
    world: { clock: this.clock, ledger: this.ledger, random: new SeededRandom("calls") },
    local,
    log: silentLog,
    transports: this.transports as never,
    settings: { countsRouteIds: true },
  });

  constructor() {
    serveSetupCalls({
      world: { clock: this.clock },
      local: local.publicKey,
      dmsg: { listen: () => this.listener },
      router: this.router,
      transports: this.transports,
      trusts: (caller) => caller === key("setup"),
      looks: (caller) => caller === key("directory"),
      connections: this.connections,
      counters: this.counters,
      scope: this.scope,
      log: silentLog,
    });
  }

  /** A connection of `name` on port 136. */
  connect(name: string): RpcClient {
    const [near, far] = memoryPair({ ledger: this.ledger });
    const remote = { publicKey: key(name) as ProvenKey, port: 50_000 };
    assert(this.listener.reserve());
    this.listener.deliver(
      new DmsgStream(far, { publicKey: local.publicKey, port: 136 }, remote, key("server")),
    );
    return new RpcClient(near, { world: { clock: this.clock } });
  }

  /** The other end of a virtual stream of `name`. */
  stream(name: string, id = SHARED): RpcClient {
    const [near, far] = memoryPair({ ledger: this.ledger });
    const stream = Object.assign(far, { transport: { id, remote: key(name) } }) as Conn & {
      transport: { id: TransportId; remote: PublicKey };
    };
    this.scope.spawn("stream", (signal) =>
      serveDirectSetupStream(stream, {
        world: { clock: this.clock },
        local: local.publicKey,
        router: this.router,
        transports: this.transports,
        connections: this.connections,
        counters: this.counters,
        log: silentLog,
        signal,
      }));
    return new RpcClient(near, { world: { clock: this.clock } });
  }

  async done<T>(work: Promise<T>): Promise<{ value?: T; error?: unknown; done: boolean }> {
    const outcome = outcomeOf(work);
    await this.clock.advance(0);
    return outcome;
  }

  reserve(client: RpcClient, count = 2, service = "RPCGateway") {
    return this.done(client.call(`${service}.ReserveIDs`, types.ID_COUNT, count, types.ROUTE_IDS));
  }
  addEdge(client: RpcClient, edge: ReturnType<typeof wireEdge>, service = "RPCGateway") {
    return this.done(client.call(`${service}.AddEdgeRules`, types.EDGE_RULES, edge, types.DONE));
  }
  addRules(client: RpcClient, rules: Uint8Array[]) {
    return this.done(client.call("RPCGateway.AddIntermediaryRules", types.RULES, rules, types.DONE));
  }
}

/** The edge for us of a one-hop route from `name`. */
function edgeFrom(name: string, ids: readonly number[], id = SHARED) {
  const [from, to] = [key(name), local.publicKey];
  const hop: Hop = { transportId: id, from, to };
  const route: BidirectionalRoute = {
    descriptor: { source: { publicKey: from, port: 50_000 }, destination: { publicKey: to, port: 3 } },
    keepAliveNs: 1_000_000_000n,
    forward: [hop],
    reverse: [{ transportId: id, from: to, to: from }],
  };
  return wireEdge(generateRules(route, new Map([[from, [1, 2]], [to, ids]])).responding);
}

async function withCalls(test: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = new Rig();
  await test(rig);
  const ending = outcomeOf(Promise.all([rig.scope[Symbol.asyncDispose](), rig.router.close()]));
  await rig.clock.advance(3_000);
  assert.equal(ending.done, true);
  assertNothingAlive(rig.ledger);
}

function textOf({ error }: { error?: unknown }): string {
  assert(error instanceof RpcError, `${error}`);
  return error.text;
}

Deno.test("a trusted setup node reserves, adds rules and deletes them", () =>
  withCalls(async (rig) => {
    const client = rig.connect("setup");
    assert.deepEqual((await rig.reserve(client, 3)).value, [1, 2, 3]);
    const relay = generateRules(
      routeAlong("alice", "bob", "carol"),
      new Map([
        [key("alice"), [1, 2]],
        [key("bob"), [1, 2]],
        [key("carol"), [1, 2]],
      ]),
    ).intermediary.get(key("bob"))!;
    assert.match(
      textOf(await rig.addRules(client, relay.map(encodeRule))),
      /^failure code 1 .*not found locally/,
    );
    for (const [at, rule] of relay.entries()) {
      rig.remotes.set(
        "nextTransportId" in rule ? rule.nextTransportId : SHARED,
        key(at === 0 ? "carol" : "alice"),
      );
    }
    assert.equal((await rig.addRules(client, relay.map(encodeRule))).value, true);
    assert.deepEqual(rig.router.rules(), relay);
    assert.equal(
      (await rig.done(client.call("RPCGateway.DelRules", types.ROUTE_IDS, [1, 2, 77], types.DONE))).value,
      true,
    );
    assert.deepEqual(rig.router.rules(), []);
    const [forwardId, reverseId] = (await rig.reserve(client)).value!;
    assert.equal((await rig.addEdge(client, edgeFrom("peer", [reverseId!, forwardId!]))).value, true);
  }));

Deno.test("what a trusted setup node must not send is refused with its code, and changes nothing", () =>
  withCalls(async (rig) => {
    const client = rig.connect("setup");
    const ids = (await rig.reserve(client)).value!;
    const { Forward, Reverse, Desc } = edgeFrom("peer", ids);
    const rule = encodeRule({
      kind: "intermediary",
      keepAliveNs: 1n,
      routeId: 1,
      nextRouteId: 2,
      nextTransportId: SHARED,
    });
    const refusals = [
      await rig.addRules(client, [Forward]), // of another kind
      await rig.addRules(client, [rule, rule.slice(0, 12)]), // cut
      await rig.addRules(client, [rule, encodeRule({ ...parseRule(rule), routeId: 9_999 })]), // never reserved
      await rig.addRules(client, Array.from({ length: 257 }, () => rule)),
      await rig.addEdge(client, { Desc, Forward: Reverse, Reverse: Forward }),
      await rig.addEdge(client, { Desc, Forward: rule, Reverse }),
      await rig.addEdge(client, { Desc: new Uint8Array(70), Forward, Reverse }), // null keys
      await rig.addEdge(client, edgeFrom("peer", ids, transportId(key("a"), key("b"), "stcpr"))), // no such transport
      await rig.addEdge(client, edgeFrom("peer", [7_000, 7_001])), // unknown ids
      await rig.addEdge(client, { ...edgeFrom("third", ids), Forward, Reverse }), // rules of another route
    ];
    for (const refused of refusals) assert.match(textOf(refused), /^failure code 1 \(.+\)$/);
    assert.equal(refusals.length, 10);
    assert.deepEqual(rig.router.rules(), []);
    assert.match(textOf(await rig.reserve(client, 300 as number)), /does not fit 8 bits/);
    assert.deepEqual((await rig.reserve(client, 0)).value, []);
  }));

Deno.test("whoever only looks whether the port takes streams is served nothing, and is not counted as refused", () =>
  withCalls(async (rig) => {
    const { error } = await rig.reserve(rig.connect("directory"));
    assert(error instanceof Error);
    assert.equal(rig.counters.connectionsRefused, 0);
    await rig.reserve(rig.connect("stranger"));
    assert.equal(rig.counters.connectionsRefused, 1);
  }));

Deno.test("a stranger is closed without an answer", () =>
  withCalls(async (rig) => {
    const { error } = await rig.reserve(rig.connect("stranger"));
    assert(error instanceof RpcShutDownError);
  }));

Deno.test("a setup node's connection ends after 2 min, one for a direct set-up after 1", () =>
  withCalls(async (rig) => {
    const [trusted, direct] = [rig.connect("setup"), rig.connect("peer")];
    await rig.clock.advance(59_999);
    assert.deepEqual([trusted.isOpen, direct.isOpen], [true, true]);
    await rig.clock.advance(1);
    assert.deepEqual([trusted.isOpen, direct.isOpen], [true, false]);
    await rig.clock.advance(60_000);
    assert.equal(trusted.isOpen, false);
  }));

Deno.test("a visor with a transport to us sets one hop up, once for each connection, and nothing else", () =>
  withCalls(async (rig) => {
    const client = rig.connect("peer");
    const once = "direct setup: one reservation and one install per connection";
    assert.equal(textOf(await rig.addEdge(client, edgeFrom("peer", [1, 2]))), `failure code 1 (${once})`);
    const ids = (await rig.reserve(client)).value!;
    assert.equal(textOf(await rig.reserve(client)), `failure code 4 (${once})`);
    assert.equal(
      textOf(await rig.addRules(client, [])),
      "rpc: can't find method RPCGateway.AddIntermediaryRules",
    );
    assert.equal((await rig.addEdge(client, edgeFrom("peer", ids))).value, true);
    assert.equal(textOf(await rig.addEdge(client, edgeFrom("peer", ids))), `failure code 1 (${once})`);
  }));

Deno.test("what a direct set-up must not do is refused with Skywire's texts", () =>
  withCalls(async (rig) => {
    const refused = async (edge: (ids: readonly number[]) => ReturnType<typeof wireEdge>) => {
      const client = rig.connect("peer");
      const text = textOf(await rig.addEdge(client, edge((await rig.reserve(client)).value!)));
      client.close();
      await rig.clock.advance(0);
      return text;
    };
    const foreign = "failure code 1 (direct setup: route is not between the caller and this visor)";
    const elsewhere = "failure code 1 (direct setup: rule does not leave over a transport to the caller)";
    assert.equal(await refused((ids) => edgeFrom("third", ids)), foreign);
    assert.equal(await refused((ids) => edgeFrom("peer", ids, OTHER)), elsewhere);
    assert.equal(
      await refused((ids) => edgeFrom("peer", ids, transportId(key("x"), key("y"), "stcpr"))),
      elsewhere,
    );
    assert.match(
      await refused(([first]) => edgeFrom("peer", [first! - 1, first!])),
      /does not use the reserved/,
    );
    for (const count of [0, 5, 255]) {
      const client = rig.connect("peer");
      assert.equal(
        textOf(await rig.reserve(client, count)),
        "failure code 4 (direct setup: too many route IDs)",
      );
      client.close();
      await rig.clock.advance(0);
    }
    assert.deepEqual(rig.router.rules(), []);
  }));

Deno.test("connections of one visor that is not trusted are few", () =>
  withCalls(async (rig) => {
    const clients = Array.from({ length: DIRECT_OF_PEER_MAX + 1 }, () => rig.connect("peer"));
    await rig.clock.advance(0);
    assert.deepEqual(clients.map(({ isOpen }) => isOpen), [
      ...Array(DIRECT_OF_PEER_MAX).fill(true),
      false,
    ]);
    clients[0]!.close();
    await rig.clock.advance(0);
    assert.deepEqual((await rig.reserve(rig.connect("peer"))).value, [1, 2]);
  }));

Deno.test("virtual streams of one visor count with its connections on port 136, and make room when they end", () =>
  withCalls(async (rig) => {
    const half = DIRECT_OF_PEER_MAX / 2;
    const first = Array.from({ length: half }, () => rig.connect("peer"));
    await rig.clock.advance(0);
    const clients = [
      ...first,
      ...Array.from({ length: half + 1 }, () => rig.stream("peer")),
      rig.connect("peer"),
    ];
    await rig.clock.advance(0);
    assert.deepEqual(clients.map(({ isOpen }) => isOpen), [
      ...Array(DIRECT_OF_PEER_MAX).fill(true),
      false,
      false,
    ]);
    assert.equal(rig.counters.connectionsRefused, 2);
    const other = rig.stream("third", OTHER); // another visor has its own
    assert.deepEqual((await rig.reserve(other, 2, "DirectSetupGateway")).value, [1, 2]);
    clients[half]!.close();
    await rig.clock.advance(0);
    assert.deepEqual((await rig.reserve(rig.stream("peer"), 2, "DirectSetupGateway")).value, [3, 4]);
  }));

Deno.test("visors that are not trusted leave half of all connections to setup nodes", () => {
  const connections = new SetupConnections();
  const leave: (() => void)[] = [];
  for (let peer = 0; leave.length < DIRECT_CONNECTIONS_MAX; peer++) {
    const name = key(`peer ${peer}`);
    for (let each = 0; each < DIRECT_OF_PEER_MAX; each++) leave.push(connections.enterPeer(name)!);
    assert.equal(connections.enterPeer(name), undefined);
  }
  assert.equal(connections.enterPeer(key("one more")), undefined);
  while (leave.length < SETUP_CONNECTIONS_MAX) leave.push(connections.enter()!);
  assert.equal(connections.enter(), undefined);
  leave.shift()!(); // a peer's: there is room for anybody
  const again = connections.enterPeer(key("one more"))!;
  assert.equal(connections.enter(), undefined);
  for (const each of [...leave, again]) each();
  assert.notEqual(connections.enterPeer(key("peer 0")), undefined);
});

Deno.test("the older form on a virtual stream: its own service name, its own transport, either order", () =>
  withCalls(async (rig) => {
    const service = "DirectSetupGateway";
    const client = rig.stream("peer");
    assert.match(textOf(await rig.reserve(client)), /^rpc: can't find service RPCGateway/);
    const ids = (await rig.reserve(client, 2, service)).value!;
    const edge = edgeFrom("peer", ids);
    const inverted = types.DESCRIPTOR.zero();
    inverted.set(edge.Desc.subarray(33, 66), 0);
    inverted.set(edge.Desc.subarray(0, 33), 33);
    inverted.set(edge.Desc.subarray(68, 70), 66);
    inverted.set(edge.Desc.subarray(66, 68), 68);
    assert.equal((await rig.addEdge(client, { ...edge, Desc: inverted }, service)).value, true);

    // Another transport of the same two visors is not the one that carries the stream.
    const second = transportId(local.publicKey, key("peer"), "sudph");
    rig.remotes.set(second, key("peer"));
    const other = rig.stream("peer");
    const others = (await rig.reserve(other, 2, service)).value!;
    const text = textOf(await rig.addEdge(other, edgeFrom("peer", others, second), service));
    assert.match(text, /does not leave over a transport to the caller/);
  }));
