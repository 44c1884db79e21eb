/**
 * What happens to transports that carry routes, and to the services that know of them: half of one is gone, every
 * visor of a path restarts, the address resolver or the transport discovery is away (TP-2, TP-3, TP-4).
 *
 * @module
 */
import { CIRCUIT_OPEN_MS } from "../../routing/setup/mod.ts";
import { withTimeout } from "../../runtime/mod.ts";
import { KNOWN_AFTER_MS, ping, PING_PORT, type RoutedFleet, type WholeVisor } from "../routed/mod.ts";
import type { RoutedScenario } from "../scenario.ts";
import { endOne } from "./_endings.ts";
import { AROUND, FOUR_VISORS, fourOf } from "./_four_visors.ts";
import { floodResolver } from "./_resolver_flood.ts";

/** A transport ends at once when it is told to, whatever its peer does. */
const REMOVED_WITHIN_MS = 5_000;
/** Each write has a minute; then the transport is over. */
const WRITES_END_WITHIN_MS = 75_000;
/** Visors bind anew each 90 s, or 10 s after a bind that failed. */
const BOUND_WITHIN_MS = 110_000;
/** Transports are registered anew each 90 s, or 15 s after a failure; the route finder reads each 5 s. */
const REGISTERED_WITHIN_MS = 110_000;

/** The look whether the old connection is dead, and the dial. */
const TAKEN_BACK_WITHIN_MS = 3_000;
/** For 5 s after a dial, a connection of the peer that dialled second is not taken for a newer one. */
const DIALS_CROSS_MS = 5_500;
/** A connection that was cut sends again after 2 min at most, or its write is given up after one. */
const ROUTE_AFTER_CUT_MS = 130_000;

export const halfOpenTransport: RoutedScenario = {
  name: "half-open-transport",
  summary:
    "a transport lives at an end or both, and nothing passes; writes, closes, others and its peer must not wait for it",
  ...FOUR_VISORS,
  async run(fleet) {
    const row = fourOf(fleet);
    const [from, to, ...rest] = row;
    await fleet.settle();
    await fleet.chain(row);
    fleet.startTraffic(3);
    await fleet.sleep(fleet.random.integer(1_000, 10_000));
    const stuck = from.node.transports.to(to.publicKey)[0]!;
    fleet.simulation.slowReader(to.name, 0);
    fleet.say("reads nothing any more", to.name);
    const floods = flood(stuck);
    await ping(rest[0]!, rest[1]!); // others are none the worse
    await fleet.until("a transport ends of which no write ends", () => !stuck.isLive, WRITES_END_WITHIN_MS);
    await floods;
    fleet.simulation.slowReader(to.name, Infinity);
    fleet.say("reads all that comes", to.name);

    await fleet.retried("a transport after that", async () => void await fleet.link(from, to), 60_000);
    const transport = from.node.transports.to(to.publicKey)[0]!;
    const how = fleet.pick(["nothing passes", "nothing gets there"] as const);
    if (how === "nothing passes") fleet.simulation.partition(from.name, to.name);
    else fleet.simulation.blackHole(from.name, to.name);
    fleet.say(`${how} between ${from.name} and ${to.name}`);
    if (fleet.random.chance(50)) {
      await fleet.sleep(fleet.random.integer(0, 60_000));
      await withTimeout(
        fleet.director.clock,
        { what: "The removal of a half-open transport", afterMs: REMOVED_WITHIN_MS },
        () => from.node.transports.remove(transport.id),
      );
    }
    await fleet.sleep(fleet.pick([5_000, 60_000, 240_000]));
    fleet.simulation.heal(from.name, to.name);
    fleet.say("everything passes again");
    await fleet.stopTraffic();
    await mustTakeBack(fleet, from, to);
  },
};

/** `lost` dies in silence and is back at once: a transport that `holder` needs for a route must not keep it out. */
async function mustTakeBack(fleet: RoutedFleet, holder: WholeVisor, lost: WholeVisor): Promise<void> {
  let group: Awaited<ReturnType<typeof holder.node.dialer.dial>> | undefined;
  await fleet.retried("a route after all that", async () => { // what was cut may be sent again after a minute
    await fleet.link(holder, lost);
    group = await holder.node.dialer.dial({ publicKey: lost.publicKey, port: PING_PORT });
  }, ROUTE_AFTER_CUT_MS);
  const held = holder.node.transports.to(lost.publicKey)[0]!;
  await fleet.sleep(DIALS_CROSS_MS);
  lost.kill("silent");
  await lost.start();
  await lost.ready(new AbortController().signal);
  const { router, transports } = holder.node;
  const isNeeded = transports.find(held.id) === held && router.usesTransport(held.id);
  if (!isNeeded) throw new TypeError(`${holder.name} knows already that ${lost.name} died`);
  const startedMs = fleet.simulation.nowMs;
  await fleet.link(lost, holder);
  const tookMs = fleet.simulation.nowMs - startedMs;
  if (tookMs > TAKEN_BACK_WITHIN_MS) throw new TypeError(`${lost.name} was taken back after ${tookMs} ms`);
  if (held.isLive) throw new TypeError(`${holder.name} goes on with the transport that ${lost.name} lost`);
  group!.close();
  await group!.closed;
}

/** Packets for a route that is none, until the transport takes no more. Never rejects. */
async function flood(transport: { readonly isLive: boolean; send: WriteOf }): Promise<void> {
  const payload = new Uint8Array(32 * 1024);
  try {
    while (transport.isLive) await transport.send(0, 0xffff_fff0, payload);
  } catch { /* it has ended, as it must */ }
}

type WriteOf = (type: number, routeId: number, payload: Uint8Array) => Promise<void>;

/**
 * A visor that restarts makes its transports in seconds, also where its neighbours have the old ones still. Where the
 * setup node had given it up, that ends by itself first.
 */
const SURVIVED_WITHIN_MS = 30_000;
/** An application tries again. */
const DOWNLOAD_RETRY_MS = 1_000;

export const pathRestart: RoutedScenario = {
  name: "path-restart",
  summary:
    "every visor of a path restarts, one after the other, under downloads; after each, a new one is complete",
  ...FOUR_VISORS,
  async run(fleet) {
    const row = fleet.shuffled(fleet.whole);
    const [from, to] = [row[0]!, row.at(-1)!];
    const across = { minHops: row.length - 1 };
    row.forEach((visor, at) => {
      const neighbours = [row[at - 1], row[at + 1]].filter((each) => each !== undefined);
      visor.config = {
        persistent_transports: neighbours.map(({ publicKey }) => ({ pk: publicKey, type: "stcpr" })),
      };
      visor.route = across;
    });
    await fleet.settle();
    await fleet.retried("a route along the whole path", () => ping(from, to, across), 60_000);
    fleet.startTraffic(4, [from, to]);
    await fleet.sleep(5_000);
    for (const visor of fleet.shuffled(row)) {
      const how = await endOne(fleet, visor);
      await fleet.sleep(fleet.random.integer(0, 10_000));
      await visor.start();
      await mustSurvive(fleet, { restart: `the restart of ${visor.name} (${how})`, from, to });
      await fleet.sleep(fleet.random.integer(0, 20_000));
    }
    // What was silent when its path restarted has ended by now, one way or the other.
    await fleet.stopTraffic();
  },
};

/** A download that begins after `restart` must be complete in time, at the first try or a later one. */
async function mustSurvive(
  fleet: RoutedFleet,
  { restart, from, to }: { readonly restart: string; readonly from: WholeVisor; readonly to: WholeVisor },
): Promise<void> {
  const startedMs = fleet.simulation.nowMs;
  const refusedBefore = refusedByBreaker(fleet);
  let isLate = false;
  let failure = "the first one is still under way";
  const survived = (async () => {
    while (!isLate) {
      const flow = await fleet.traffic.run(from, to, { pauses: false });
      if (flow.outcome === "complete") return true;
      failure = `${flow.outcome}, ${flow.failure}`;
      await fleet.sleep(DOWNLOAD_RETRY_MS);
    }
    return false;
  })();
  const late = (async () => {
    await fleet.sleep(SURVIVED_WITHIN_MS);
    if (refusedByBreaker(fleet) > refusedBefore) await fleet.sleep(CIRCUIT_OPEN_MS);
    isLate = true;
    return false;
  })();
  const isSurvived = await Promise.race([survived, late]);
  const tookMs = Math.round(fleet.simulation.nowMs - startedMs);
  if (isSurvived) return fleet.say(`${restart} is survived after ${tookMs} ms`);
  throw new TypeError(
    `${restart} was not survived: no download begun after it was complete in ${tookMs / 1000} s: ${failure}`,
  );
}

/** Callers that were refused as a visor of their route was given up for a minute. */
function refusedByBreaker(fleet: RoutedFleet): number {
  return fleet.setupNode.stats()!.failures_by_reason.circuit_open ?? 0;
}

export const resolverRestart: RoutedScenario = {
  name: "resolver-restart",
  summary:
    "the address resolver is gone for a while, and back with nothing and a flood: transports live, and new ones come",
  ...FOUR_VISORS,
  async run(fleet) {
    const [one, two, three, four] = fourOf(fleet);
    await fleet.settle();
    const kept = [await fleet.link(one, two, "sudph"), await fleet.link(two, three, "stcpr")];
    await fleet.sleep(KNOWN_AFTER_MS);
    fleet.startTraffic();
    await endOne(fleet, fleet.resolver);
    await fleet.sleep(fleet.pick([0, 20_000, 100_000, 200_000]));
    if (kept.some(({ isLive }) => !isLive)) {
      throw new TypeError("a transport ended with the address resolver");
    }
    await fleet.resolver.start();
    const flood = floodResolver(fleet);
    flood.catch(() => {}); // told below
    for (const [from, to, type] of [[one, four, "sudph"], [three, four, "stcpr"]] as const) {
      const tookMs = await fleet.retried(
        `a ${type} transport after the resolver is back`,
        async () => void await fleet.link(from, to, type),
        BOUND_WITHIN_MS,
      );
      fleet.say(`a ${type} transport after ${Math.round(tookMs)} ms`);
    }
    await flood;
    if (kept.some(({ isLive }) => !isLive)) {
      throw new TypeError("a transport ended with the address resolver");
    }
  },
};

const OUTAGE_MS = 10 * 60_000;

export const transportsDown: RoutedScenario = {
  name: "transports-down",
  summary: "the transport discovery is gone for 10 min, and back with nothing: routes go on all the while",
  ...FOUR_VISORS,
  async run(fleet) {
    const row = fourOf(fleet);
    await fleet.settle();
    await fleet.chain(row.slice(0, 3));
    const [from, , to, late] = row;
    for (const visor of [from, to]) visor.route = AROUND;
    await endOne(fleet, fleet.transportDiscovery);
    const endedMs = fleet.simulation.nowMs;
    fleet.startTraffic(1, [from, to]);
    await fleet.sleep(10_000);
    await ping(from, to, AROUND);
    const made = await fleet.link(to, late); // nobody can be told of it
    await fleet.stopTraffic();
    await fleet.sleep(OUTAGE_MS - (fleet.simulation.nowMs - endedMs));
    await ping(from, to, AROUND); // the route finder has what it read last
    if (!made.isLive) throw new TypeError("a transport that cannot be registered ended");
    await fleet.transportDiscovery.start();
    await fleet.until(
      "every transport is registered again",
      () => fleet.transportDiscovery.transports().length >= row.length - 1,
      REGISTERED_WITHIN_MS,
    );
    await fleet.sleep(KNOWN_AFTER_MS);
    await ping(from, late, { minHops: 3 });
  },
};
