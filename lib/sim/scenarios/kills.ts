/**
 * Programs and machines that end without a word. A killed program's machine resets its connections: everybody
 * knows at once. A machine that is gone says nothing: its peers find out by keep-alives and liveness pings (DC-8),
 * and its entry stays until its time to live is over.
 *
 * @module
 */
import type { Fleet } from "../fleet.ts";
import type { Scenario } from "../scenario.ts";

/** Two liveness cycles with their deadlines, and one keep-alive: by then a silent death is noticed. */
const NOTICED_MS = 180_000;

async function killServer(fleet: Fleet, how: "reset" | "silent"): Promise<void> {
  await fleet.settle();
  fleet.startTraffic();
  await fleet.sleep(fleet.random.integer(1_000, 40_000));
  const server = fleet.pick(fleet.servers);
  server.kill(how);
  // A fleet of one server cannot do without it.
  const comesBack = fleet.servers.length === 1 || fleet.random.chance(70);
  if (!comesBack) return await fleet.sleep(how === "silent" ? NOTICED_MS : 10_000);
  await fleet.sleep(fleet.pick([500, 5_000, 60_000, 200_000]));
  await server.start();
}

export const serverKillReset: Scenario = {
  name: "server-kill",
  summary: "a server's process is killed: its connections are reset",
  servers: 4,
  visors: 12,
  run: (fleet) => killServer(fleet, "reset"),
};

export const serverKillSilent: Scenario = {
  name: "server-dies",
  summary: "a server's machine is gone: nobody is told",
  servers: 4,
  visors: 12,
  run: (fleet) => killServer(fleet, "silent"),
};

export const visorDies: Scenario = {
  name: "visor-dies",
  summary: "visors vanish, by kill or power cut; one comes back, one does not",
  servers: 4,
  visors: 12,
  async run(fleet) {
    await fleet.settle();
    fleet.startTraffic();
    const [one, other] = fleet.shuffled(fleet.visors);
    one!.kill(fleet.pick(["reset", "silent"]));
    await fleet.sleep(fleet.random.integer(0, 20_000));
    if (fleet.visors.length > 2) other!.kill(fleet.pick(["reset", "silent"]));
    await fleet.sleep(fleet.pick([500, 10_000, 100_000]));
    await one!.start();
    await fleet.sleep(NOTICED_MS);
  },
};
