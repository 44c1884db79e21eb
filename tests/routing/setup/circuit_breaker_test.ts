/** The breaker of a setup node, alone and in one (RT-6). */
import assert from "node:assert/strict";
import { Ledger } from "../../../lib/base/mod.ts";
import type { PublicKey } from "../../../lib/crypto/mod.ts";
import {
  CircuitBreaker,
  CIRCUITS_MAX,
  CIRCUITS_OF_CALLER_MAX,
  type CircuitSettings,
  type DialResult,
  RouteSetupError,
  type SetupNodeOptions,
} from "../../../lib/routing/setup/mod.ts";
import { sleep } from "../../../lib/runtime/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { DmsgError } from "../../../lib/dmsg/mod.ts";
import { ask, type FakeVisor, key, NodeRig, outcomeOf, routeAlong } from "./_fake_visors.ts";
import { assertNothingAlive } from "../../support/world.ts";

const DEAD = key("dead");
const OTHER = key("other");
const SOURCE = key("source");
const MALLORY = key("mallory");
const SECOND = 1_000;

function rig(settings?: CircuitSettings) {
  const clock = new VirtualClock({ ledger: new Ledger() });
  const breaker = new CircuitBreaker({ clock }, settings);
  const ask = (source: PublicKey, destination: PublicKey, ...relays: PublicKey[]) =>
    breaker.admit({ source, destination, relays });
  /** A route to a visor; what is given back takes the result of a visor's dial, by default of that one's. */
  const admit = (destination: PublicKey = DEAD, ...relays: PublicKey[]) => {
    const ended = ask(SOURCE, destination, ...relays);
    return (result: DialResult, visor = destination) => ended(visor, result);
  };
  const fail = (times: number, visor: PublicKey = DEAD, source: PublicKey = SOURCE) => {
    for (let time = 0; time < times; time++) ask(source, visor)(visor, "failed");
  };
  return { clock, breaker, ask, admit, fail, state: () => breaker.circuitOf(DEAD) };
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
  admit()("reached");
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
  const late = admit(); // begun while it was closed
  fail(5);
  late("abandoned");
  assert.equal(state(), "open");
  await clock.advance(60 * SECOND);
  const probe = admit();
  for (let caller = 0; caller < 99; caller++) assert.throws(() => admit(), PROBED);
  const early = admit.bind(undefined, OTHER)();
  early("failed", DEAD); // who is not its probe says nothing by a failure
  assert.equal(state(), "half_open");
  assert.throws(() => admit(), PROBED);
  probe("failed");
  assert.equal(state(), "open");
  await clock.advance(60 * SECOND - 1);
  assert.throws(() => admit(), OPEN);
  await clock.advance(1);
  admit()("reached");
  assert.equal(state(), undefined);
  admit();
  admit();
});

Deno.test("RT-6: a probe that is abandoned gives its place to the next, and nothing else of its route does", async () => {
  const { clock, admit, fail, state } = rig();
  fail(5);
  await clock.advance(60 * SECOND);
  for (let time = 0; time < 3; time++) {
    const probe = admit(DEAD, OTHER);
    for (const result of ["failed", "reached", "abandoned"] as const) {
      probe(result, OTHER);
      probe(result, SOURCE);
      assert.throws(() => admit(), PROBED);
    }
    probe("abandoned");
    assert.equal(state(), "half_open");
  }
  admit()("reached");
  assert.equal(state(), undefined);
});

Deno.test("RT-6: the visor that was not dialled is blamed, never the source nor the destination behind it", () => {
  const { breaker, admit } = rig();
  for (let time = 0; time < 20; time++) admit(DEAD, OTHER)("failed", SOURCE);
  assert.equal(breaker.size, 0);
  for (let time = 0; time < 5; time++) admit(DEAD, OTHER)("failed", OTHER);
  assert.deepEqual([breaker.circuitOf(DEAD), breaker.circuitOf(OTHER)], [undefined, "open"]);
  admit(DEAD);
  assert.throws(() => admit(DEAD, OTHER), {
    message: `route setup: intermediate circuit breaker open: circuit open: ${OTHER} unreachable`,
  });
  for (let time = 0; time < 20; time++) admit()("abandoned");
  assert.equal(breaker.circuitOf(DEAD), undefined);
});

Deno.test("RT-6: each visor of one route has its own result", async () => {
  const { clock, breaker, admit, state } = rig();
  const both = () => [state(), breaker.circuitOf(OTHER)];
  for (let time = 0; time < 5; time++) {
    const ended = admit(DEAD, OTHER);
    ended("failed", OTHER);
    ended("failed", DEAD);
  }
  assert.deepEqual(both(), ["open", "open"], "the failure of a second hop counts");
  await clock.advance(60 * SECOND);
  const probe = admit(DEAD, OTHER);
  probe("failed", OTHER);
  assert.deepEqual(both(), ["half_open", "open"]);
  probe("reached", DEAD);
  assert.deepEqual(both(), [undefined, "open"], "and so does a success behind a failure");
});

Deno.test("RT-6: a route that one circuit refuses takes the probe of no other", async () => {
  const { clock, admit, fail, state } = rig();
  fail(5);
  await clock.advance(60 * SECOND);
  fail(5, OTHER);
  assert.throws(() => admit(DEAD, OTHER), { visor: OTHER });
  assert.equal(state(), "half_open");
  const probe = admit();
  probe("reached");
});

Deno.test("RT-6: 10 min after the first opening it is closed whatever the probes said", async () => {
  const { clock, admit, fail, state } = rig();
  fail(5);
  for (let minute = 1; minute < 10; minute++) {
    await clock.advance(60 * SECOND);
    admit()("failed");
    assert.equal(state(), "open");
  }
  await clock.advance(60 * SECOND - 1);
  assert.equal(state(), "open");
  await clock.advance(1);
  assert.equal(state(), undefined);
  const [one, two] = [admit(), admit()];
  one("reached");
  two("failed");
  assert.equal(state(), "closed", "one failure of five");
});

Deno.test("RT-6: a success of whoever began before the opening closes, half-open or not; a failure says nothing", async () => {
  const { clock, admit, fail, state } = rig();
  const [early, late, latest] = [admit(), admit(), admit()];
  fail(5);
  late("failed");
  assert.throws(() => admit(), OPEN);
  early("reached");
  assert.equal(state(), undefined, "it was reached just now");
  fail(5);
  await clock.advance(60 * SECOND);
  const probe = admit();
  latest("reached");
  assert.equal(state(), undefined);
  probe("failed");
  assert.equal(state(), "closed", "one failure of five");
});

const invented = (index: number) => `invented ${index}` as PublicKey;
const caller = (index: number) => `caller ${index}` as PublicKey;

Deno.test("RT-6: 64 visors of one caller's routes are remembered: who has more loses its own, closed ones first", () => {
  const { breaker, fail, state } = rig();
  fail(4, OTHER);
  fail(5, DEAD, MALLORY);
  for (let index = 0; index < 2 * CIRCUITS_MAX; index++) fail(1, invented(index), MALLORY);
  assert.deepEqual([breaker.size, state()], [CIRCUITS_OF_CALLER_MAX + 1, "open"]);
  for (let index = 0; index < 2 * CIRCUITS_MAX; index++) fail(5, invented(index), MALLORY);
  assert.deepEqual([breaker.size, state()], [CIRCUITS_OF_CALLER_MAX + 1, undefined], "its oldest goes");
  assert.equal(breaker.circuitOf(invented(2 * CIRCUITS_MAX - 1)), "open", "the newest stays");
  assert.equal(breaker.circuitOf(invented(2 * CIRCUITS_MAX - CIRCUITS_OF_CALLER_MAX - 1)), undefined);
  fail(1, OTHER);
  assert.equal(breaker.circuitOf(OTHER), "open");
});

Deno.test("RT-6: at most 512 visors: callers with one invention each push out no open circuit, nor the fifth failure", () => {
  const { breaker, fail, state } = rig();
  fail(5);
  fail(4, OTHER);
  for (let index = 0; index < 2 * CIRCUITS_MAX; index++) fail(1, invented(index), caller(index));
  assert.deepEqual([breaker.size, state()], [CIRCUITS_MAX, "open"]);
  assert.equal(breaker.circuitOf(invented(2 * CIRCUITS_MAX - 1)), "closed", "the newest stays");
  assert.equal(breaker.circuitOf(invented(CIRCUITS_MAX)), undefined, "the oldest of the weakest went");
  fail(1, OTHER);
  assert.equal(breaker.circuitOf(OTHER), "open");
});

Deno.test("RT-6: 512 open circuits stay until they close; until then no further visor is remembered", async () => {
  const { clock, breaker, admit, fail, state } = rig();
  for (let index = 0; index < CIRCUITS_MAX; index++) fail(5, invented(index), caller(index));
  const states = () => Array.from({ length: CIRCUITS_MAX }, (_, index) => breaker.circuitOf(invented(index)));
  fail(20);
  assert.deepEqual([breaker.size, state()], [CIRCUITS_MAX, undefined]);
  assert(states().every((each) => each === "open"));
  admit(DEAD); // costs its time, and is not refused
  await clock.advance(60 * SECOND);
  admit(invented(7))("reached");
  fail(5);
  assert.equal(state(), "open", "there is room again");
  await clock.advance(540 * SECOND);
  fail(5, OTHER);
  assert.deepEqual([breaker.circuitOf(OTHER), state()], ["open", "half_open"]);
  assert.equal(breaker.size, 2, "what does not count any more takes no place");
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
  admit()("failed");
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
  const rig = new NodeRig(["alice", "bob", "dead", "gone"], options);
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

/** Visors that stay silent until they are told, and how many wait for each at once. */
function held(visor: FakeVisor) {
  const gates: PromiseWithResolvers<void>[] = [];
  const dials = { open: 0, most: 0 };
  visor.onDial = async (_, signal) => {
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    dials.most = Math.max(dials.most, ++dials.open);
    const onAbort = () => gate.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    await gate.promise.finally(() => dials.open--);
  };
  return { gates, dials };
}

/** Opens the circuit of `dead`, and waits until it is half-open. */
async function toHalfOpen({ node, clock, visor }: NodeRig): Promise<void> {
  const { onDial } = visor("dead");
  visor("dead").onDial = notFound;
  for (let time = 0; time < 5; time++) {
    outcomeOf(ask(node, routeAlong("alice", "dead")));
    await clock.advance(0);
  }
  await clock.advance(60_000);
  visor("dead").onDial = onDial;
}

const notFound = () => {
  throw new DmsgError(100);
};

Deno.test("RT-6: another hop that fails at once does not end the probe: one dial at a time, of a hundred callers", () =>
  withBreaker(async (rig, breaker) => {
    const { node, clock, visor } = rig;
    const { gates, dials } = held(visor("dead"));
    visor("gone").onDial = notFound;
    await toHalfOpen(rig);
    const reasons: (string | undefined)[] = [];
    for (let caller = 0; caller < 100; caller++) {
      const leaving = new AbortController();
      const call = outcomeOf(ask(node, routeAlong("alice", "gone", "dead"), leaving.signal));
      await clock.advance(5);
      leaving.abort(new Error("gone")); // as everybody does who has the answer
      await clock.advance(5);
      reasons.push((call.error as RouteSetupError).reason);
    }
    assert.deepEqual(reasons, ["intermediate_unreachable", ...Array(99).fill("circuit_open")]);
    assert.deepEqual([dials.most, gates.length, breaker.circuitOf(key("dead"))], [1, 1, "half_open"]);
    gates[0]!.resolve(); // its own dial succeeds, long after its request failed
    await clock.advance(0);
    assert.equal(breaker.circuitOf(key("dead")), undefined);
    assert.equal(breaker.circuitOf(key("gone")), "closed");
  }));

Deno.test("RT-6: the dial of a probe fails behind its request: the circuit opens again, for 60 s from then", () =>
  withBreaker(async (rig, breaker) => {
    const { node, clock, visor } = rig;
    const { gates } = held(visor("dead"));
    visor("gone").onDial = notFound;
    await toHalfOpen(rig);
    outcomeOf(ask(node, routeAlong("alice", "gone", "dead")));
    await clock.advance(3_000);
    gates[0]!.reject(new DmsgError(100));
    await clock.advance(59_999);
    assert.equal(breaker.circuitOf(key("dead")), "open");
    await clock.advance(1);
    assert.equal(breaker.circuitOf(key("dead")), "half_open");
  }));

Deno.test("RT-6: both hops of a route that fail are counted", () =>
  withBreaker(async ({ node, clock, visor }, breaker) => {
    visor("dead").onDial = async () => {
      await new Promise<void>((done) => void clock.timer(1_000, () => done()));
      throw new DmsgError(100);
    };
    visor("gone").onDial = notFound;
    for (let time = 0; time < 5; time++) {
      const leaving = new AbortController();
      outcomeOf(ask(node, routeAlong("alice", "gone", "dead"), leaving.signal));
      await clock.advance(500);
      leaving.abort(new Error("has its answer"));
      await clock.advance(500);
    }
    assert.deepEqual(["gone", "dead"].map((name) => breaker.circuitOf(key(name))), ["open", "open"]);
  }));

Deno.test("RT-6: attempts that fail so slowly that the request ends before them are failures all the same", () =>
  withBreaker(async ({ node, clock, visor }, breaker) => {
    visor("dead").onDial = async (_, signal) => {
      await sleep(clock, 9_500, signal);
      throw new DmsgError(202);
    };
    const reasons: (string | undefined)[] = [];
    for (let time = 0; time < 6; time++) {
      const call = outcomeOf(ask(node, routeAlong("alice", "dead")));
      await clock.advance(30_000);
      reasons.push((call.error as RouteSetupError).reason);
    }
    assert.deepEqual(reasons, [...Array(5).fill("context_deadline"), "circuit_open"]);
    await clock.advance(30_000);
    assert.equal(breaker.circuitOf(key("dead")), "half_open");
    outcomeOf(ask(node, routeAlong("alice", "dead"))); // and of its probe
    await clock.advance(30_000);
    assert.equal(breaker.circuitOf(key("dead")), "open");
  }));

Deno.test("RT-6: the request's own end is a failure of who was not reached by then; the caller's is none", () =>
  withBreaker(async ({ node, clock, visor }, breaker) => {
    outcomeOf(ask(node, routeAlong("alice", "dead")));
    await clock.advance(0); // its connection is kept from here on
    visor("dead").before = async () => {
      await sleep(clock, 9_000);
      visor("dead").conns[0]!.close(new Error("restarted"));
    };
    visor("dead").onDial = (_, signal) => sleep(clock, 1_000_000, signal);
    visor("gone").onDial = (attempt, signal) =>
      attempt < 3 ? Promise.reject(new DmsgError(202)) : sleep(clock, 9_900, signal);
    outcomeOf(ask(node, routeAlong("alice", "gone", "dead"))); // the new dial begins after 21.9 s
    await clock.advance(29_999);
    assert.equal(breaker.circuitOf(key("dead")), undefined);
    await clock.advance(1);
    assert.equal(breaker.circuitOf(key("dead")), "closed");
    breaker.admit({ source: SOURCE, destination: key("dead"), relays: [] })(key("dead"), "reached");
    const leaving = new AbortController();
    outcomeOf(ask(node, routeAlong("alice", "dead"), leaving.signal));
    await clock.advance(9_000);
    leaving.abort(new Error("gone"));
    await clock.advance(0);
    assert.equal(breaker.circuitOf(key("dead")), undefined);
  }));

Deno.test("RT-6: a caller who leaves behind attempts that failed leaves the failure there; behind one, it says nothing", async () => {
  for (const [leavesAfterMs, state] of [[500, "half_open"], [1_500, "open"]] as const) {
    await withBreaker(async (rig, breaker) => {
      const { node, clock, visor } = rig;
      await toHalfOpen(rig);
      visor("dead").onDial = () => {
        throw new DmsgError(202);
      };
      const leaving = new AbortController();
      outcomeOf(ask(node, routeAlong("alice", "dead"), leaving.signal));
      await clock.advance(leavesAfterMs);
      leaving.abort(new Error("gone"));
      await clock.advance(0);
      assert.equal(breaker.circuitOf(key("dead")), state);
    });
  }
});

Deno.test("RT-6: a dial that is repeated is the probe until its last attempt", () =>
  withBreaker(async (rig, breaker) => {
    const { node, clock, visor } = rig;
    await toHalfOpen(rig);
    visor("dead").onDial = () => {
      throw new DmsgError(202);
    };
    outcomeOf(ask(node, routeAlong("alice", "dead")));
    await clock.advance(2_999);
    const refused = outcomeOf(ask(node, routeAlong("alice", "dead")));
    await clock.advance(0);
    assert.match((refused.error as Error).message, /probe in flight/);
    await clock.advance(1);
    assert.equal(breaker.circuitOf(key("dead")), "open");
  }));

Deno.test("RT-6: a kept connection is a success once the visor answered on it; silence on it says nothing", () =>
  withBreaker(async ({ node, clock, visor }, breaker) => {
    const dead = visor("dead");
    const call = async (...route: string[]) => {
      const outcome = outcomeOf(ask(node, routeAlong("alice", ...route)));
      await clock.advance(0);
      return outcome;
    };
    await call("dead"); // its connection is kept from here on
    const failFour = () => {
      for (let time = 0; time < 4; time++) {
        breaker.admit({ source: SOURCE, destination: key("dead"), relays: [] })(key("dead"), "failed");
      }
    };
    failFour();
    visor("gone").onDial = notFound;
    await call("gone", "dead");
    assert.equal(breaker.circuitOf(key("dead")), "closed", "nothing was asked of it");
    dead.before = ({ method }) => {
      if (method === "ReserveIDs") throw new RouteSetupError("failure code 4 (no available routeIDs)");
    };
    await call("dead");
    assert.deepEqual([breaker.circuitOf(key("dead")), dead.dials.length], [undefined, 1], "it refused");
    dead.before = () => {};
    await call("dead");
    failFour();
    dead.before = () => new Promise(() => {});
    await call("dead");
    await clock.advance(10_000);
    assert.equal(breaker.circuitOf(key("dead")), "closed", "nothing was answered");
    assert.equal(dead.dials.length, 2);
  }));

Deno.test("RT-6: the new dial in the place of a kept connection that is shut down is the probe's", () =>
  withBreaker(async ({ node, clock, visor }, breaker) => {
    const dead = visor("dead");
    outcomeOf(ask(node, routeAlong("alice", "dead")));
    await clock.advance(0);
    const [one] = ["dead"].map(key);
    for (let time = 0; time < 5; time++) {
      breaker.admit({ source: SOURCE, destination: one!, relays: [] })(one!, "failed");
    }
    await clock.advance(60_000);
    const { gates } = held(dead);
    dead.before = ({ connection }) => {
      if (connection === 1) dead.conns[0]!.close(new Error("restarted"));
    };
    outcomeOf(ask(node, routeAlong("alice", "dead")));
    await clock.advance(0);
    assert.deepEqual([dead.dials.length, breaker.circuitOf(one!)], [2, "half_open"]);
    assert.match(
      ((await settled(clock, ask(node, routeAlong("alice", "dead")))) as Error).message,
      /probe in flight/,
    );
    gates[0]!.reject(new DmsgError(100));
    await clock.advance(0);
    assert.equal(breaker.circuitOf(one!), "open");
  }));

/** The error of what ends without waiting. */
async function settled(clock: VirtualClock, work: Promise<unknown>): Promise<unknown> {
  const outcome = outcomeOf(work);
  await clock.advance(0);
  return outcome.error;
}

Deno.test("RT-6: a caller who leaves ends the dial, and the probe with it, not before", () =>
  withBreaker(async (rig, breaker) => {
    const { node, clock, visor } = rig;
    await toHalfOpen(rig);
    const over = Promise.withResolvers<void>();
    visor("dead").onDial = () => over.promise; // takes its time to end
    const caller = new AbortController();
    outcomeOf(ask(node, routeAlong("alice", "dead"), caller.signal));
    await clock.advance(100);
    caller.abort(new Error("gone"));
    await clock.advance(100);
    assert.match(
      ((await settled(clock, ask(node, routeAlong("alice", "dead")))) as Error).message,
      /probe in flight/,
    );
    over.reject(caller.signal.reason);
    await clock.advance(0);
    assert.equal(breaker.circuitOf(key("dead")), "half_open");
    visor("dead").onDial = () => {};
    assert.equal(await settled(clock, ask(node, routeAlong("alice", "dead"))), undefined);
    assert.equal(breaker.circuitOf(key("dead")), undefined);
  }));
