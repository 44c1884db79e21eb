/**
 * The discovery is the one thing that all depend on: it goes away, comes back without its store or with an old
 * one, or lies. Sessions and seeds must carry the fleet meanwhile (DC-9), and after its return every visor says
 * itself again by itself.
 *
 * @module
 */
import type { Fleet } from "../fleet.ts";
import { LIES } from "../lies.ts";
import type { Scenario } from "../scenario.ts";

const SIZE = { servers: 4, visors: 12 } as const;

export const discoveryDown: Scenario = {
  name: "discovery-down",
  summary: "the discovery is gone for minutes, and back with an empty store",
  ...SIZE,
  async run(fleet) {
    await fleet.settle();
    fleet.startTraffic();
    await endDiscovery(fleet);
    await fleet.sleep(fleet.random.integer(10_000, 300_000));
    const [visor] = fleet.shuffled(fleet.visors);
    if (fleet.random.chance(50)) { // one that nobody can find until the discovery is back
      await visor!.stop();
      await visor!.start();
    }
    await fleet.sleep(fleet.random.integer(0, 60_000));
    await fleet.discovery.start();
  },
};

export const discoveryEmpty: Scenario = {
  name: "discovery-empty",
  summary: "the discovery restarts at once, and has lost every entry",
  ...SIZE,
  async run(fleet) {
    await fleet.settle();
    fleet.startTraffic();
    for (let round = fleet.random.integer(1, 3); round > 0; round--) {
      await fleet.sleep(fleet.random.integer(5_000, 90_000));
      await endDiscovery(fleet);
      await fleet.discovery.start();
    }
  },
};

export const discoveryStale: Scenario = {
  name: "discovery-stale",
  summary: "the discovery comes back with a backup that names servers that were left since",
  ...SIZE,
  async run(fleet) {
    await fleet.settle();
    const backup = await fleet.discovery.backup();
    fleet.say(`a backup of ${backup.length} entries is made`);
    fleet.startTraffic();
    for (const server of fleet.shuffled(fleet.servers).slice(0, Math.ceil(fleet.servers.length / 2))) {
      await server.stop(); // whoever was there goes elsewhere, and says so
      await fleet.sleep(20_000);
      await server.start();
    }
    await fleet.sleep(40_000);
    await endDiscovery(fleet);
    await fleet.sleep(fleet.random.integer(0, 20_000));
    await fleet.discovery.start();
    await fleet.discovery.restore(backup);
    fleet.say("the backup is restored");
  },
};

export const discoveryLies: Scenario = {
  name: "discovery-lies",
  summary: "another answers in the discovery's place: others' entries, garbage, forgeries",
  ...SIZE,
  async run(fleet) {
    await fleet.settle();
    fleet.startTraffic();
    const { name, answer } = fleet.pick(LIES);
    await endDiscovery(fleet);
    fleet.say(`the discovery lies from now on: ${name}`);
    fleet.discovery.lieWith(answer(fleet));
    await fleet.discovery.start();
    await fleet.sleep(fleet.random.integer(30_000, 200_000));
    const visor = fleet.pick(fleet.visors);
    await visor.stop(); // whoever joins now hears nothing but lies
    await visor.start();
    await fleet.sleep(30_000);
    await endDiscovery(fleet);
    fleet.discovery.lieWith(undefined);
    await fleet.discovery.start();
    fleet.say("the discovery tells the truth again");
  },
};

async function endDiscovery(fleet: Fleet): Promise<void> {
  const how = fleet.pick(["stop", "reset", "silent"] as const);
  if (how === "stop") await fleet.discovery.stop();
  else fleet.discovery.kill(how);
}
