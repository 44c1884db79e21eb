/** ServiceClocks: readings of other clocks, and when they mean nothing any more. */
import assert from "node:assert/strict";
import { CLOCK_JUMP_MS, CLOCK_READING_MS, ServiceClocks } from "../../lib/directory/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import { withSimulation } from "../support/world.ts";

function onMachine(test: (clocks: ServiceClocks, world: World, simulation: Simulation) => Promise<void>) {
  return withSimulation(1, async (simulation) => {
    const world = simulation.node("here");
    await simulation.run(() => test(new ServiceClocks(world.clock), world, simulation));
  });
}

Deno.test("a reading is recent for a minute; the newest of one service stays known", () =>
  onMachine(async (clocks, { clock }) => {
    assert.equal(clocks.aheadMs("discovery"), undefined);
    clocks.note("discovery", 300_000);
    await sleep(clock, CLOCK_READING_MS - 1_000);
    clocks.note("resolver", -400);
    assert.deepEqual([...clocks.recent()], [["discovery", 300_000], ["resolver", -400]]);
    await sleep(clock, 1_001);
    assert.deepEqual([...clocks.recent()], [["resolver", -400]]);
    assert.equal(clocks.aheadMs("discovery"), 300_000);
    clocks.note("discovery", 0);
    assert.deepEqual(clocks.recent().get("discovery"), 0);
    assert.equal(clocks.aheadMs("discovery"), 0);
  }));

for (const jumpMs of [CLOCK_JUMP_MS, -CLOCK_JUMP_MS]) {
  Deno.test(`readings of before this machine's clock was set by ${jumpMs} ms are dropped, those behind it count`, () =>
    onMachine(async (clocks, { clock }, simulation) => {
      clocks.note("discovery", 300_000);
      clocks.note("resolver", 300_000);
      simulation.setSkew("here", Math.sign(jumpMs) * (CLOCK_JUMP_MS - 1));
      assert.equal(clocks.recent().size, 2, "a clock that is slowed down or sped up is the same clock");
      simulation.setSkew("here", jumpMs);
      assert.deepEqual([clocks.recent().size, clocks.aheadMs("discovery")], [0, undefined]);
      await sleep(clock, 1_000);
      clocks.note("resolver", 0);
      assert.deepEqual([...clocks.recent()], [["resolver", 0]]);
    }));
}
