/**
 * What must hold in a fleet of whole visors: while a scenario runs, and when its faults are over.
 *
 * Each checker gives complaints, one line each; none is a good answer.
 *
 * @module
 */
import { describeError } from "../../base/mod.ts";
import { sleep, withTimeout } from "../../runtime/mod.ts";
import type { RouteGroup } from "../../routing/mod.ts";
import { CIRCUIT_OPEN_MS, type DialRouteOptions } from "../../routing/setup/mod.ts";
import {
  checkDiscovery,
  checkSessions,
  DEAD_SEEN_WITHIN_MS,
  Observer,
  type Reach,
  REACHABLE_WITHIN_MS,
} from "../checks.ts";
import { KNOWN_AFTER_MS, type RoutedFleet } from "./fleet.ts";
import { OwnerWatch, RECORD_WITHOUT_TRANSPORT_MS } from "./owners.ts";
import type { WholeVisor } from "./visor_node.ts";

/**
 * Every visor has a route to every other within this after the faults end: a circuit of the setup node that opened
 * just before is open for 60 s, and the routes after that are tried again.
 */
export const ROUTED_WITHIN_MS = REACHABLE_WITHIN_MS + CIRCUIT_OPEN_MS;
/** A stream of which nothing arrives for so long is silent: everything on its way notices before. */
export const SILENCE_MAX_MS = 350_000;
/** Port of the route space on which every visor answers to being there. */
export const PING_PORT = 58;
const LOOK_MS = 1_000;
const REACH_RETRY_MS = 2_000;
/** One attempt to reach a visor: the transport that is made for it, and the route. */
const REACH_TIMEOUT_MS = 40_000;
const CALM_STREAMS = 6;
/** The longest that anything may be without an owner, and a little. */
const OWNERS_WITHIN_MS = RECORD_WITHOUT_TRANSPORT_MS + 30_000;

/** While everything happens: nothing is without an owner for too long, and no stream is silent. */
export class RoutedWatch {
  readonly #owners = new OwnerWatch();

  look(fleet: RoutedFleet): string[] {
    const silent = fleet.traffic.silentSince(fleet.simulation.nowMs - SILENCE_MAX_MS)
      .map(({ number, from, to }) => `stream ${number} from ${from.name} to ${to.name} is silent`);
    return [...this.#owners.look(fleet), ...silent, ...checkLive(fleet)];
  }

  /** Waits until nothing is without an owner, no rule is left, and no connection is kept. Complaints of what is. */
  async untilNothingIsLeft(fleet: RoutedFleet): Promise<string[]> {
    const startedMs = fleet.simulation.nowMs;
    for (;;) {
      const complaints = this.look(fleet);
      if (complaints.length > 0) return complaints;
      const left = leftOf(fleet);
      if (left.length === 0 && this.#owners.waiting === 0) return [];
      if (fleet.simulation.nowMs - startedMs > OWNERS_WITHIN_MS) return left;
      await fleet.sleep(LOOK_MS);
    }
  }
}

/** Whatever is handed out for live is live (TP-3). */
function checkLive(fleet: RoutedFleet): string[] {
  return fleet.wholeUp.flatMap(({ name, node: { transports } }) =>
    transports.transports().filter(({ isLive }) => !isLive)
      .map(({ type }) => `${name} hands out a ${type} transport that has ended`)
  );
}

/** What is there though no route is: rules and groups of visors, what their ledgers hold besides, kept connections. */
function leftOf(fleet: RoutedFleet): string[] {
  const lines = fleet.wholeUp.flatMap(({ name, node, world: { ledger } }) => {
    const [rules, groups] = [node.router.rules().length, node.router.groups().length];
    const live = node.transports.transports().length;
    return ([
      ["rules of routes that have ended", rules],
      ["groups that nobody uses", groups],
      ["rules that are in no table", ledger.count("route-rule") - rules],
      ["groups that are in no table", ledger.count("route-group") - groups],
      ["transports that are in no table", ledger.count("transport") - live],
    ] as const).filter(([, count]) => count !== 0).map(([what, count]) => `${name} holds ${count} ${what}`);
  });
  const { kept, leased, open } = fleet.setupNode.connections();
  return [
    ...lines,
    ...([
      ["keeps", kept, "connections that nobody uses"],
      ["has lent", leased, "connections to no request"],
      ["has", open - kept - leased, "open connections that nobody has"],
    ] as const).filter(([, count]) => count > 0).map((words) => `the setup node ${words.join(" ")}`),
  ];
}

/** Every visor, from every other: by a route to its port of pings, within {@link ROUTED_WITHIN_MS}. */
export async function checkRoutedReach(fleet: RoutedFleet): Promise<Reach> {
  const startedMs = fleet.simulation.nowMs;
  const up = fleet.wholeUp;
  const complaints: string[] = [];
  await Promise.all(up.flatMap((from) =>
    up.filter((to) => to !== from).map(async (to) => {
      const failure = await reach(from, to, startedMs + ROUTED_WITHIN_MS);
      if (failure === undefined) return;
      complaints.push(
        `${from.name} has no route to ${to.name} in ${ROUTED_WITHIN_MS / 1000} s: ${failure}`,
      );
    })
  ));
  return { complaints, afterMs: Math.round(fleet.simulation.nowMs - startedMs) };
}

/** Undefined once it was reached; else why not. */
async function reach(from: WholeVisor, to: WholeVisor, untilMs: number): Promise<string | undefined> {
  const { clock } = from.world;
  for (;;) {
    const afterMs = Math.max(1, Math.min(REACH_TIMEOUT_MS, untilMs - clock.monotonicMs()));
    try {
      await withTimeout(
        clock,
        { what: `Reaching ${to.name}`, afterMs },
        (signal) => ping(from, to, { signal }),
      );
      return undefined;
    } catch (error) {
      if (clock.monotonicMs() + REACH_RETRY_MS > untilMs) return describeError(error);
      await sleep(clock, REACH_RETRY_MS);
    }
  }
}

/** One route, one ping, and its end. */
export async function ping(
  from: WholeVisor,
  to: WholeVisor,
  options: DialRouteOptions = {},
): Promise<void> {
  const group = await from.node.dialer.dial({ publicKey: to.publicKey, port: PING_PORT }, options);
  try {
    await (group as RouteGroup).ping(options);
  } finally {
    group.close();
    await group.closed;
  }
}

/** Everything in order, with a look at each step. */
export async function routedFinale(
  fleet: RoutedFleet,
  { watch, faultsEndedMs, add }: {
    readonly watch: RoutedWatch;
    readonly faultsEndedMs: number;
    readonly add: (complaints: readonly string[]) => void;
  },
): Promise<void> {
  await fleet.stopTraffic();
  await fleet.sleep(KNOWN_AFTER_MS); // of the transports that were made just now
  add(await calmTraffic(fleet));
  add(await watch.untilNothingIsLeft(fleet));
  add(await untilSessionsAgree(fleet, faultsEndedMs));
  const visors = fleet.wholeUp;
  await Promise.all(visors.map((visor) => visor.stop()));
  const observer = new Observer(fleet.director);
  add(await observer.checkGone(visors));
  await observer.close();
  const stopped = new Map(visors.map(({ publicKey, name }) => [publicKey, name]));
  add(
    fleet.transportDiscovery.transports().filter(({ edges }) => edges.every((edge) => stopped.has(edge)))
      .map(({ edges }) => {
        const [one, other] = edges.map((edge) => stopped.get(edge));
        return `the transport discovery has a transport of ${one} and ${other}, which are closed`;
      }),
  );
  const { setupNode, routeFinder, resolver, transportDiscovery, stunServers, servers, discovery } = fleet;
  const services = [setupNode, routeFinder, resolver, transportDiscovery, ...stunServers];
  for (const node of [...services, ...servers, discovery]) {
    if (node.isUp) await node.stop();
  }
}

/** Streams over routes in a network without faults: each must be complete. */
async function calmTraffic(fleet: RoutedFleet): Promise<string[]> {
  const up = fleet.wholeUp;
  if (up.length < 2) return [];
  const flows = await Promise.all(Array.from({ length: CALM_STREAMS }, () => {
    const from = fleet.pick(up);
    const to = fleet.pick(up.filter((each) => each !== from));
    return fleet.traffic.run(from, to, { pauses: false });
  }));
  return flows.filter(({ outcome }) => outcome !== "complete").map(({ from, to, failure }) =>
    `a stream from ${from.name} to ${to.name} failed while nothing was wrong: ${failure}`
  );
}

async function untilSessionsAgree(fleet: RoutedFleet, sinceMs: number): Promise<string[]> {
  for (;;) {
    const complaints = [...checkSessions(fleet), ...checkDiscovery(fleet)];
    if (complaints.length === 0) return [];
    if (fleet.simulation.nowMs - sinceMs > DEAD_SEEN_WITHIN_MS) return complaints;
    await fleet.sleep(LOOK_MS);
  }
}
