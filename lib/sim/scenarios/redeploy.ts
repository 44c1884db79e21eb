/**
 * A new version goes out: every server is stopped in order and started again, one after the other, while streams
 * run. What an operator rehearses before a redeploy.
 *
 * @module
 */
import type { Scenario } from "../scenario.ts";

/** Between a server's return and the next one's stop. */
const PAUSE_MS = 20_000;

export const redeploy: Scenario = {
  name: "redeploy",
  summary: "a rolling restart of all servers, streams running",
  servers: 4,
  visors: 12,
  async run(fleet) {
    await fleet.settle();
    fleet.startTraffic();
    await fleet.sleep(10_000);
    for (const server of fleet.servers) {
      await server.stop();
      await fleet.sleep(fleet.random.integer(500, 8_000));
      await server.start();
      await fleet.sleep(PAUSE_MS);
    }
  },
};
