/** Fleets of whole visors: whatever outlives its owner gets a bad verdict that says what, and nothing else does. */
import assert from "node:assert/strict";
import { rehearse, type RoutedScenario, type TimelineEvent } from "../../lib/sim/mod.ts";
import { ping, type RoutedFleet } from "../../lib/sim/routed/mod.ts";
import { RULE_KEEP_ALIVE_NS } from "../../lib/routing/mod.ts";

/** Three visors in a row, with a route over the one in between. */
function row(run: (fleet: RoutedFleet) => Promise<void>): RoutedScenario {
  return {
    name: "row",
    summary: "of a test",
    routed: true,
    servers: 1,
    visors: 3,
    async run(fleet) {
      await fleet.settle();
      await fleet.chain(fleet.whole);
      await ping(fleet.whole[0]!, fleet.whole[2]!, { minHops: 2 });
      await run(fleet);
    },
  };
}

async function complaintsOf(run: (fleet: RoutedFleet) => Promise<void>): Promise<string> {
  const verdict = await rehearse(row(run), { seed: 1 });
  assert.equal(verdict.good, verdict.complaints.length === 0);
  return verdict.complaints.join("\n");
}

/** From now on `method` of `object` gives what `lie` makes of its answer. */
function lying<T extends object, K extends keyof T>(object: T, method: K, lie: (truth: T[K]) => T[K]): void {
  Object.defineProperty(object, method, { value: lie((object[method] as () => void).bind(object) as T[K]) });
}

/** `object`, with some members others. */
function like<T extends object>(object: T, others: Readonly<Record<string, unknown>>): T {
  return new Proxy(object, {
    get(target, name) {
      if (typeof name === "string" && name in others) return others[name];
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const DESCRIPTOR = (fleet: RoutedFleet) => ({
  source: { publicKey: fleet.whole[0]!.publicKey, port: 50_000 },
  destination: { publicKey: fleet.whole[2]!.publicKey, port: 3 },
});

Deno.test("a fleet of whole visors that is left alone is good, and tells what it did", async () => {
  const events: TimelineEvent[] = [];
  const scenario = row(async (fleet) => {
    fleet.startTraffic();
    await fleet.sleep(10_000);
  });
  const verdict = await rehearse(scenario, { seed: 1, onEvent: (event) => events.push(event) });
  assert.deepEqual(verdict.complaints, []);
  assert.ok(
    verdict.streams.complete > 0 && verdict.streams.cut === 0 && verdict.reachableAfterMs !== undefined,
  );
  const nodes = new Set(events.map(({ node }) => node));
  for (const name of ["visor-1", "setup-node", "transport-discovery", "server-1", "scenario"]) {
    assert.ok(nodes.has(name), name);
  }
});

Deno.test("a rule that nobody uses and that does not die is a complaint", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    const { router, transports } = fleet.whole[1]!.node;
    const nextTransportId = transports.transports()[0]!.id;
    lying(router, "rules", (truth) => () => [
      ...truth(),
      { kind: "intermediary", keepAliveNs: RULE_KEEP_ALIVE_NS, routeId: 77, nextRouteId: 5, nextTransportId },
    ]);
    await fleet.sleep(5_000);
  });
  assert.match(complaints, /visor-2 holds intermediary rule 77 of a route that has ended/);
});

Deno.test("a rule that nobody uses for a while is a complaint, none when a run had ended or something was held up", async () => {
  for (const before of ["nothing", "a restart", "a cut", "a slow reader"] as const) {
    const complaints = await complaintsOf(async (fleet) => {
      const [one, two] = fleet.whole;
      if (before === "a restart") {
        one!.kill("reset");
        await one!.start();
        await one!.ready(new AbortController().signal);
      } else if (before === "a cut") {
        fleet.simulation.partition("visor-1", "visor-2");
        await fleet.sleep(2_000);
        fleet.simulation.heal("visor-1", "visor-2");
      } else if (before === "a slow reader") {
        fleet.simulation.slowReader("visor-1", 1_000_000);
        await fleet.sleep(2_000);
        fleet.simulation.slowReader("visor-1", Infinity);
      }
      const { router, transports } = two!.node;
      const nextTransportId = transports.to(fleet.whole[2]!.publicKey)[0]!.id;
      const rule = {
        kind: "intermediary",
        keepAliveNs: RULE_KEEP_ALIVE_NS,
        routeId: 77,
        nextRouteId: 5,
      } as const;
      let isThere = true;
      lying(router, "rules", (truth) => () => isThere ? [...truth(), { ...rule, nextTransportId }] : truth());
      await fleet.sleep(30_000);
      isThere = false;
    });
    const isComplaint = before === "nothing";
    assert.equal(/visor-2 holds intermediary rule 77 of a route/.test(complaints), isComplaint, complaints);
    assert.equal(complaints === "", !isComplaint, `${before}: ${complaints}`);
  }
});

Deno.test("rules of a group that is gone, and of a transport that is gone, are complaints", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    const [one, , three] = fleet.whole;
    const descriptor = DESCRIPTOR(fleet);
    const gone = "00000000-0000-4000-8000-000000000000" as never;
    const head = { keepAliveNs: RULE_KEEP_ALIVE_NS, descriptor };
    lying(
      three!.node.router,
      "rules",
      (truth) => () => [...truth(), { kind: "consume", routeId: 7, ...head }],
    );
    lying(one!.node.router, "rules", (truth) => () => [
      ...truth(),
      { kind: "forward", routeId: 8, nextRouteId: 9, nextTransportId: gone, ...head },
    ]);
    await fleet.sleep(30_000);
  });
  assert.match(complaints, /visor-3 holds consume rule 7 without its group/);
  assert.match(complaints, /visor-1 holds forward rule 8 of a transport that has ended/);
});

Deno.test("a transport that its peer does not have, and one that has ended, are complaints", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    const [one, , three] = fleet.whole;
    const [kept] = one!.node.transports.transports();
    lying(three!.node.transports, "transports", (truth) => () => [
      ...truth(),
      like(kept!, { id: "00000000-0000-4000-8000-000000000001" }),
    ]);
    lying(one!.node.transports, "transports", (truth) => () => [
      ...truth(),
      like(kept!, { isLive: false }),
    ]);
    await fleet.sleep(340_000);
  });
  assert.match(complaints, /visor-3 has a stcpr transport to visor-2, which does not have it/);
  assert.match(complaints, /visor-1 hands out a stcpr transport that has ended/);
});

Deno.test("a record of a transport that is gone is a complaint", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    const { transportDiscovery } = fleet;
    const kept = transportDiscovery.transports().map((record) => ({
      ...record,
      id: record.id.replace(/^.{8}/, "00000000"),
    }));
    lying(transportDiscovery, "transports", (truth) => () => [...truth(), ...kept]);
    await fleet.sleep(660_000);
  });
  assert.match(
    complaints,
    /the transport discovery has transport 00000000.* of visor-. and visor-., which they do not have/,
  );
});

Deno.test("a connection that the setup node keeps to a visor that is gone, or to nobody's use, is a complaint", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    const [, , three] = fleet.whole;
    const { setupNode } = fleet;
    let startMs = fleet.simulation.nowMs;
    lying(setupNode, "pooled", () => () => [
      { visor: three!.publicKey, ageMs: fleet.simulation.nowMs - startMs },
    ]);
    await three!.stop();
    await fleet.sleep(160_000);
    await three!.start();
    startMs = fleet.simulation.nowMs;
  });
  assert.match(
    complaints,
    /the setup node keeps a connection, made at .* s, to a run of visor-3 that has ended/,
  );
  assert.match(complaints, /the setup node keeps 1 connections that nobody uses/);
});

Deno.test("a kept connection to a visor's previous run is a complaint after the same time; one to this run is none", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    const { setupNode, simulation, whole: [, , three] } = fleet;
    const made = [simulation.nowMs];
    lying(
      setupNode,
      "pooled",
      () => () => made.map((atMs) => ({ visor: three!.publicKey, ageMs: simulation.nowMs - atMs })),
    );
    three!.kill("silent");
    await fleet.sleep(80_000); // counts, too
    await three!.start();
    await fleet.sleep(10_000);
    made.push(simulation.nowMs);
    await fleet.sleep(70_000);
    made.length = 0;
  });
  assert.match(
    complaints,
    /the setup node keeps a connection, made at .* s, to a run of visor-3 that has ended/,
  );
  assert.equal(complaints.split("a run of visor-3").length, 2, complaints);
});

Deno.test("a kept connection that goes with a visor's run, or soon after it, is no complaint", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    const { setupNode, simulation, whole: [, , three] } = fleet;
    let madeMs = Infinity;
    lying(setupNode, "connections", () => () => ({ kept: 0, leased: 0, open: 0 }));
    lying(
      setupNode,
      "pooled",
      (truth) => () =>
        madeMs === Infinity ? truth() : [{ visor: three!.publicKey, ageMs: simulation.nowMs - madeMs }],
    );
    for (let run = 0; run < 3; run++) { // one after the other: each is there for less than its time
      madeMs = simulation.nowMs;
      three!.kill("reset");
      await three!.start();
      await fleet.sleep(100_000);
    }
    madeMs = Infinity;
  });
  assert.equal(complaints, "");
});

Deno.test("a connection of the setup node that is in no request's hands, or in nobody's, is a complaint", async () => {
  for (
    const { leased, lasts, says } of [
      { leased: 1, lasts: 60_000, says: /^$/ }, // rules may be deleted for so long
      { leased: 1, lasts: 85_000, says: /^the setup node holds connections for no request$/ },
      {
        leased: 0,
        lasts: 15_000,
        says: /^the setup node has open connections that are neither kept nor used$/,
      },
    ]
  ) {
    const complaints = await complaintsOf(async (fleet) => {
      let isThere = true;
      lying(fleet.setupNode, "connections", (truth) => () => {
        const real = truth();
        return isThere ? { kept: real.kept, leased, open: real.open + 1 } : real;
      });
      await fleet.sleep(lasts);
      isThere = false;
    });
    assert.match(complaints, says);
  }
});

Deno.test("a group that its peer does not have, and one that is in no table, are complaints", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    const [one, , three] = fleet.whole;
    const group = await one!.node.dialer.dial({ publicKey: three!.publicKey, port: 58 }, { minHops: 2 });
    const statuses = one!.node.router.groups();
    group.close();
    await group.closed;
    lying(one!.node.router, "groups", (truth) => () => [...truth(), ...statuses]);
    three!.world.ledger.open("route-group");
    await fleet.sleep(360_000);
  });
  assert.match(complaints, /visor-1 has a group from port \d+ to visor-3:58, which does not have it/);
  assert.match(complaints, /alive at the end: visor-3 route-group 1/);
});

Deno.test("what visors hold besides their tables is a complaint", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    for (const kind of ["route-rule", "route-group", "transport"]) fleet.whole[1]!.world.ledger.open(kind);
    await fleet.sleep(1_000);
  });
  for (const what of ["rules", "groups", "transports"]) {
    assert.match(complaints, new RegExp(`visor-2 holds 1 ${what} that are in no table`));
  }
});

Deno.test("a stream that is silent, and a visor without a route to it, are complaints", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    const [one, , three] = fleet.whole;
    one!.route = { minHops: 2 };
    const { openBulk } = one!;
    one!.openBulk = async (to) => {
      const conn = await openBulk.call(one, to);
      return like(conn, { write: () => new Promise(() => {}) });
    };
    void fleet.traffic.run(one!, three!);
    await fleet.sleep(360_000);
    delete (one as { openBulk?: unknown }).openBulk;
    fleet.simulation.partition("visor-3");
  });
  assert.match(complaints, /stream 1 from visor-1 to visor-3 is silent/);
  assert.match(complaints, /visor-1 has no route to visor-3 in 120 s/);
});

Deno.test("a transport that is still registered when both its visors are closed is a complaint", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    const { transportDiscovery } = fleet;
    const before = transportDiscovery.transports();
    lying(transportDiscovery, "transports", (truth) => () => fleet.wholeUp.length === 0 ? before : truth());
    await fleet.sleep(1_000);
  });
  assert.match(
    complaints,
    /the transport discovery has a transport of visor-. and visor-., which are closed/,
  );
});
