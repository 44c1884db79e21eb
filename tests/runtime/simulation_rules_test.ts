import assert from "node:assert/strict";
import { sleep } from "../../lib/runtime/mod.ts";
import { Simulation, SimulationError, VIRTUAL_START_MS } from "../../lib/runtime/simulated/mod.ts";
import { withSimulation } from "../support/world.ts";

const real = { setTimeout, Date, fetch, digest: crypto.subtle.digest, connect: Deno.connect };

function hasCode(code: string) {
  return (error: unknown) => error instanceof SimulationError && error.code === code;
}

/** Everything that a run takes away is back. */
function assertRestored(): void {
  assert.equal(globalThis.setTimeout, real.setTimeout);
  assert.equal(globalThis.Date, real.Date);
  assert.equal(globalThis.fetch, real.fetch);
  assert.equal(crypto.subtle.digest, real.digest);
  assert.equal(Deno.connect, real.connect);
  assert.ok(Date.now() > VIRTUAL_START_MS);
  assert.ok(performance.now() > 0 && Math.random() < 1);
}

const FORBIDDEN: Record<string, () => unknown> = {
  "setTimeout": () => setTimeout(() => {}, 1),
  "setInterval": () => setInterval(() => {}, 1),
  "setImmediate": () => setImmediate(() => {}),
  "fetch": () => fetch("http://127.0.0.1:1/"),
  "Date.now": () => Date.now(),
  "new Date()": () => new Date(),
  "performance.now": () => performance.now(),
  "Math.random": () => Math.random(),
  "AbortSignal.timeout": () => AbortSignal.timeout(1),
  "crypto.getRandomValues": () => crypto.getRandomValues(new Uint8Array(1)),
  "crypto.randomUUID": () => crypto.randomUUID(),
  "crypto.subtle.digest": () => crypto.subtle.digest("SHA-256", new Uint8Array(1)),
  "Deno.connect": () => Deno.connect({ port: 1 }),
  "Deno.listen": () => Deno.listen({ port: 0 }),
  "Deno.readFile": () => Deno.readFile("/"),
};

for (const [name, use] of Object.entries(FORBIDDEN)) {
  Deno.test(`a planted ${name} fails the run, also when its error is swallowed`, async () => {
    const simulation = new Simulation({ seed: 1 });
    const run = simulation.run(async () => {
      try {
        await use();
      } catch { /* as careless code does */ }
      await Promise.resolve();
    });
    await assert.rejects(run, (error: unknown) => {
      assert.ok(error instanceof SimulationError);
      assert.equal(error.code, "FORBIDDEN");
      return error.message.startsWith(`${name} was used`);
    });
    assertRestored();
  });
}

Deno.test("a planted promise that nobody reported fails the run as STALLED", async () => {
  let wake = () => {};
  const simulation = new Simulation({ seed: 1 });
  const node = simulation.node("alice");
  const planted = new Promise<void>((resolve) => wake = resolve); // settled by something real, later
  const run = simulation.run(async () => {
    await sleep(node.clock, 1_000);
    await planted;
  });
  await assert.rejects(run, hasCode("STALLED"));
  assert.equal(simulation.nowMs, 1_000);
  wake();
  assertRestored();
});

Deno.test("a planted bare timer of before the run stalls it too", async () => {
  const simulation = new Simulation({ seed: 1 });
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, 200);
  await assert.rejects(simulation.run(() => promise), hasCode("STALLED"));
  clearTimeout(timer);
});

Deno.test("a Date of a given time, its parsing and instanceof stay", async () => {
  await withSimulation(1, (simulation) =>
    simulation.run(async () => {
      const date = new Date(VIRTUAL_START_MS);
      assert.equal(date.toISOString(), "2026-01-01T00:00:00.000Z");
      assert.equal(Date.parse("2026-01-01T00:00:00Z"), VIRTUAL_START_MS);
      assert.ok(date instanceof Date && new real.Date(0) instanceof Date);
    }));
});

Deno.test("a failure of the scenario, and one of a timer, reject the run and put everything back", async () => {
  const planted = new RangeError("planted");
  const simulation = new Simulation({ seed: 1 });
  const { clock } = simulation.node("alice");
  const throws = () => {
    throw planted;
  };
  await assert.rejects(simulation.run(async () => throws()), planted);
  assertRestored();
  await assert.rejects(
    simulation.run(async () => {
      clock.timer(5, throws);
      await sleep(clock, 10);
    }),
    planted,
  );
  assertRestored();
});

Deno.test("a scenario that takes longer than its virtual time is OUT_OF_TIME, at no real cost", async () => {
  const simulation = new Simulation({ seed: 1 });
  const { clock } = simulation.node("alice");
  const run = simulation.run(() => sleep(clock, 10 * 24 * 3_600_000), { untilMs: 24 * 3_600_000 });
  await assert.rejects(run, hasCode("OUT_OF_TIME"));
});

Deno.test("one simulation runs at a time", async () => {
  const simulation = new Simulation({ seed: 1 });
  const { clock } = simulation.node("alice");
  const first = simulation.run(() => sleep(clock, 1));
  await assert.rejects(new Simulation({ seed: 2 }).run(async () => {}), /running already/);
  await first;
  assertRestored();
});

Deno.test("outside(): results come in call order, one per step, while virtual time stands", async () => {
  await withSimulation(1, async (simulation) => {
    const node = simulation.node("alice");
    const order: string[] = [];
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    real.setTimeout(() => {
      gates[1].resolve(); // the later work is back first
      real.setTimeout(() => gates[0].resolve(), 5);
    }, 5);
    await simulation.run(async () => {
      node.clock.timer(0, () => order.push(`timer at ${simulation.nowMs}`));
      await Promise.all([
        node.outside(() => gates[0].promise).then(() => order.push(`first at ${simulation.nowMs}`)),
        node.outside(() => gates[1].promise).then(() => order.push(`second at ${simulation.nowMs}`)),
      ]);
      await sleep(node.clock, 1);
    });
    assert.deepEqual(order, ["first at 0", "second at 0", "timer at 0"]);
  });
});

Deno.test("outside(): WebCrypto and files work in it, and its failure is the caller's", async () => {
  await withSimulation(1, async (simulation) => {
    const node = simulation.node("alice");
    await simulation.run(async () => {
      const digest = await node.outside(() => crypto.subtle.digest("SHA-256", new Uint8Array(0)));
      assert.equal(digest.byteLength, 32);
      const text = await node.outside(() => Deno.readTextFile(new URL(import.meta.url)));
      assert.match(text, /WebCrypto and files/);
      const planted = new RangeError("planted");
      await assert.rejects(node.outside(() => Promise.reject(planted)), planted);
      await assert.rejects(
        node.outside(() => {
          throw planted;
        }),
        planted,
      );
    });
  });
});

Deno.test("nodes have clocks, skews, random numbers and files of their own", async () => {
  await withSimulation(7, async (simulation) => {
    const alice = simulation.node("alice", { skewMs: 60_000 });
    const bob = simulation.node("bob");
    await simulation.run(async () => {
      await sleep(alice.clock, 1_000);
      assert.equal(alice.clock.wallMs(), VIRTUAL_START_MS + 61_000);
      assert.equal(bob.clock.wallMs(), VIRTUAL_START_MS + 1_000);
      assert.equal(bob.clock.monotonicMs(), 1_000);
      simulation.setSkew("bob", -5_000);
      assert.equal(bob.clock.wallMs(), VIRTUAL_START_MS - 4_000);
      assert.notDeepEqual(alice.random.bytes(16), bob.random.bytes(16));
      await alice.files.write("/key", Uint8Array.of(1), { mode: 0o600 });
      assert.equal(await bob.files.info("/key"), undefined);
    });
  });
  const drawn = [7, 7, 8].map((seed) => new Simulation({ seed }).node("alice").random.bytes(8).toHex());
  assert.equal(drawn[0], drawn[1]);
  assert.notEqual(drawn[0], drawn[2]);
});

Deno.test("halt(): none of the node's code runs again; the same name starts again on the same disk", async () => {
  await withSimulation(1, async (simulation) => {
    const first = simulation.node("alice", { skewMs: 5 });
    await simulation.run(async () => {
      const bob = simulation.node("bob");
      await first.files.write("/state", Uint8Array.of(9));
      first.clock.timer(10, () => assert.fail("a dead node's timer fired"));
      assert.throws(() => simulation.node("alice"), TypeError);
      simulation.halt("alice");
      await sleep(bob.clock, 100);
      const second = simulation.node("alice");
      assert.deepEqual(await second.files.read("/state"), Uint8Array.of(9));
      assert.equal(second.clock.wallMs(), VIRTUAL_START_MS + 105);
      assert.deepEqual(second.ledger.live(), {});
      assert.throws(() => simulation.halt("nobody"), { code: "BAD_ADDRESS" });
    });
  });
});

Deno.test("halt(): what comes back from outside is not handed to a dead node", async () => {
  await withSimulation(1, async (simulation) => {
    const node = simulation.node("alice");
    await simulation.run(async () => {
      const bob = simulation.node("bob");
      const gate = Promise.withResolvers<void>();
      void node.outside(() => gate.promise).then(() => assert.fail("a dead node went on"));
      simulation.halt("alice");
      gate.resolve();
      await sleep(bob.clock, 100);
    });
  });
});

Deno.test("interrupt() calls the node's handlers until they are taken back", async () => {
  await withSimulation(1, async (simulation) => {
    const { signals, clock } = simulation.node("alice");
    await simulation.run(async () => {
      let count = 0;
      const undo = signals.onInterrupt(() => count++);
      simulation.interrupt("alice");
      await sleep(clock, 1);
      undo();
      simulation.interrupt("alice");
      await sleep(clock, 1);
      assert.equal(count, 1);
    });
  });
});

Deno.test("a leak is told by node, kind and count", async () => {
  const leaky = withSimulation("leak", async (simulation) => {
    const alice = simulation.node("alice");
    await simulation.run(async () => {
      alice.clock.timer(10 ** 9, () => {});
      alice.clock.timer(10 ** 9, () => {});
      await alice.network.listen({ hostname: "0.0.0.0", port: 1 });
    });
  });
  await assert.rejects(leaky, /Alive at the end of seed leak: alice listener 1, alice timer 2/);
});

Deno.test("a timer for what is left of a time gets there, however little is left", async () => {
  await withSimulation(1, async (simulation) => {
    const { clock } = simulation.node("a");
    await simulation.run(async () => {
      const limitMs = 1000.1;
      for (let round = 0; round < 200; round++) {
        await sleep(clock, 1000 / 3 + round * 0.7311);
        const sinceMs = clock.monotonicMs();
        let timers = 0;
        // Both differences are rounded: what is left can be less than the clock's time can tell.
        const leftMs = () => limitMs - (clock.monotonicMs() - sinceMs);
        for (let ms = leftMs(); ms > 0; ms = leftMs()) {
          assert.ok(++timers < 10, `${ms} ms left at ${clock.monotonicMs()}`);
          await sleep(clock, ms);
        }
      }
    });
  });
});

Deno.test("a loop of waits of no length is a LIVELOCK, not a run without end", async () => {
  const simulation = new Simulation({ seed: 1 });
  const { clock } = simulation.node("a");
  let ended = false;
  const running = simulation.run(async () => {
    while (!ended) await sleep(clock, 0);
  });
  await assert.rejects(running, (error: SimulationError) => {
    assert.deepEqual(error.code, "LIVELOCK");
    assert.match(error.message, /a timer 0$/);
    return true;
  });
  ended = true;
});
