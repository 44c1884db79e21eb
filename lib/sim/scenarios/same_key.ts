/**
 * Two hosts run a visor with one key, as after a restored backup. A server keeps the newest session of a key
 * (DS-1), so the two take each other's place: that must neither storm the servers nor hurt anybody else, and
 * when one of the two ends, the other is reachable as if nothing had been.
 *
 * @module
 */
import type { Scenario } from "../scenario.ts";

export const sameKey: Scenario = {
  name: "same-key",
  summary: "a second host runs with a visor's key, until one of the two ends",
  servers: 4,
  visors: 12,
  async run(fleet) {
    await fleet.settle();
    fleet.startTraffic();
    const visor = fleet.pick(fleet.visors);
    const twin = fleet.addVisor("twin", visor.name);
    await twin.start();
    await fleet.sleep(fleet.random.integer(20_000, 150_000));
    const ending = fleet.pick([visor, twin]);
    if (fleet.random.chance(60)) await ending.stop();
    else ending.kill("reset");
  },
};
