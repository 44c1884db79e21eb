/**
 * A discovery that lost its store, asked by visors that know nothing of each other: only the peers' own entries
 * can bring them together, and those come back by themselves within 60 s.
 */
import assert from "node:assert/strict";
import { rehearse, type Scenario, scenarioNamed } from "../../lib/sim/mod.ts";

/** With one session each and many servers, two visors seldom share one: whoever dials needs the other's entry. */
const lostStore: Scenario = {
  name: "lost-store",
  summary: "of a test",
  servers: 6,
  visors: 8,
  visorSessions: 1,
  async run(fleet) {
    await fleet.settle();
    await fleet.sleep(40_000); // what was looked up before is forgotten
    fleet.discovery.kill("reset");
    await fleet.discovery.start();
  },
};

Deno.test("peers reach each other within 60 s of a discovery that lost its store, by their own posts", async () => {
  const verdict = await rehearse(lostStore, { seed: 1 });
  assert.deepEqual(verdict.complaints, []);
  assert.ok(verdict.reachableAfterMs! > 5_000, `too easy: ${verdict.reachableAfterMs} ms`);
});

Deno.test("a discovery that stays away from a server, and sessions of which one end is gone, are complaints", async () => {
  const cut: Scenario = {
    name: "cut-for-good",
    summary: "of a test",
    servers: 2,
    visors: 2,
    async run(fleet) {
      await fleet.settle();
      fleet.simulation.partition(fleet.discovery.name, fleet.servers[0]!.name);
      await fleet.sleep(200_000); // both ends have noticed
    },
  };
  const verdict = await rehearse(cut, { seed: 1 });
  assert.ok(
    verdict.complaints.includes("the discovery has no session with server-1"),
    verdict.complaints.join(),
  );
});

Deno.test("a visor that only serves is reached within 60 s of a cut that lasted 20 min and more", async () => {
  for (const seed of [1, 2, 3, 4]) {
    const verdict = await rehearse(scenarioNamed("cut-off"), { seed, servers: 1, visors: 2 });
    assert.deepEqual(verdict.complaints, [], `seed ${seed}`);
    assert.ok(verdict.reachableAfterMs! < 55_000, `seed ${seed}: no margin: ${verdict.reachableAfterMs} ms`);
  }
});

Deno.test("a visor that was cut off dials nobody before all others have reached it", async () => {
  const dials: string[] = [];
  const cut: Scenario = {
    name: "watched-cut",
    summary: "of a test",
    servers: 1,
    visors: 3,
    async run(fleet) {
      await fleet.settle();
      fleet.startTraffic();
      fleet.noteCut(fleet.visors[1]!);
      fleet.simulation.reset("visor-2", "server-1");
      await fleet.sleep(10);
      for (const { name, client } of fleet.visors) {
        const { dial } = client;
        client.dial = async (to, options) => {
          if (to.port !== 80) dials.push(`${name} begins`); // 80: its own business with the discovery
          const stream = await dial.call(client, to, options);
          if (to.publicKey === fleet.visors[1]!.publicKey) dials.push(`${name} reaches it`);
          return stream;
        };
      }
    },
  };
  const verdict = await rehearse(cut, { seed: 1 });
  assert.deepEqual(verdict.complaints, []);
  const first = dials.indexOf("visor-2 begins");
  assert.ok(first > dials.indexOf("visor-1 reaches it") && first > dials.indexOf("visor-3 reaches it"));
  assert.ok(Math.min(dials.indexOf("visor-1 reaches it"), dials.indexOf("visor-3 reaches it")) >= 0);
});

Deno.test("a cut of 20 min that ends just after a try in vain: the next try and all that others remember fit in 60 s", async () => {
  let failed = 0;
  const late: Scenario = {
    name: "late-heal",
    summary: "of a test",
    servers: 1,
    visors: 2,
    async run(fleet) {
      await fleet.settle();
      fleet.noteCut(fleet.visors[0]!);
      fleet.simulation.partition("visor-1");
      await fleet.sleep(20 * 60_000);
      for (const before = failed; failed === before;) await fleet.sleep(50);
      fleet.simulation.heal("visor-1");
    },
  };
  const verdict = await rehearse(late, {
    seed: 1,
    onEvent: ({ node, event }) => {
      if (node === "visor-1" && event.includes("Cannot reach server")) failed++;
    },
  });
  assert.deepEqual(verdict.complaints, []);
  assert.ok(failed > 20, `${failed} tries`);
});
