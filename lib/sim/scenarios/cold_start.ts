/**
 * A whole fleet is switched on, in any order: discovery, servers and visors each find the others not there yet
 * (DS-3, DD-2, DC-9). And the same with one of them missing at first, whichever: the others must do without it
 * as far as that is possible, and take it in when it comes.
 *
 * @module
 */
import type { Fleet } from "../fleet.ts";
import type { Scenario } from "../scenario.ts";

export const coldStart: Scenario = {
  name: "cold-start",
  summary: "everything starts at once, in any order",
  servers: 4,
  visors: 12,
  async run(fleet: Fleet) {
    fleet.startTraffic();
    await fleet.startAll({ withinMs: fleet.pick([0, 200, 3_000]) });
  },
};

export const coldStartOneMissing: Scenario = {
  name: "cold-start-one-missing",
  summary: "everything starts at once but for one, which comes minutes later",
  servers: 4,
  visors: 12,
  async run(fleet: Fleet) {
    const missing = fleet.pick([fleet.discovery, ...fleet.servers, fleet.pick(fleet.visors)]);
    fleet.say(`${missing.name} is missing`);
    fleet.startTraffic();
    await fleet.startAll({ withinMs: fleet.pick([0, 1_000]), except: [missing] });
    await fleet.sleep(fleet.random.integer(30_000, 200_000));
    await missing.start();
  },
};
