/** rehearse(): a fleet in which something is wrong gets a bad verdict that says what. */
import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { clientEntry, signEntry } from "../../lib/dmsg/mod.ts";
import { type Fleet, rehearse, type Scenario, type TimelineEvent } from "../../lib/sim/mod.ts";
import { LIES } from "../../lib/sim/lies.ts";

function small(run: (fleet: Fleet) => Promise<void>): Scenario {
  return { name: "small", summary: "of a test", servers: 1, visors: 2, run };
}

async function complaintsOf(run: (fleet: Fleet) => Promise<void>): Promise<string> {
  const verdict = await rehearse(small(run), { seed: 1 });
  assert.equal(verdict.good, verdict.complaints.length === 0);
  return verdict.complaints.join("\n");
}

Deno.test("rehearse() finds nothing wrong with a fleet that is left alone", async () => {
  const events: TimelineEvent[] = [];
  const verdict = await rehearse(small((fleet) => fleet.settle()), {
    seed: 1,
    visors: 3,
    onEvent: (event) => events.push(event),
  });
  assert.deepEqual(verdict.complaints, []);
  assert.deepEqual([verdict.good, verdict.servers, verdict.visors], [true, 1, 3]);
  assert.equal(verdict.streams.cut, 0);
  assert.ok(verdict.streams.complete > 0 && verdict.reachableAfterMs !== undefined);
  const started = events.filter(({ event }) => event === "started").map(({ node }) => node).sort();
  assert.deepEqual(started, ["discovery", "server-1", "visor-1", "visor-2", "visor-3"]);
  assert.ok(
    events.some(({ event }) => event.startsWith("Session established (server=server-1")),
    "names for keys",
  );
});

Deno.test("rehearse() complains of peers that do not reach each other in 60 s", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    await fleet.settle();
    fleet.simulation.partition("visor-1");
  });
  assert.match(complaints, /visor-1 does not reach visor-2 in 60 s/);
  assert.match(complaints, /visor-2 does not reach visor-1 in 60 s/);
});

Deno.test("rehearse() complains of an entry of what is closed", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    await fleet.settle();
    const { publicKey, keys } = fleet.visors[0]!;
    // Comes back once its owner has deleted it, as a late post would.
    const zombie = signEntry(
      { ...clientEntry({ publicKey, delegatedServers: [], timestamp: 2n ** 62n }), sequence: 99n },
      keys.secretKey,
    );
    const { stop } = fleet.visors[0]!;
    fleet.visors[0]!.stop = async () => {
      await stop.call(fleet.visors[0]!);
      await fleet.discovery.restore([zombie]);
    };
  });
  assert.equal(complaints, "the discovery has an entry of visor-1, which is closed");
});

Deno.test("rehearse() complains of what is alive at the end", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    await fleet.settle();
    fleet.visors[1]!.world.ledger.open("timer");
  });
  assert.equal(complaints, "alive at the end: visor-2 timer 1");
});

Deno.test("rehearse() complains of sessions that only one end knows, and of those that nobody knows", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    await fleet.settle();
    fleet.servers[0]!.sessions = () => [];
    fleet.visors[0]!.world.ledger.open("yamux-session");
  });
  assert.match(complaints, /visor-1 has a session with server-1, which knows nothing of it/);
  assert.match(complaints, /server-1 holds 5 sessions, 1 in its table/);
  assert.match(complaints, /visor-1 holds 2 sessions, 1 in its table/);
});

Deno.test("rehearse() complains of two sessions with one key, and of too many", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    await fleet.settle();
    const { client } = fleet.visors[0]!;
    const [session] = client.sessions();
    client.sessions = () => [session!, { ...session!, streams: 100_000 }];
    await fleet.sleep(5_000);
    delete (client as { sessions?: unknown }).sessions;
  });
  assert.match(complaints, /visor-1 has two sessions with one key/);
  assert.match(complaints, /visor-1 has 2 sessions, more than 1/);
  assert.match(complaints, /visor-1 has 100000 streams in its session/);
});

Deno.test("rehearse() complains of a scenario that throws or does not end", async () => {
  assert.match(
    await complaintsOf(() => Promise.reject(new TypeError("a stall ended sessions"))),
    /the rehearsal broke off: .*a stall ended sessions/,
  );
  assert.match(await complaintsOf(() => new Promise(() => {})), /the rehearsal broke off: .*did not end/);
});

Deno.test("a fleet says who is what: a node that runs is not started again, one that is down not stopped", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    const [visor] = fleet.visors;
    await assert.rejects(visor!.stop(), /visor-1 does not run/);
    assert.throws(() => visor!.kill("reset"), /visor-1 does not run/);
    assert.throws(() => visor!.client, /visor-1 was never started/);
    await fleet.settle();
    await assert.rejects(visor!.start(), /visor-1 runs already/);
    visor!.kill("silent");
    assert.equal(visor!.state, "dead");
    await visor!.start();
    assert.deepEqual([visor!.state, visor!.world.ledger.count("listener")], ["up", 0]);
  });
  assert.equal(complaints, "");
});

Deno.test("a fleet in which visors restart, with streams, has nothing in no table and no stream without an end", async () => {
  const verdict = await rehearse({
    ...small(async (fleet) => {
      await fleet.settle();
      fleet.startTraffic();
      fleet.visors[0]!.kill("silent"); // its servers hold the old sessions for a while
      await fleet.visors[0]!.start();
      await fleet.sleep(25_000);
      await fleet.stopTraffic();
    }),
    visors: 3,
  }, { seed: 2 });
  assert.deepEqual(verdict.complaints, []);
});

Deno.test("rehearse() complains of a server that is not listed, unless the scenario says so", async () => {
  for (const isExcused of [false, true]) {
    const complaints = await complaintsOf(async (fleet) => {
      await fleet.settle();
      fleet.simulation.setSkew("server-1", 600_000); // the discovery refuses its entry from now on
      if (isExcused) fleet.unlisted.add(fleet.servers[0]!);
      await fleet.sleep(200_000);
    });
    assert.equal(complaints, isExcused ? "" : "the discovery does not list server-1, which runs");
  }
});

Deno.test("what visors remember is within its limits while the discovery is away and while it lies", async () => {
  const keys = Array.from(
    { length: 4_200 },
    (_, index) => keyPairFromSeed(new TextEncoder().encode(`nobody/${index}`)).publicKey,
  );
  const away = await rehearse({
    ...small(async (fleet) => {
      await fleet.settle();
      fleet.simulation.partition("discovery");
      await fleet.servers[0]!.stop(); // the entry must change, and cannot be posted
      await fleet.sleep(15 * 60_000);
      await fleet.servers[0]!.start();
      fleet.simulation.heal("discovery");
    }),
    servers: 2,
  }, { seed: 3 });
  assert.deepEqual(away.complaints, []);
  const lied = await complaintsOf(async (fleet) => {
    await fleet.settle();
    fleet.discovery.kill("reset");
    fleet.discovery.lieWith(LIES.find(({ name }) => name.startsWith("forged"))!.answer(fleet));
    await fleet.discovery.start();
    const { client } = fleet.visors[0]!;
    for (let at = 0; at < keys.length; at += 100) {
      const some = keys.slice(at, at + 100);
      await Promise.allSettled(some.map((publicKey) => client.dial({ publicKey, port: 1 })));
    }
    await fleet.sleep(3_000);
    fleet.discovery.kill("reset");
    fleet.discovery.lieWith(undefined);
    await fleet.discovery.start();
  });
  assert.equal(lied, "");
});

Deno.test("two hosts with one key take turns, and a server holds no session of the one that lost its turn", async () => {
  const complaints = await complaintsOf(async (fleet) => {
    await fleet.settle();
    const twin = fleet.addVisor("twin", "visor-1");
    await twin.start();
    await fleet.sleep(30_000);
    await twin.stop();
  });
  assert.equal(complaints, "");
});
