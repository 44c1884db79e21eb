/** A caller that gives up in the middle of a set-up: no rule stays anywhere, and no connection is worse for it. */
import assert from "node:assert/strict";
import { ConnResetError, memoryPair, silentLog } from "../../../lib/base/mod.ts";
import type { ProvenKey } from "../../../lib/crypto/mod.ts";
import { type RouteSetupError, SetupNode } from "../../../lib/routing/setup/mod.ts";
import * as types from "../../../lib/routing/setup/wire_types.ts";
import type { World } from "../../../lib/runtime/mod.ts";
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

Deno.test("RT-4: an answer that cannot be sent any more: the rules are deleted at every visor", () =>
  withNode(["alice", "bob", "carol"], async ({ node, clock, visor, ledger }) => {
    const [near, far] = memoryPair({ ledger });
    const client = new RpcClient(near, { world: { clock } });
    const write = far.write.bind(far);
    far.write = (bytes) => (far.close(new ConnResetError()), write(bytes));
    void node.serve(far, key("alice") as ProvenKey);
    const wire = types.wireRoute(routeAlong("alice", "bob", "carol"));
    const call = outcomeOf(
      client.call("SetupRPCGateway.DialRouteGroup", types.BIDIRECTIONAL_ROUTE, wire, types.EDGE_RULES),
    );
    await clock.advance(0);
    assert(call.error instanceof RpcShutDownError);
    assert.equal(node.stats().successful, 1);
    assert.deepEqual(["bob", "carol"].map((name) => visor(name).of("DelRules").length), [1, 1]);
    assert.equal(node.pooledConnections, 3);
  }));

Deno.test("RT-4: after an answer that was sent nothing is deleted, however the caller goes on", () =>
  withNode(["alice", "bob", "carol"], async ({ node, clock, visor, ledger }) => {
    const [near, far] = memoryPair({ ledger });
    const client = new RpcClient(near, { world: { clock } });
    void node.serve(far, key("alice") as ProvenKey);
    const wire = types.wireRoute(routeAlong("alice", "bob", "carol"));
    const call = outcomeOf(
      client.call("SetupRPCGateway.DialRouteGroup", types.BIDIRECTIONAL_ROUTE, wire, types.EDGE_RULES),
    );
    await clock.advance(0);
    assert.notEqual(call.value, undefined);
    client.close(new ConnResetError());
    await clock.advance(1_000);
    assert.deepEqual(["bob", "carol"].map((name) => visor(name).of("DelRules").length), [0, 0]);
  }));
