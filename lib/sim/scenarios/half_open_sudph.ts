/**
 * A transport over UDP that one of its ends has lost, and the other believes in: no FIN, and nobody who refuses what is
 * sent to a port that is gone (TP-2, TP-3).
 *
 * @module
 */
import type { Transport } from "../../transport/mod.ts";
import { ping, type RoutedFleet, type WholeVisor } from "../routed/mod.ts";
import type { RoutedScenario } from "../scenario.ts";
import { AROUND } from "./_four_visors.ts";

/**
 * A transport over UDP is found dead within this: the next ping is at most 20 s away, and what stays without an
 * acknowledgement for 45 s ends its session.
 */
const FOUND_DEAD_WITHIN_MS = 70_000;
/** And is made anew: looked for each 10 s, by dials of 3 s, of which the first may come before the peer is bound anew. */
const MADE_ANEW_WITHIN_MS = FOUND_DEAD_WITHIN_MS + 30_000;
const SUDPH_PORT = 30_178;
const PONG_WITHIN_MS = 2_000;
/** The setup node and its breaker know of a restart by then. */
const ROUTED_WITHIN_MS = 120_000;

export const halfOpenSudph: RoutedScenario = {
  name: "half-open-sudph",
  summary:
    "one end of a sudph transport restarts at its address, or its NAT box forgets: the other end notices",
  routed: true,
  servers: 2,
  visors: 3,
  async run(fleet) {
    const [other, near, far] = fleet.shuffled(fleet.whole) as [WholeVisor, WholeVisor, WholeVisor];
    fleet.putBehind(far, fleet.pick(["full-cone", "restricted", "port-restricted"]));
    const [keeper, kept] = fleet.shuffled([near, far]) as [WholeVisor, WholeVisor];
    for (const visor of fleet.whole) visor.config = { transport: { sudph_port: SUDPH_PORT } };
    persist(keeper, kept, "sudph");
    persist(other, near, "stcpr");
    fleet.say(`keeps a sudph transport to ${kept.name}`, keeper.name);
    await fleet.settle();
    await untilMade(fleet, near, far, 0);
    other.route = far.route = AROUND;
    const route = () => fleet.retried("a route over it", () => ping(other, far, AROUND), ROUTED_WITHIN_MS);
    await route();
    for (const how of fleet.shuffled(["restarts", "restarts", "is forgotten", "is forgotten"] as const)) {
      const isBusy = fleet.random.chance(50); // else only a ping finds out
      if (isBusy) fleet.startTraffic(2, [other, far]);
      await fleet.sleep(fleet.random.integer(5_000, 40_000));
      const forgottenMs = fleet.simulation.nowMs;
      if (how === "is forgotten") {
        fleet.restartNat(far);
      } else {
        const [restarting, staying] = fleet.shuffled([near, far]) as [WholeVisor, WholeVisor];
        const believed = sudphOf(staying, restarting);
        restarting.kill("silent");
        if (fleet.random.chance(50)) await fleet.sleep(fleet.random.integer(0, 15_000));
        if (!believed?.isLive) {
          throw new TypeError(`${staying.name} cannot know yet that ${restarting.name} died`);
        }
        await restarting.start();
      }
      await untilMade(fleet, near, far, forgottenMs);
      await route();
      await fleet.stopTraffic();
    }
  },
};

function persist(from: WholeVisor, { publicKey }: WholeVisor, type: string): void {
  from.config = { ...from.config, persistent_transports: [{ pk: publicKey, type }] };
}

function sudphOf(from: WholeVisor, to: WholeVisor): Transport | undefined {
  return from.node.transports.to(to.publicKey).find(({ type }) => type === "sudph");
}

/**
 * Waits until both ends have a transport whose connection began after `sinceMs`, and each hears the other on it.
 * Nobody may believe in an older one for longer than {@link FOUND_DEAD_WITHIN_MS}.
 */
async function untilMade(
  fleet: RoutedFleet,
  near: WholeVisor,
  far: WholeVisor,
  sinceMs: number,
): Promise<void> {
  const transports = () => [sudphOf(near, far), sudphOf(far, near)];
  const isOld = ({ connAgeMs }: Transport) => connAgeMs > fleet.simulation.nowMs - sinceMs;
  await fleet.until(`a sudph transport of ${near.name} and ${far.name}`, () => {
    const both = transports();
    const isLate = fleet.simulation.nowMs - sinceMs > FOUND_DEAD_WITHIN_MS;
    const believer = [near, far].find((_, at) => both[at] !== undefined && isOld(both[at]!));
    if (isLate && believer !== undefined) {
      throw new TypeError(
        `${believer.name} believes in a dead transport after ${FOUND_DEAD_WITHIN_MS / 1000} s`,
      );
    }
    return both.every((each) => each !== undefined && !isOld(each));
  }, MADE_ANEW_WITHIN_MS);
  const tookMs = Math.round(fleet.simulation.nowMs - sinceMs);
  fleet.say(`${near.name} and ${far.name} have a sudph transport after ${tookMs} ms`);
  for (const each of transports()) {
    const pongMs = await each!.ping();
    if (pongMs > PONG_WITHIN_MS) throw new TypeError(`a pong on a new transport took ${pongMs} ms`);
  }
}
