/**
 * A server ends in order and comes back after a moment, or after minutes: its clients go elsewhere at once, its
 * entry is deleted, and it is used again when it is there (DS-6, DC-8).
 *
 * @module
 */
import type { Scenario } from "../scenario.ts";

export const serverRestart: Scenario = {
  name: "server-restart",
  summary: "a server is stopped in order, and started again",
  servers: 4,
  visors: 12,
  async run(fleet) {
    await fleet.settle();
    fleet.startTraffic();
    await fleet.sleep(fleet.random.integer(1_000, 40_000)); // sessions below and above the age of a healthy one
    const server = fleet.pick(fleet.servers);
    await server.stop();
    await fleet.sleep(fleet.pick([0, 500, 5_000, 150_000]));
    await server.start();
    await fleet.sleep(5_000);
  },
};
