/**
 * A clock that is 10 min off, ahead or behind: on a visor, a server, the discovery. It stays so to the end: the
 * fleet must work with it. A discovery refuses the entries of servers whose time is not its own (dmsg.md 8.3), so
 * these are lost to it; the seeds keep them in use.
 *
 * @module
 */
import type { Scenario } from "../scenario.ts";

const SKEW_MS = 10 * 60_000;

export const clockSkew: Scenario = {
  name: "clock-skew",
  summary: "the clock of a visor, a server or the discovery is 10 min off, and stays so",
  servers: 4,
  visors: 12,
  async run(fleet) {
    const node = fleet.pick([fleet.pick(fleet.visors), fleet.pick(fleet.servers), fleet.discovery]);
    const skewMs = fleet.pick([SKEW_MS, -SKEW_MS]);
    const refused = node === fleet.discovery ? fleet.servers : fleet.servers.filter((one) => one === node);
    for (const server of refused) fleet.unlisted.add(server);
    const atStart = fleet.random.chance(50);
    const skew = () => {
      fleet.simulation.setSkew(node.name, skewMs);
      fleet.say(`its clock is 10 min ${skewMs > 0 ? "ahead" : "behind"}`, node.name);
    };
    if (atStart) skew();
    await fleet.settle();
    fleet.startTraffic();
    await fleet.sleep(30_000);
    if (!atStart) skew();
    await fleet.sleep(200_000); // past the life of a server's entry
    const visor = fleet.pick(fleet.visors);
    await visor.stop();
    await visor.start();
  },
};
