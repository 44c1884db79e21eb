/**
 * Worlds for tests, each with a leak check at the end.
 *
 * ```ts
 * Deno.test("...", () => withSystemWorld(async (world) => { ... }));
 * ```
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Ledger } from "../../lib/base/mod.ts";
import { systemWorld, type World } from "../../lib/runtime/mod.ts";
import { Simulation, type SimulationOptions } from "../../lib/runtime/simulated/mod.ts";

/** How long a real socket may take to be gone after its close: the linger and the wait for the peer's end. */
const SETTLE_MS = 3_000;

/** Fails when anything is alive, and says what and how many: `Alive at the end: socket 2, timer 1`. */
export function assertNothingAlive(ledger: Ledger, where = ""): void {
  const left = Object.entries(ledger.live()).map(([kind, count]) => `${kind} ${count}`).join(", ");
  assert.equal(left, "", `Alive at the end${where}: ${left}`);
}

/**
 * Runs `test` in the real world. At the end nothing may be alive; what was closed just now is waited for. A
 * failure of the test itself is told first.
 */
export async function withSystemWorld(test: (world: World) => Promise<void>): Promise<void> {
  const world = systemWorld();
  await test(world);
  for (let waitedMs = 0; waitedMs < SETTLE_MS && Object.keys(world.ledger.live()).length > 0; waitedMs += 5) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assertNothingAlive(world.ledger);
}

/**
 * Runs `test` on a simulated world. At the end no node that was not halted may hold anything; a failure comes
 * with the seed, the hash and the last events.
 */
export async function withSimulation(
  seed: number | string,
  test: (simulation: Simulation) => Promise<void>,
  options: Omit<SimulationOptions, "seed"> = {},
): Promise<void> {
  const simulation = new Simulation({ seed, ...options });
  try {
    await test(simulation);
  } catch (error) {
    console.error(simulation.report());
    throw error;
  }
  const left = Object.entries(simulation.live()).map(([kind, count]) => `${kind} ${count}`).join(", ");
  assert.equal(left, "", `Alive at the end of seed ${seed}: ${left}`);
}
