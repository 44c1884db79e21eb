/** A caller that gives up in the middle of a set-up: no rule stays anywhere, and no connection is worse for it. */
import assert from "node:assert/strict";
import { type Conn, ConnResetError, memoryPair, silentLog } from "../../../lib/base/mod.ts";
import type { ProvenKey } from "../../../lib/crypto/mod.ts";
import { type RouteSetupError, SetupNode } from "../../../lib/routing/setup/mod.ts";
import * as types from "../../../lib/routing/setup/wire_types.ts";
import { sleep, type World } from "../../../lib/runtime/mod.ts";
import { RPC_CALL_TIMEOUT_MS, RpcClient, RpcShutDownError } from "../../../lib/wire/rpc/mod.ts";
import { assertNothingAlive } from "../../support/world.ts";
import { ask, key, NodeRig, outcomeOf, routeAlong, withNode } from "./_fake_visors.ts";

Deno.test("RT-4: rules that a relay takes as its caller leaves are deleted there", () =>
  withNode(["alice", "bob", "bob2", "carol"], async ({ node, clock, visor }) => {
    const bob = visor("bob");
    bob.before = ({ method }) =>
      method === "AddIntermediaryRules"
        ? new Promise<void>((done) => void clock.timer(1_000, () => done()))
        : undefined;
    const leaving = new AbortController();
    const outcome = outcomeOf(ask(node, routeAlong("alice", "bob", "bob2", "carol"), leaving.signal));
    await clock.advance(500);
    leaving.abort(new Error("gone"));
    await clock.advance(5_000);
    assert.equal(outcome.done, true);
    assert.deepEqual([bob.of("AddIntermediaryRules").length, bob.of("DelRules").length], [1, 1]);
  }));

Deno.test("RT-5: a connection with a question that nobody waits for is kept for nobody", () =>
  withNode(["alice", "bob", "carol"], async ({ node, clock, visor }) => {
    visor("bob").before = ({ connection }) => connection === 1 ? noAnswer() : undefined;
    const leaving = new AbortController();
    outcomeOf(ask(node, routeAlong("alice", "bob", "carol"), leaving.signal));
    await clock.advance(1_000);
    leaving.abort(new Error("gone"));
    await clock.advance(100);
    const next = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(1_000);
    assert.deepEqual([next.done, next.error], [true, undefined]);
    const ended = outcomeOf(visor("bob").conns[0]!.closed);
    await clock.advance(0);
    assert.equal(ended.done, true, "nor is it left open");
  }));

/** An answer that never comes. */
function noAnswer(): Promise<void> {
  return new Promise(() => {});
}

Deno.test("RT-4: a caller that leaves as the last answer is read: the rules are deleted at every visor", async () => {
  const rig = new NodeRig(["alice", "bob", "carol"]);
  const { visor } = rig;
  const leaving = new AbortController();
  let isAtEnd = false;
  // The time limit of the last call is cancelled once its answer is there: just then the caller leaves.
  const clock: World["clock"] = {
    monotonicMs: () => rig.clock.monotonicMs(),
    wallMs: () => rig.clock.wallMs(),
    timer: (afterMs, onTime) => {
      const timer = rig.clock.timer(afterMs, onTime);
      const cancel = () => {
        timer.cancel();
        if (isAtEnd && afterMs === RPC_CALL_TIMEOUT_MS) leaving.abort(new Error("gone"));
      };
      return { cancel };
    },
  };
  const node = new SetupNode({
    world: { clock },
    log: silentLog,
    version: { version: "v1", commit: "abc", date: "today" },
    dial: (publicKey, options) => rig.visors.get(publicKey)!.dial(options),
  });
  visor("carol").before = ({ method }) => void (isAtEnd = method === "AddEdgeRules");
  const outcome = outcomeOf(ask(node, routeAlong("alice", "bob", "carol"), leaving.signal));
  await rig.clock.advance(0);
  assert.equal((outcome.error as RouteSetupError | undefined)?.reason, "context_canceled");
  assert.deepEqual(["bob", "carol"].map((name) => visor(name).of("DelRules").length), [1, 1]);
  await node[Symbol.asyncDispose]();
  await rig.node[Symbol.asyncDispose]();
  for (const { conns } of rig.visors.values()) for (const conn of conns) conn.close();
  await rig.clock.advance(0);
  assertNothingAlive(rig.ledger);
});

/** Alice's connection to the node, and her request for a route over bob to carol. */
function request({ node, clock, ledger }: NodeRig, onWrite?: (far: Conn) => Promise<void> | void) {
  const [near, far] = memoryPair({ ledger });
  const client = new RpcClient(near, { world: { clock }, callTimeoutMs: 600_000 });
  const write = far.write.bind(far);
  far.write = async (bytes) => {
    await onWrite?.(far);
    await write(bytes);
  };
  void node.serve(far, key("alice") as ProvenKey);
  const wire = types.wireRoute(routeAlong("alice", "bob", "carol"));
  const method = "SetupRPCGateway.DialRouteGroup";
  const call = outcomeOf(client.call(method, types.BIDIRECTIONAL_ROUTE, wire, types.EDGE_RULES));
  return { near, client, call };
}

/** DelRules that both visors behind the source got. */
function deleted({ visor }: NodeRig): number[] {
  return ["bob", "carol"].map((name) => visor(name).of("DelRules").length);
}

Deno.test("RT-4: an answer that cannot be sent any more: the rules are deleted at every visor", () =>
  withNode(["alice", "bob", "carol"], async (rig) => {
    const { node, clock } = rig;
    const { call } = request(rig, (far) => far.close(new ConnResetError()));
    await clock.advance(0);
    assert(call.error instanceof RpcShutDownError);
    assert.equal(node.stats().successful, 1);
    assert.deepEqual(deleted(rig), [1, 1]);
    assert.equal(node.pooledConnections, 3);
  }));

Deno.test("RT-4: also when others have the kept connections, and when these were shut down: new ones are made", () =>
  withNode(["alice", "dave", "bob", "carol"], async (rig) => {
    const { node, clock, visor } = rig;
    visor("bob").before = ({ method }) =>
      method === "ReserveIDs" && visor("bob").of(method).length === 2 ? sleep(clock, 1_000) : undefined;
    visor("carol").before = ({ method, connection }) => {
      if (method === "DelRules" && connection === 1) visor("carol").conns[0]!.close(new Error("restarted"));
    };
    request(rig, async (far) => {
      outcomeOf(ask(node, routeAlong("dave", "bob"))); // holds the connection to bob
      await sleep(clock, 10);
      far.close(new ConnResetError());
    });
    await clock.advance(500);
    assert.deepEqual(deleted(rig), [1, 2]);
    assert.deepEqual(["bob", "carol"].map((name) => visor(name).of("DelRules").at(-1)!.connection), [2, 2]);
    const [installed] = visor("bob").of("AddIntermediaryRules");
    assert.deepEqual(visor("bob").of("DelRules")[0]!.ids, installed!.ids);
    await clock.advance(1_000);
    assert.equal(node.pooledConnections, 5, "all are given back");
  }));

Deno.test("RT-4: a visor that is gone holds nobody up who takes back", () =>
  withNode(["alice", "bob", "carol"], async (rig) => {
    const { clock, visor } = rig;
    const dial = { isOver: false };
    request(rig, (far) => {
      for (const name of ["bob", "carol"]) visor(name).conns[0]!.close(new Error("restarted"));
      visor("bob").onDial = (_, signal) => sleep(clock, 1_000_000, signal).finally(() => dial.isOver = true);
      far.close(new ConnResetError());
    });
    await clock.advance(0);
    assert.deepEqual(deleted(rig), [0, 1]);
    await clock.advance(9_999);
    assert.equal(dial.isOver, false);
    await clock.advance(1);
    assert.deepEqual([dial.isOver, visor("bob").dials.length, deleted(rig)], [true, 2, [0, 1]]);
  }));

Deno.test("RT-4: an answer that may not have been read: its connection breaks within 30 s, and not by silence", async () => {
  const ends: [string, number, (near: Conn) => void, number][] = [
    ["broke at once", 0, (near) => near.close(new ConnResetError()), 1],
    ["broke after 30 s", 30_000, (near) => near.close(new ConnResetError()), 1],
    ["broke when it was in use for long", 30_001, (near) => near.close(new ConnResetError()), 0],
    ["ended in order", 0, (near) => near.close(), 0],
    ["was silent", 200_000, () => {}, 0],
  ];
  for (const [what, afterMs, end, times] of ends) {
    await withNode(["alice", "bob", "carol"], async (rig) => {
      const { near, call } = request(rig);
      await rig.clock.advance(0);
      assert.notEqual(call.value, undefined);
      await rig.clock.advance(afterMs);
      assert.deepEqual(deleted(rig), [0, 0]);
      end(near);
      await rig.clock.advance(1_000);
      assert.deepEqual(deleted(rig), [times, times], what);
    });
  }
});

Deno.test("RT-4: a visor whose connection breaks over its rules may have them: they are deleted by another", () =>
  withNode(["alice", "bob", "carol"], async (rig) => {
    const { node, clock, visor } = rig;
    visor("carol").before = ({ method }) => {
      if (method === "AddEdgeRules") visor("carol").conns[0]!.close(new Error("its session ended"));
    };
    const outcome = outcomeOf(ask(node, routeAlong("alice", "bob", "carol")));
    await clock.advance(0);
    assert.equal((outcome.error as RouteSetupError).reason, "destination_rules");
    assert.deepEqual(deleted(rig), [1, 1]);
    assert.equal(visor("carol").of("DelRules")[0]!.connection, 2);
  }));
