/**
 * Both servers of a thousand clients are killed at once and come back a moment later: all clients dial again, and
 * the servers must take them in without losing one.
 *
 * @module
 */
import type { Scenario } from "../scenario.ts";

export const massReconnect: Scenario = {
  name: "mass-reconnect",
  summary: "all servers restart at once under 1,000 clients",
  servers: 2,
  visors: 1_000,
  visorSessions: 1,
  discoveryOverDmsg: false,
  reachPairsMax: 100,
  async run(fleet) {
    await fleet.discovery.start();
    for (const server of fleet.servers) await server.start();
    await Promise.all(fleet.visors.map((visor) => visor.start()));
    await Promise.all(fleet.visors.map((visor) => visor.client.whenPublished()));
    fleet.say("all clients are published");
    await fleet.sleep(fleet.pick([5_000, 35_000])); // sessions below and above the age of a healthy one
    for (const server of fleet.servers) server.kill("reset");
    await fleet.sleep(fleet.random.integer(100, 5_000));
    for (const server of fleet.servers) await server.start();
  },
};
