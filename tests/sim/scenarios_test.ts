/**
 * Every scenario, each from one seed, in virtual time. `deno task sim --seeds 1000` runs more; a failure is repeated by
 * `deno task sim --scenario NAME --seed N`.
 */
import assert from "node:assert/strict";
import { planSeeds, rehearse, scenarioNamed, SCENARIOS } from "../../lib/sim/mod.ts";
import { commitOf, renderFailure } from "../../scripts/sim.ts";

const commit = await commitOf(new URL("../..", import.meta.url));
const plan = planSeeds(SCENARIOS.length);

for (const { scenario, seed } of plan) {
  Deno.test(`${scenario.name}: ${scenario.summary} (seed ${seed})`, async () => {
    const verdict = await rehearse(scenario, { seed });
    assert.ok(verdict.good, renderFailure(verdict, commit));
    assert.ok(verdict.streams.complete > 0 && verdict.reachableAfterMs !== undefined);
  });
}

// Courses that each need what others do without: a failed connection that is ended, rules of a way back that was never
// used, a session over UDP that ends in silence, a second route without the hop that failed, time for a second type.
for (
  const [name, seed] of [
    ["partial-set-up", 1],
    ["partial-set-up", 25],
    ["half-open-sudph", 10],
    ["dead-hop-first", 1],
    ["nat-kinds", 6],
  ] as const
) {
  Deno.test(`${name}: a course of its own (seed ${seed})`, async () => {
    const verdict = await rehearse(scenarioNamed(name), { seed });
    assert.ok(verdict.good, renderFailure(verdict, commit));
  });
}

for (const [name, seed] of [["stall", 1], ["stall", 3], ["half-open", 2], ["cut-off", 3]] as const) {
  Deno.test(`small fleets: ${name} with one server and two visors (seed ${seed})`, async () => {
    const verdict = await rehearse(scenarioNamed(name), { seed, servers: 1, visors: 2 });
    assert.ok(verdict.good, renderFailure(verdict, commit));
  });
}

Deno.test("as many seeds as there are scenarios reach every one", () => {
  assert.deepEqual(new Set(plan.map(({ scenario }) => scenario)), new Set(SCENARIOS));
});

Deno.test("the same seed is the same run, also with more turns of the loop; another seed is another", async () => {
  const sizes = { servers: 2, visors: 4 };
  for (
    const name of ["discovery-lies", "strip-pq", "dead-hop-first", "hop-churn", "nat-kinds", "lossy-udp"]
  ) {
    const scenario = scenarioNamed(name);
    const first = await rehearse(scenario, { seed: 3, ...sizes });
    const again = await rehearse(scenario, { seed: 3, ...sizes, extraTurns: 2, onEvent: () => {} });
    assert.deepEqual(again, first);
    const other = await rehearse(scenario, { seed: 4, ...sizes });
    assert.notEqual(other.hash, first.hash);
  }
});

Deno.test("planSeeds() spreads evenly, and lets what is costly come less often", () => {
  const counts = new Map<string, number>();
  const many = planSeeds(1_000, { first: 5 });
  for (const { scenario } of many) counts.set(scenario.name, (counts.get(scenario.name) ?? 0) + 1);
  assert.deepEqual(many.map(({ seed }) => seed), Array.from({ length: 1_000 }, (_, index) => index + 5));
  const { "mass-reconnect": costly, ...others } = Object.fromEntries(counts);
  const numbers = Object.values(others);
  assert.equal(costly, Math.ceil(Math.max(...numbers) / 10), "in one round of ten");
  assert.ok(Math.max(...numbers) - Math.min(...numbers) <= 1);
  const one = scenarioNamed("mass-reconnect");
  assert.deepEqual(planSeeds(3, { scenarios: [one] }).map(({ scenario }) => scenario), [one, one, one]);
  assert.deepEqual(planSeeds(3, { scenarios: [] }), []);
});

Deno.test("scenarioNamed() refuses a name that is none, with where to look", () => {
  assert.throws(() => scenarioNamed("no-such"), { code: "UNKNOWN_SCENARIO", hint: "skyctl sim ls" });
});
