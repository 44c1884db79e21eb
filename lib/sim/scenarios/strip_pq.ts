/**
 * Somebody on the way to every server takes the post-quantum offer, or the answer to it, out of each handshake.
 * Payloads are authenticated: such a handshake must end, on both sides, and no session may come to be that is only
 * classical (PQ-1, PQ-2). Sessions that stand are none of its business, and when it ends all is well again.
 *
 * @module
 */
import type { Tampering } from "../_gate_node.ts";
import type { Fleet } from "../fleet.ts";
import type { Scenario } from "../scenario.ts";

const WAYS: readonly Tampering[] = ["strip offer", "strip answer", "cut offer", "blank answer"];

export const stripPostQuantum: Scenario = {
  name: "strip-pq",
  summary: "a man in the middle takes the post-quantum part out of handshakes",
  servers: 4,
  visors: 12,
  gated: true,
  async run(fleet) {
    await fleet.settle();
    mustBeHybrid(fleet);
    fleet.startTraffic();
    const tampering = fleet.pick(WAYS);
    for (const gate of fleet.gates) gate.tampering = tampering;
    fleet.say(`every gate tampers: ${tampering}`);
    const cut = fleet.shuffled(fleet.visors).slice(0, Math.ceil(fleet.visors.length / 2));
    for (const visor of cut) {
      for (const gate of fleet.gates) fleet.simulation.reset(visor.name, gate.name);
    }
    fleet.say(`connections of ${cut.length} visors are reset`);
    for (let left = fleet.random.integer(5, 20); left > 0; left--) {
      await fleet.sleep(4_000);
      const inside = cut.filter((visor) => visor.client.sessions().length > 0);
      if (inside.length > 0) {
        throw new TypeError(`${inside[0]!.name} has a session through a tampered handshake`);
      }
    }
    for (const gate of fleet.gates) gate.tampering = "none";
    fleet.say("the gates let everything pass");
    await Promise.all(cut.map((visor) => visor.client.whenReady()));
    mustBeHybrid(fleet);
  },
};

function mustBeHybrid(fleet: Fleet): void {
  for (const visor of fleet.up) {
    for (const { remote, postQuantum } of visor.client.sessions()) {
      if (!postQuantum) throw new TypeError(`${visor.name} has a classical session with ${remote}`);
    }
  }
}
