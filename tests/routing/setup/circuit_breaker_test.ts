/** The breaker of a setup node, alone and in one (RT-6). */
import assert from "node:assert/strict";
import { Ledger } from "../../../lib/base/mod.ts";
import type { PublicKey } from "../../../lib/crypto/mod.ts";
import {
  CircuitBreaker,
  CIRCUITS_MAX,
  type CircuitSettings,
  type RouteResult,
  RouteSetupError,
  type SetupNodeOptions,
} from "../../../lib/routing/setup/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { DmsgError } from "../../../lib/dmsg/mod.ts";
import { ask, key, NodeRig, outcomeOf, routeAlong } from "./_fake_visors.ts";
import { assertNothingAlive } from "../../support/world.ts";

const DEAD = key("dead");
const OTHER = key("other");
const SOURCE = key("source");
const SECOND = 1_000;

const SUCCESS: RouteResult = { failure: undefined, unreachable: undefined };
const CANCELLED: RouteResult = {
  failure: new RouteSetupError("context canceled", { reason: "context_canceled" }),
  unreachable: undefined,
};
const unreached = (visor: PublicKey): RouteResult => ({
  failure: new RouteSetupError("failed", { visor }),
  unreachable: visor,
});

function rig(settings?: CircuitSettings) {
  const clock = new VirtualClock({ ledger: new Ledger() });
  const breaker = new CircuitBreaker({ clock }, settings);
  const admit = (destination: PublicKey = DEAD, ...relays: PublicKey[]) =>
    breaker.admit({ source: SOURCE, destination, relays });
  const fail = (times: number, visor: PublicKey = DEAD) => {
    for (let time = 0; time < times; time++) admit(visor)(unreached(visor));
  };
  return { clock, breaker, admit, fail, state: () => breaker.circuitOf(DEAD) };
}

const OPEN = {
  reason: "circuit_open",
  message: `route setup: destination circuit breaker open: circuit open: ${DEAD} unreachable`,
  visor: DEAD,
};
const PROBED = {
  reason: "circuit_open",
  message: new RegExp(`circuit half-open: probe in flight for ${DEAD}$`),
};

Deno.test("RT-6: the fifth failed dial in a row opens, and refuses for 60 s", async () => {
  const { clock, admit, fail, state } = rig();
  assert.equal(state(), undefined);
  fail(4);
  assert.equal(state(), "closed");
  fail(1);
  assert.equal(state(), "open");
  assert.throws(() => admit(), OPEN);
  await clock.advance(60 * SECOND - 1);
  assert.throws(() => admit(), OPEN);
  await clock.advance(1);
  assert.equal(state(), "half_open");
  admit();
});

Deno.test("RT-6: a success starts the count again, and so does a failure more than 5 min after the first", async () => {
  const { clock, admit, fail, state } = rig();
  fail(4);
  admit()(SUCCESS);
  assert.equal(state(), undefined);
  fail(4);
  await clock.advance(300 * SECOND + 1);
  fail(1);
  assert.equal(state(), "closed");
  await clock.advance(300 * SECOND);
  fail(4);
  assert.equal(state(), "open", "five within 5 min");
});

Deno.test("RT-6: half-open admits one probe; only its own result decides", async () => {
  const { clock, admit, fail, state } = rig();
  const [early, late] = [admit(), admit()]; // begun while it was closed
  fail(5);
  early(SUCCESS);
  assert.equal(state(), "open", "who began before it opened proves nothing");
  await clock.advance(60 * SECOND);
  const probe = admit();
  for (let caller = 0; caller < 99; caller++) assert.throws(() => admit(), PROBED);
  late(unreached(DEAD));
  assert.equal(state(), "half_open");
  assert.throws(() => admit(), PROBED);
  probe(unreached(DEAD));
  assert.equal(state(), "open");
  await clock.advance(60 * SECOND - 1);
  assert.throws(() => admit(), OPEN);
  await clock.advance(1);
  admit()(SUCCESS);
  assert.equal(state(), undefined);
  admit();
  admit();
});

Deno.test("RT-6: a probe that is cancelled, or fails for another reason, gives its place to the next", async () => {
  const { clock, admit, fail, state } = rig();
  fail(5);
  await clock.advance(60 * SECOND);
  for (const result of [CANCELLED, unreached(OTHER), { ...CANCELLED }]) {
    const probe = admit(DEAD, OTHER);
    assert.throws(() => admit(), PROBED);
    probe(result);
    assert.equal(state(), "half_open");
  }
  admit()(SUCCESS);
  assert.equal(state(), undefined);
});

Deno.test("RT-6: the visor that was not dialled is blamed, never the source nor the destination behind it", () => {
  const { breaker, admit } = rig();
  for (let time = 0; time < 20; time++) admit(DEAD, OTHER)(unreached(SOURCE));
  assert.equal(breaker.size, 0);
  for (let time = 0; time < 5; time++) admit(DEAD, OTHER)(unreached(OTHER));
  assert.deepEqual([breaker.circuitOf(DEAD), breaker.circuitOf(OTHER)], [undefined, "open"]);
  admit(DEAD);
  assert.throws(() => admit(DEAD, OTHER), {
    message: `route setup: intermediate circuit breaker open: circuit open: ${OTHER} unreachable`,
  });
  for (let time = 0; time < 20; time++) admit()(CANCELLED);
  assert.equal(breaker.circuitOf(DEAD), undefined);
});

Deno.test("RT-6: a route that one circuit refuses takes the probe of no other", async () => {
  const { clock, admit, fail, state } = rig();
  fail(5);
  await clock.advance(60 * SECOND);
  fail(5, OTHER);
  assert.throws(() => admit(DEAD, OTHER), { visor: OTHER });
  assert.equal(state(), "half_open");
  const probe = admit();
  probe(SUCCESS);
});

Deno.test("RT-6: 10 min after the first opening it is closed whatever the probes said", async () => {
  const { clock, admit, fail, state } = rig();
  fail(5);
  for (let minute = 1; minute < 10; minute++) {
    await clock.advance(60 * SECOND);
    admit()(unreached(DEAD));
    assert.equal(state(), "open");
  }
  await clock.advance(60 * SECOND - 1);
  assert.equal(state(), "open");
  await clock.advance(1);
  assert.equal(state(), undefined);
  const [one, two] = [admit(), admit()];
  one(SUCCESS);
  two(unreached(DEAD));
  assert.equal(state(), "closed", "one failure of five");
});

Deno.test("RT-6: at most 512 visors are remembered, and inventions push out no open circuit", () => {
  const { breaker, fail, state } = rig();
  fail(5);
  for (let index = 0; index < 2 * CIRCUITS_MAX; index++) fail(1, `invented ${index}` as PublicKey);
  assert.equal(breaker.size, CIRCUITS_MAX);
  assert.equal(state(), "open");
  for (let index = 0; index < 2 * CIRCUITS_MAX; index++) fail(5, `invented again ${index}` as PublicKey);
  assert.equal(breaker.size, CIRCUITS_MAX);
});

Deno.test("RT-6: settings change every number", async () => {
  const { clock, admit, fail, state } = rig({ failures: 2, windowMs: 1_000, openMs: 50, resetMs: 120 });
  fail(1);
  await clock.advance(1_001);
  fail(1);
  assert.equal(state(), "closed");
  fail(1);
  assert.equal(state(), "open");
  await clock.advance(50);
  admit()(unreached(DEAD));
  await clock.advance(69);
  assert.equal(state(), "half_open");
  await clock.advance(1);
  assert.equal(state(), undefined);
});

/** A setup node with its breaker, among visors of paper of which `dead` cannot be dialled. */
async function withBreaker(test: (rig: NodeRig, breaker: CircuitBreaker) => Promise<void>): Promise<void> {
  // The node's clock is the rig's own, which is there once it is made.
  const options: Partial<SetupNodeOptions> = {
    admit: (visors) => breaker.admit(visors),
    circuitOf: (visor) => breaker.circuitOf(visor),
  };
  const rig = new NodeRig(["alice", "bob", "dead"], options);
  const breaker = new CircuitBreaker(rig);
  await test(rig, breaker);
  const closing = rig.node[Symbol.asyncDispose]();
  await rig.clock.advance(1_000);
  await closing;
  await rig.clock.advance(1_000);
  assertNothingAlive(rig.ledger);
}

Deno.test("RT-6: a hundred callers of a dead visor in half-open: one dials, 99 are told; /stats shows the circuit", () =>
  withBreaker(async ({ node, clock, visor }) => {
    visor("dead").onDial = () => {
      throw new DmsgError(100);
    };
    const call = () => outcomeOf(node.dialRouteGroup(key("alice"), routeAlong("alice", "bob", "dead")));
    for (let time = 0; time < 5; time++) {
      call();
      await clock.advance(0);
    }
    assert.equal(visor("dead").dials.length, 5);
    assert.equal(node.stats().top_destinations?.[0]?.circuit, "open");
    const refused = call();
    await clock.advance(0);
    assert.equal((refused.error as RouteSetupError).reason, "circuit_open");
    assert.equal(visor("dead").dials.length, 5);

    await clock.advance(60_000);
    const gate = Promise.withResolvers<void>();
    visor("dead").onDial = () => gate.promise;
    const calls = Array.from({ length: 100 }, call);
    await clock.advance(0);
    assert.equal(visor("dead").dials.length, 6);
    assert.equal(node.stats().top_destinations?.[0]?.circuit, "half_open");
    gate.resolve();
    await clock.advance(0);
    assert.equal(calls.filter(({ value }) => value !== undefined).length, 1);
    assert.equal(node.stats().failures_by_reason.circuit_open, 100);
    assert.equal(node.stats().top_destinations?.[0]?.circuit, undefined);
    const after = call();
    await clock.advance(0);
    assert.equal(after.error, undefined);
  }));

Deno.test("RT-6: the caller of a probe hangs up: the next caller is the probe", () =>
  withBreaker(async ({ node, clock, visor }, breaker) => {
    visor("dead").onDial = () => {
      throw new DmsgError(100);
    };
    for (let time = 0; time < 5; time++) {
      outcomeOf(ask(node, routeAlong("alice", "dead")));
      await clock.advance(0);
    }
    await clock.advance(60_000);
    visor("dead").onDial = (_, signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true })
      );
    const caller = new AbortController();
    const probe = outcomeOf(ask(node, routeAlong("alice", "dead"), caller.signal));
    await clock.advance(5_000);
    caller.abort(new Error("gone"));
    await clock.advance(0);
    assert.equal((probe.error as RouteSetupError).reason, "context_canceled");
    assert.equal(breaker.circuitOf(key("dead")), "half_open");
    visor("dead").onDial = () => {};
    const next = outcomeOf(ask(node, routeAlong("alice", "dead")));
    await clock.advance(0);
    assert.equal(next.error, undefined);
    assert.equal(breaker.circuitOf(key("dead")), undefined);
  }));
