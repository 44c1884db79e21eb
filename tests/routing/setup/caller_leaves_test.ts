/** A caller that gives up in the middle of a set-up: no rule stays anywhere, and no connection is worse for it. */
import assert from "node:assert/strict";
import { ask, outcomeOf, routeAlong, withNode } from "./_fake_visors.ts";

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
  }));

/** An answer that never comes. */
function noAnswer(): Promise<void> {
  return new Promise(() => {});
}
