/**
 * What networks do: a peer that is half there, a way that swallows what is sent, a reader that does not read,
 * a pause, a link that comes and goes.
 *
 * @module
 */
import type { FleetNode } from "../_fleet_node.ts";
import type { Fleet } from "../fleet.ts";
import type { Scenario } from "../scenario.ts";

const SIZE = { servers: 4, visors: 12 } as const;

const CUT_OFF_MS_MIN = 20 * 60_000;
const CUT_OFF_MS_MAX = 25 * 60_000;

/** How long a fault lasts: below a keep-alive, above a liveness cycle, beyond all patience. */
function duration(fleet: Fleet): number {
  return fleet.pick([8_000, 45_000, 100_000, 240_000]);
}

/** A machine loses power and is back while its peers still hold their ends of the old connections. */
export const halfOpen: Scenario = {
  name: "half-open",
  summary: "visors lose power and start anew while servers hold their old sessions",
  ...SIZE,
  async run(fleet) {
    await fleet.settle();
    fleet.startTraffic();
    for (const visor of fleet.shuffled(fleet.visors).slice(0, 3)) {
      visor.kill("silent");
      await fleet.sleep(fleet.random.integer(0, 3_000));
      await visor.start();
    }
    const [visor, server] = [fleet.pick(fleet.visors), fleet.pick(fleet.servers)];
    fleet.noteCut(visor);
    fleet.simulation.partition(visor.name, server.name);
    fleet.say(`cut off from ${server.name}`, visor.name);
    await fleet.sleep(duration(fleet));
    fleet.simulation.heal(visor.name, server.name);
    fleet.say(`joined with ${server.name} again`, visor.name);
  },
};

export const blackHole: Scenario = {
  name: "black-hole",
  summary: "what one machine sends is lost, what it is sent arrives",
  ...SIZE,
  async run(fleet) {
    await fleet.settle();
    fleet.startTraffic();
    const [visor, server] = [fleet.pick(fleet.visors), fleet.pick(fleet.servers)];
    const [from, to] = fleet.pick(
      [[visor.name, server.name], [server.name, visor.name], [server.name, undefined], [
        visor.name,
        undefined,
      ]] as const,
    );
    fleet.noteCut(visor);
    fleet.simulation.blackHole(from, to);
    fleet.say(`what it sends to ${to ?? "anybody"} is lost`, from);
    await fleet.sleep(duration(fleet));
    fleet.simulation.heal(from, to);
    fleet.say("what it sends arrives again", from);
  },
};

/** So long that every wait between tries has grown to its longest. */
export const cutOff: Scenario = {
  name: "cut-off",
  summary: "visors, or a server, reach nobody for 20 min and more, and nobody reaches them",
  ...SIZE,
  async run(fleet) {
    await fleet.settle();
    const isServer = fleet.random.chance(30);
    const count = isServer ? 1 : fleet.random.integer(1, Math.ceil(fleet.visors.length / 3));
    const cut = fleet.shuffled<FleetNode>(isServer ? fleet.servers : fleet.visors).slice(0, count);
    for (const node of cut) {
      fleet.noteCut(node);
      fleet.simulation.partition(node.name);
      fleet.say("cut off from everybody", node.name);
    }
    await fleet.sleep(fleet.random.integer(CUT_OFF_MS_MIN, CUT_OFF_MS_MAX));
    for (const node of cut) {
      fleet.simulation.heal(node.name);
      fleet.say("joined again", node.name);
    }
  },
};

export const slowReader: Scenario = {
  name: "slow-reader",
  summary: "a machine takes no more than some bytes a second, or none",
  ...SIZE,
  async run(fleet) {
    await fleet.settle();
    fleet.startTraffic(8);
    const slow = fleet.pick([fleet.pick(fleet.visors), fleet.pick(fleet.visors), fleet.pick(fleet.servers)]);
    fleet.noteCut(slow);
    const bytesPerSecond = fleet.pick([0, 300, 5_000, 50_000]);
    fleet.simulation.slowReader(slow.name, bytesPerSecond);
    fleet.say(`reads ${bytesPerSecond} bytes a second`, slow.name);
    await fleet.sleep(duration(fleet));
    fleet.simulation.slowReader(slow.name, Infinity);
    fleet.say("reads all that comes", slow.name);
  },
};

/** Nothing may be lost by it: no session, no stream. */
export const stall: Scenario = {
  name: "stall",
  summary: "a machine hears and says nothing for 5 s; no session may end by it",
  ...SIZE,
  async run(fleet) {
    await fleet.settle();
    await fleet.sleep(5_000);
    fleet.startTraffic();
    const before = sessionsOf(fleet);
    for (const node of fleet.shuffled(fleet.nodes).slice(0, 4)) {
      fleet.simulation.partition(node.name);
      fleet.say("stalls", node.name);
      await fleet.sleep(5_000);
      fleet.simulation.heal(node.name);
      fleet.say("goes on", node.name);
      await fleet.sleep(fleet.random.integer(5_000, 20_000));
    }
    await fleet.stopTraffic();
    const after = sessionsOf(fleet);
    const lost = before.filter((old) => !after.some((now) => isSame(old, now)));
    if (lost.length > 0) {
      const ended = lost.map(({ visor, server }) => `${visor} ${server}`).join(", ");
      throw new TypeError(`stalls of 5 s ended ${lost.length} sessions: ${ended}`);
    }
    // A dial that meets a stall may fail, and its pair is left out for a while (DC-4); what was open must live.
    if (fleet.traffic.counts.cut > 0) throw new TypeError("stalls of 5 s cut streams");
  },
};

interface HeldSession {
  readonly visor: string;
  readonly server: string;
  readonly sinceMs: number;
}

function sessionsOf(fleet: Fleet): HeldSession[] {
  return fleet.up.flatMap((visor) =>
    visor.client.sessions().map(({ remote, uptimeMs }) => ({
      visor: visor.name,
      server: remote,
      sinceMs: fleet.simulation.nowMs - uptimeMs,
    }))
  );
}

/** The status rounds to a millisecond. */
function isSame(a: HeldSession, b: HeldSession): boolean {
  return a.visor === b.visor && a.server === b.server && Math.abs(a.sinceMs - b.sinceMs) <= 2;
}

export const flapping: Scenario = {
  name: "flapping",
  summary: "a machine's link goes and comes every 500 ms, or its connections are reset as often",
  ...SIZE,
  async run(fleet) {
    await fleet.settle();
    fleet.startTraffic();
    const node = fleet.pick([fleet.pick(fleet.visors), fleet.pick(fleet.servers), fleet.discovery]);
    fleet.noteCut(node);
    const resets = fleet.random.chance(50);
    fleet.say(resets ? "its connections are reset every 500 ms" : "its link flaps every 500 ms", node.name);
    for (let round = fleet.random.integer(20, 90); round > 0; round--) {
      if (!resets) fleet.simulation.partition(node.name);
      await fleet.sleep(500);
      if (!resets) fleet.simulation.heal(node.name);
      else {
        for (const other of fleet.nodes) if (other !== node) fleet.simulation.reset(node.name, other.name);
      }
      await fleet.sleep(500);
    }
    fleet.say("is steady again", node.name);
  },
};
