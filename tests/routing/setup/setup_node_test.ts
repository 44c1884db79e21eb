import assert from "node:assert/strict";
import { ConnResetError, memoryPair, TimedOutError } from "../../../lib/base/mod.ts";
import type { ProvenKey } from "../../../lib/crypto/mod.ts";
import { DmsgError } from "../../../lib/dmsg/mod.ts";
import {
  type AdmitRoute,
  RouteSetupError,
  SETUP_CALLERS_OF_KEY_MAX,
  SETUP_REQUESTS_OF_KEY_MAX,
  SETUP_WAITING_OF_KEY_MAX,
} from "../../../lib/routing/setup/mod.ts";
import * as types from "../../../lib/routing/setup/wire_types.ts";
import { transportId } from "../../../lib/transport/mod.ts";
import { RpcClient, RpcError } from "../../../lib/wire/rpc/mod.ts";
import { ask, key, outcomeOf, routeAlong, withNode } from "./_fake_visors.ts";

const TRIO = ["alice", "bob", "carol"];

/** Never settles before its signal is aborted. */
function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  );
}

Deno.test("a route of three visors: ids at all, rules at the relay and the destination, the source's edge back", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    const done = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(0);
    const edge = done.value!;
    assert.equal(edge.descriptor.destination.publicKey, key("alice"));
    assert.deepEqual([edge.forward.routeId, edge.forward.nextRouteId, edge.reverse.routeId], [100, 100, 101]);
    assert.deepEqual(visor("bob").calls.map(({ method, ids }) => [method, ids]), [
      ["ReserveIDs", [100, 101]],
      ["AddIntermediaryRules", [100, 101]],
    ]);
    assert.deepEqual(visor("carol").calls.map(({ method, ids }) => [method, ids]), [
      ["ReserveIDs", [100, 101]],
      ["AddEdgeRules", [101, 100]],
    ]);
    assert.deepEqual(visor("alice").calls.map(({ method }) => method), ["ReserveIDs"]);
  }));

Deno.test("an invalid route is refused before anything is dialled", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    const done = outcomeOf(ask(node, { ...routeAlong("alice", "bob"), reverse: [] }));
    await clock.advance(0);
    assert(done.error instanceof RouteSetupError);
    assert.equal(done.error.message, "bidirectional route does not have reverse hops");
    assert.equal(visor("alice").dials.length, 0);
    assert.deepEqual(node.stats().failures_by_reason, { invalid_route: 1 });
  }));

Deno.test("a hop over a transport of other visors is refused: its rule would end routes of others", () =>
  withNode(["dave", "bob", "mallory"], async ({ node, clock, visor }) => {
    const route = routeAlong("dave", "bob", "mallory");
    const foreign = transportId(key("bob"), key("carol"), "stcpr");
    visor("mallory").give = () => [5, 6]; // ids at carol
    const forward = [route.forward[0]!, { ...route.forward[1]!, transportId: foreign }];
    const done = outcomeOf(ask(node, { ...route, forward }));
    await clock.advance(0);
    assert(done.error instanceof RouteSetupError);
    assert.deepEqual(node.stats().failures_by_reason, { invalid_route: 1 });
    assert.deepEqual(visor("bob").calls, []);
  }));

Deno.test("RT-2: a transient 202 is tried three times, 1 s and 2 s apart, by asking again each time", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    visor("bob").onDial = (attempt) => {
      if (attempt < 3) throw new DmsgError(202);
    };
    const done = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(2_999);
    assert.equal(done.done, false);
    await clock.advance(1);
    assert.equal(done.error, undefined);
    assert.equal(done.done, true);
    const [first] = visor("bob").dials;
    assert.deepEqual(visor("bob").dials.map(({ atMs, bypassCaches }) => [atMs - first!.atMs, bypassCaches]), [
      [0, false],
      [1_000, true],
      [3_000, true],
    ]);
    assert.equal(visor("carol").dials.length, 1);
  }));

Deno.test("RT-2: the third failure is the request's, and other failures are not repeated", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    visor("bob").onDial = () => {
      throw new Error("remote says: cannot connect to delegated server");
    };
    const done = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(3_000);
    assert(done.error instanceof RouteSetupError);
    assert.match(
      done.error.message,
      /^failed to instantiate route id reserver: a dial attempt failed with: dial /,
    );
    assert.equal(done.error.visor, key("bob"));
    assert.equal(visor("bob").dials.length, 3);
    visor("bob").onDial = () => {
      throw new DmsgError(100);
    };
    const second = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(0);
    assert.equal(
      (second.error as Error).message.endsWith("dmsg error 100 - entry is not found in discovery"),
      true,
    );
    assert.equal(visor("bob").dials.length, 4);
    assert.deepEqual(node.stats().failures_by_reason, { intermediate_unreachable: 2 });
    assert.equal(visor("alice").calls.length, 0); // nothing is reserved before all are there
  }));

Deno.test("a kept connection to a visor that died in silence: the hop is named after 10 s", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(0);
    visor("bob").before = () => new Promise(() => {});
    const done = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(9_999);
    assert.equal(done.done, false);
    await clock.advance(1);
    const error = done.error as RouteSetupError;
    assert.deepEqual([error.reason, error.visor], ["id_reservation", key("bob")]);
    assert.equal(visor("bob").dials.length, 1);
    visor("bob").before = () => {};
    const next = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(0);
    assert.deepEqual([next.error, visor("bob").dials.length], [undefined, 2]);
  }));

Deno.test("RT-2: a dial without an end is given up after 10 s", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    visor("alice").onDial = (_, signal) => hang(signal);
    const done = outcomeOf(ask(node, routeAlong("alice", "bob")));
    await clock.advance(9_999);
    assert.equal(done.done, false);
    await clock.advance(1);
    assert.equal((done.error as RouteSetupError).reason, "source_unreachable");
  }));

Deno.test("one hop that fails is told at once; the others finish, and their connections are kept", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    const gate = Promise.withResolvers<void>();
    visor("carol").onDial = () => gate.promise;
    visor("bob").onDial = () => {
      throw new DmsgError(100);
    };
    const done = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(0);
    assert.equal((done.error as RouteSetupError).visor, key("bob"));
    gate.resolve();
    await clock.advance(0);
    assert.equal(node.pooledConnections, 2);
  }));

Deno.test("RT-3: a kept connection that is shut down is dialled anew once, and the new one carries the rest", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    const first = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(0);
    assert.equal(first.error, undefined);
    // Bob forgets the connection at the moment at which it is used again.
    visor("bob").before = ({ connection }) => {
      if (connection === 1) visor("bob").conns[0]!.close(new ConnResetError());
    };
    const second = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(0);
    assert.equal(second.error, undefined);
    assert.equal(second.done, true);
    assert.equal(visor("bob").dials.length, 2);
    const later = visor("bob").calls.slice(2).map(({ method, connection }) => [method, connection]);
    assert.deepEqual(later, [["ReserveIDs", 1], ["ReserveIDs", 2], ["AddIntermediaryRules", 2]]);
    assert.equal(visor("carol").dials.length, 1); // the others' were kept
  }));

Deno.test("RT-3: a hop that is dead fails after the one new dial", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    const first = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(0);
    assert.equal(first.error, undefined);
    visor("bob").before = ({ connection }) => visor("bob").conns[connection - 1]!.close(new ConnResetError());
    const second = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(0);
    assert(second.error instanceof RouteSetupError);
    assert.equal(
      second.error.message,
      `failed to reserve route ids: reserve routeID from ${key("bob")} failed: ` +
        describeShutDown(second.error),
    );
    assert.equal(visor("bob").dials.length, 2);
  }));

/** The cause behind the text differs with who closed first. */
function describeShutDown(error: RouteSetupError): string {
  const text = error.message.slice(error.message.indexOf("failed: ") + 8);
  assert.match(text, /^connection is shut down/);
  return text;
}

Deno.test("RT-3: a connection that was dialled for the request is not dialled again", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    visor("bob").before = ({ connection }) => visor("bob").conns[connection - 1]!.close(new ConnResetError());
    const done = outcomeOf(ask(node, routeAlong("alice", "bob")));
    await clock.advance(0);
    assert.match((done.error as Error).message, /connection is shut down/);
    assert.equal(visor("bob").dials.length, 1);
  }));

Deno.test("RT-4: after a failure at the destination the relay's rules are deleted, over the same connection", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    visor("carol").before = ({ method }) => {
      if (method === "AddEdgeRules") throw new RouteSetupError("failure code 1 (no room)");
    };
    const done = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(0);
    assert.equal(
      (done.error as Error).message,
      "failed to broadcast rules to destination router: failure code 1 (no room)",
    );
    assert.deepEqual(
      visor("bob").calls.map(({ method, ids, connection }) => [method, ids, connection]),
      [["ReserveIDs", [100, 101], 1], ["AddIntermediaryRules", [100, 101], 1], ["DelRules", [100, 101], 1]],
    );
    assert.deepEqual(visor("carol").of("DelRules"), []); // it confirmed nothing
    assert.equal(node.pooledConnections, 3); // they live, and are kept
    assert.deepEqual(node.stats().failures_by_reason, { destination_rules: 1 });
  }));

Deno.test("RT-4: of several relays only those that confirmed are told, also one that confirms after the failure", () =>
  withNode(["alice", "bob", "carol", "dave"], async ({ node, clock, visor }) => {
    const gate = Promise.withResolvers<void>();
    visor("bob").before = ({ method }) => method === "AddIntermediaryRules" ? gate.promise : undefined;
    visor("carol").before = ({ method }) => {
      if (method === "AddIntermediaryRules") throw new RouteSetupError("failure code 1 (full)");
    };
    const done = outcomeOf(ask(node, routeAlong("alice", "bob", "carol", "dave")));
    await clock.advance(0);
    assert.deepEqual([done.done, visor("bob").of("DelRules")], [false, []]); // not in front of its answer
    gate.resolve();
    await clock.advance(0);
    assert.equal((done.error as RouteSetupError).visor, key("carol"));
    assert.deepEqual(visor("bob").of("DelRules").map(({ ids }) => ids), [[100, 101]]);
    assert.deepEqual([visor("carol").of("DelRules"), visor("dave").of("AddEdgeRules")], [[], []]);
  }));

Deno.test("RT-4: a request that ran out of time still has its rules deleted", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    const gate = Promise.withResolvers<void>();
    visor("carol").before = ({ method }) => method === "AddEdgeRules" ? gate.promise : undefined;
    const done = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(30_000);
    assert.equal((done.error as RouteSetupError).reason, "context_deadline");
    assert.deepEqual(visor("bob").of("DelRules").map(({ ids }) => ids), [[100, 101]]);
    gate.resolve();
    await clock.advance(0);
  }));

Deno.test("RT-5: a dead visor's connection is let go without waiting for it", () =>
  withNode(["alice", "bob", "carol", "dave"], async ({ node, clock, visor }) => {
    const first = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(0);
    assert.equal(first.error, undefined);
    assert.equal(node.pooledConnections, 3);
    await clock.advance(2 * 60_000); // silent for too long: all are at their end
    await clock.advance(30_000);
    assert.equal(node.pooledConnections, 0);
    const second = outcomeOf(ask(node, routeAlong("alice", "dave")));
    await clock.advance(0);
    assert.equal(second.error, undefined);
    assert.equal(visor("alice").dials.length, 2);
  }));

Deno.test("512 requests at once, then the next waits; who waits 30 s is dropped", () =>
  withNode(TRIO, async ({ node, clock, visor }) => {
    const gates: (() => void)[] = [];
    visor("carol").before = ({ method }) =>
      method === "AddEdgeRules" ? new Promise((resolve) => gates.push(resolve)) : undefined;
    const first = outcomeOf(ask(node, routeAlong("alice", "carol")));
    await clock.advance(0);
    const second = outcomeOf(ask(node, routeAlong("alice", "carol")));
    await clock.advance(1_000);
    assert.deepEqual([first.done, second.done, gates.length], [false, false, 1]);
    gates.shift()!();
    await clock.advance(0);
    assert.deepEqual([first.done, gates.length], [true, 1]);
    const third = outcomeOf(ask(node, routeAlong("alice", "carol")));
    const caller = new AbortController();
    const fourth = outcomeOf(ask(node, routeAlong("alice", "carol"), caller.signal));
    caller.abort(new ConnResetError());
    await clock.advance(0);
    assert.equal((fourth.error as RouteSetupError).reason, "concurrency_limit");
    gates.shift()!();
    await clock.advance(0);
    gates.shift()!();
    await clock.advance(0);
    assert.deepEqual([second.error, third.error], [undefined, undefined]);
    assert.deepEqual([node.stats().concurrency_drops, node.stats().total_requests], [1, 3]);
  }, { requestsMax: 1 }));

Deno.test("a caller that goes away ends its request, and what was installed is taken back", () =>
  withNode(TRIO, async ({ node, clock, visor, ledger }) => {
    visor("carol").before = ({ method }) => {
      if (method === "AddEdgeRules") near.close();
    };
    const [near, far] = memoryPair({ ledger });
    const client = new RpcClient(near, { world: { clock } });
    void node.serve(far, key("alice") as ProvenKey);
    const wire = types.wireRoute(routeAlong("alice", "bob", "carol"));
    const call = outcomeOf(
      client.call("SetupRPCGateway.DialRouteGroup", types.BIDIRECTIONAL_ROUTE, wire, types.EDGE_RULES),
    );
    await clock.advance(0);
    assert.equal(call.done, true);
    assert.deepEqual(visor("bob").of("DelRules").length, 1);
    assert.deepEqual(node.stats().failures_by_reason, { context_canceled: 1 });
  }));

Deno.test("calls by wire: a route, health, peers, and the texts of refusals", () =>
  withNode(TRIO, async ({ node, clock, ledger }) => {
    const [near, far] = memoryPair({ ledger });
    const client = new RpcClient(near, { world: { clock } });
    void node.serve(far, key("alice") as ProvenKey);
    const call = async (route: types.BidirectionalRoute) => {
      const wire = types.wireRoute(route);
      const outcome = outcomeOf(
        client.call("SetupRPCGateway.DialRouteGroup", types.BIDIRECTIONAL_ROUTE, wire, types.EDGE_RULES),
      );
      await clock.advance(0);
      return outcome;
    };
    const edge = types.edgeOfWire((await call(routeAlong("alice", "bob", "carol"))).value!);
    assert.equal(edge.descriptor.source.publicKey, key("carol"));
    const { error } = await call({ ...routeAlong("alice", "bob"), forward: [] });
    assert.equal((error as RpcError).text, "bidirectional route does not have forward hops");
    const health = outcomeOf(
      client.call("SetupRPCGateway.HealthCheck", types.HEALTH_CHECK_ARGUMENT, {}, types.HEALTH_CHECK_REPLY),
    );
    const peers = outcomeOf(
      client.call("SetupRPCGateway.RelayPeers", types.RELAY_PEERS_ARGUMENT, {}, types.RELAY_PEERS_REPLY),
    );
    await clock.advance(0);
    assert.deepEqual(health.value, { Status: "OK", Version: "v1", Commit: "abc", Date: "today" });
    assert.deepEqual(peers.value, { Peers: [key("bob")] });
    // A hop of null keys is no route.
    const nothing = {
      ...types.wireRoute(routeAlong("alice", "bob")),
      Forward: [{ TpID: undefined, From: undefined, To: undefined }],
    };
    const bad = outcomeOf(
      client.call("SetupRPCGateway.DialRouteGroup", types.BIDIRECTIONAL_ROUTE, nothing, types.EDGE_RULES),
    );
    await clock.advance(0);
    assert.equal((bad.error as RpcError).text, "bidirectional route has an invalid route description");
    client.close();
    await clock.advance(0);
  }, { relayPeers: () => [key("bob")] }));

Deno.test("another's route is refused by the key that the caller proved, and nothing of it happens", async () => {
  const asked: unknown[] = [];
  const admit = (visors: unknown) => (asked.push(visors), () => {});
  await withNode(TRIO, async ({ node, clock, visor, ledger }) => {
    const [near, far] = memoryPair({ ledger });
    const client = new RpcClient(near, { world: { clock } });
    void node.serve(far, key("mallory") as ProvenKey);
    for (const route of [routeAlong("alice", "bob", "carol"), routeAlong("carol", "mallory")]) {
      const wire = types.wireRoute(route);
      const call = outcomeOf(
        client.call("SetupRPCGateway.DialRouteGroup", types.BIDIRECTIONAL_ROUTE, wire, types.EDGE_RULES),
      );
      await clock.advance(0);
      const source = route.descriptor.source.publicKey;
      assert.equal(
        (call.error as RpcError).text,
        `a visor asks for its own routes: this one begins at ${source}, and ${key("mallory")} asks for it`,
      );
    }
    for (const name of TRIO) assert.equal(visor(name).dials.length, 0);
    assert.deepEqual(asked, []); // nor does a circuit breaker hear of it
    assert.deepEqual(node.stats().failures_by_reason, { invalid_route: 2 });
    assert.equal(node.stats().active_requests, 0);
    client.close();
    await clock.advance(0);
  }, { admit });
});

Deno.test("a flood of one caller takes 16 places of 512: others are served at once", () =>
  withNode(["alice", "bob", "mallory", "dave"], async ({ node, clock, visor }) => {
    visor("dave").onDial = (_, signal) => hang(signal);
    const waitMax = SETUP_REQUESTS_OF_KEY_MAX + SETUP_WAITING_OF_KEY_MAX;
    const flood = Array.from(
      { length: waitMax + 3 },
      () => outcomeOf(ask(node, routeAlong("mallory", "dave"))),
    );
    await clock.advance(0);
    assert.deepEqual([visor("dave").dials.length, node.stats().active_requests], [16, 16]);
    assert.equal(node.stats().concurrency_drops, 3); // and what waits of one key is bounded, too
    const startMs = clock.monotonicMs();
    for (let each = 0; each < 3; each++) {
      const honest = outcomeOf(ask(node, routeAlong("alice", "bob")));
      await clock.advance(0);
      assert.deepEqual([honest.done, honest.error], [true, undefined]);
    }
    assert.equal(clock.monotonicMs(), startMs);
    await clock.advance(10_000); // the dials are over: the flood's next requests go on
    assert.deepEqual([visor("dave").dials.length, node.stats().active_requests], [32, 16]);
    await clock.advance(30_000);
    await clock.advance(30_000);
    assert.equal(flood.every(({ done }) => done), true);
    assert.equal(node.stats().active_requests, 0);
  }));

Deno.test("connections of one caller are bounded; those that end make room", () =>
  withNode(TRIO, async ({ node, clock, ledger }) => {
    const connect = (name: string) => {
      const [near, far] = memoryPair({ ledger });
      void node.serve(far, key(name) as ProvenKey);
      return new RpcClient(near, { world: { clock } });
    };
    const clients = Array.from({ length: SETUP_CALLERS_OF_KEY_MAX + 1 }, () => connect("mallory"));
    const other = connect("alice");
    await clock.advance(0);
    assert.deepEqual(clients.map(({ isOpen }) => isOpen), [
      ...Array(SETUP_CALLERS_OF_KEY_MAX).fill(true),
      false,
    ]);
    assert.equal(other.isOpen, true);
    assert.equal(node.stats().callers_refused, 1);
    clients[0]!.close();
    await clock.advance(0);
    const again = connect("mallory");
    await clock.advance(0);
    assert.equal(again.isOpen, true);
    for (const client of [...clients, other, again]) client.close();
    await clock.advance(0);
  }));

Deno.test("a visor that gives too few ids, or one twice, ends the request with its key", async () => {
  for (const ids of [[], [7], [7, 7], [7, 8, 9]]) {
    await withNode(TRIO, async ({ node, clock, visor }) => {
      visor("bob").give = () => ids;
      const done = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
      await clock.advance(0);
      assert.equal((done.error as RouteSetupError).visor, key("bob"));
      assert.deepEqual(node.stats().failures_by_reason, { id_reservation: 1 });
    });
  }
});

Deno.test("who admits is asked before any dial, and told once of each visor how its dial ended", async () => {
  const asked: unknown[] = [];
  let told: string[] = [];
  const admit: AdmitRoute = (visors) => {
    asked.push(visors);
    return (visor, result) => void told.push(`${TRIO.find((name) => key(name) === visor)} ${result}`);
  };
  await withNode(TRIO, async ({ node, clock, visor }) => {
    const call = async (signal?: AbortSignal) => {
      told = [];
      outcomeOf(ask(node, routeAlong("alice", "bob", "carol"), signal));
      await clock.advance(0);
      return told.toSorted();
    };
    assert.deepEqual(await call(), ["alice reached", "bob reached", "carol reached"]);
    assert.deepEqual(asked, [{ source: key("alice"), destination: key("carol"), relays: [key("bob")] }]);
    assert.deepEqual(await call(), ["alice reached", "bob reached", "carol reached"]); // all by kept ones
    visor("carol").onDial = () => {
      throw new TimedOutError("x", 1);
    };
    for (const conn of visor("carol").conns) conn.close();
    await clock.advance(0);
    // The connections of the others are kept, and nothing is asked of them.
    assert.deepEqual(await call(), ["alice abandoned", "bob abandoned", "carol failed"]);
    assert.deepEqual(await call(AbortSignal.abort(new ConnResetError())), [
      "alice abandoned",
      "bob abandoned",
      "carol abandoned",
    ]);
  }, { admit });
  await withNode(TRIO, async ({ node, clock, visor }) => {
    const done = outcomeOf(ask(node, routeAlong("alice", "bob")));
    await clock.advance(0);
    assert.equal((done.error as RouteSetupError).reason, "circuit_open");
    assert.equal(visor("alice").dials.length, 0);
    assert.deepEqual(node.stats().failures_by_reason, { circuit_open: 1 });
  }, {
    admit: () => {
      throw new RouteSetupError("circuit open", { reason: "circuit_open" });
    },
  });
});
