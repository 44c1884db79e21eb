/**
 * What nobody owns any more: rules without a group, transports and groups whose other end is gone, connections and
 * records of visors that do not run. Each may be there for a moment, as nobody is told of a silent death; then it is
 * a complaint.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import type { Rule } from "../../routing/mod.ts";
import type { RoutedFleet } from "./fleet.ts";
import { SERVICE_ENTRY_MS } from "./service_nodes.ts";
import type { WholeVisor } from "./visor_node.ts";

/** A group comes up or is given up within 6 s, and its accept may wait for others. */
export const RULE_WITHOUT_GROUP_MS = 20_000;
/** Nothing is left of a transport's rules once that has ended. */
export const RULE_WITHOUT_TRANSPORT_MS = 4_000;
/**
 * While nothing is lost or held up, neither a visor nor a packet: who leaves a set-up, and whose route fails, has its rules taken
 * back within seconds.
 */
export const RULE_OF_NO_ROUTE_MS = 20_000;
/**
 * Else one end of a route may be gone, or its handshakes too late for both: the other one waits for 6 s, or the setup
 * node for 30 s until it takes rules back; a relay keeps the way back of a close for 10 s, and looks each 10 s.
 */
export const RULE_OF_LOST_ROUTE_MS = 60_000;
/** Pings end a transport whose other end is silent: three that are missed, one a minute, and a little. */
export const TRANSPORT_WITHOUT_PEER_MS = 330_000;
/** A group learns of it from the transport on its way that ends. */
export const GROUP_WITHOUT_PEER_MS = TRANSPORT_WITHOUT_PEER_MS + 20_000;
/** One edge may register a transport until it notices; then the entry lives on. */
export const RECORD_WITHOUT_TRANSPORT_MS = TRANSPORT_WITHOUT_PEER_MS + SERVICE_ENTRY_MS + 20_000;
/** A kept connection is silent for at most 2 min, and looked at each 30 s. */
export const POOLED_WITHOUT_VISOR_MS = 155_000;

/**
 * A setup node gives a connection back once its request has ended, and the dials of its other visors, three of 10 s
 * each, and the reservation; or once rules are deleted: 30 s, a dial of 10 s, and 30 s again.
 */
export const LEASE_WITHOUT_REQUEST_MS = 80_000;
/** A connection that was told to end does. */
export const CONNECTION_WITHOUT_USE_MS = 10_000;

interface Orphan {
  readonly line: string;
  /** How long it may be one. */
  readonly withinMs: number;
}

/** Remembers since when something has no owner. */
export class OwnerWatch {
  readonly #known = new Map<string, { readonly sinceMs: number; readonly withinMs: number }>();
  readonly #losses = new Losses();

  /** Complaints of what has had no owner for too long. */
  look(fleet: RoutedFleet): string[] {
    const nowMs = fleet.simulation.nowMs;
    const ruleWithinMs = this.#losses.isRecent(fleet) ? RULE_OF_LOST_ROUTE_MS : RULE_OF_NO_ROUTE_MS;
    const orphans = new Map(orphansOf(fleet, ruleWithinMs).map((orphan) => [orphan.line, orphan]));
    for (const line of this.#known.keys()) if (!orphans.has(line)) this.#known.delete(line);
    return [...orphans.values()].filter(({ line, withinMs: asOfNowMs }) => {
      const known = this.#known.get(line);
      const sinceMs = known?.sinceMs ?? nowMs;
      const withinMs = Math.max(asOfNowMs, known?.withinMs ?? 0); // what it once had a reason for, it has
      this.#known.set(line, { sinceMs, withinMs });
      return nowMs - sinceMs > withinMs;
    }).map(({ line }) => line);
  }

  /** What has no owner now. */
  get waiting(): number {
    return this.#known.size;
  }
}

/** Remembers when somebody's run ended, or its path to others, or something was lost or held up on its way. */
class Losses {
  readonly #startedMs = new Map<string, number>();
  #datagrams = 0;
  #lastMs = -Infinity;

  /** Whether that is so short a time ago that not all may know of it. */
  isRecent({ whole, setupNode, simulation, natForgotMs }: RoutedFleet): boolean {
    const { nowMs, datagrams, hindrances } = simulation;
    for (const { name, isUp, startedMs } of [...whole, setupNode]) {
      const before = this.#startedMs.get(name);
      if (before !== undefined && (!isUp || before !== startedMs)) this.#lastMs = nowMs;
      if (isUp) this.#startedMs.set(name, startedMs);
    }
    if (datagrams.lost !== this.#datagrams || hindrances > 0) this.#lastMs = nowMs;
    this.#datagrams = datagrams.lost;
    return nowMs - Math.max(this.#lastMs, natForgotMs) <= TRANSPORT_WITHOUT_PEER_MS;
  }
}

function orphansOf(fleet: RoutedFleet, ruleWithinMs: number): Orphan[] {
  const up = new Map(fleet.wholeUp.map((visor) => [visor.publicKey, visor]));
  return [
    ...fleet.wholeUp.flatMap((visor) => [
      ...visor.node.router.rules().flatMap((rule) => ruleOrphans(visor, rule, { up, ruleWithinMs })),
      ...transportOrphans(visor, up, fleet),
      ...groupOrphans(visor, up, fleet),
    ]),
    ...recordOrphans(fleet, up),
    ...pooledOrphans(fleet, up),
    ...connectionOrphans(fleet),
  ];
}

type Up = ReadonlyMap<PublicKey, WholeVisor>;

function ruleOrphans(
  visor: WholeVisor,
  rule: Rule,
  { up, ruleWithinMs }: { readonly up: Up; readonly ruleWithinMs: number },
): Orphan[] {
  const { router, transports } = visor.node;
  const about = `${visor.name} holds ${rule.kind} rule ${rule.routeId}`;
  if (rule.kind !== "consume" && transports.find(rule.nextTransportId)?.isLive !== true) {
    return [{ line: `${about} of a transport that has ended`, withinMs: RULE_WITHOUT_TRANSPORT_MS }];
  }
  if (rule.kind === "intermediary") {
    const end = endOf(visor, rule, up, 0);
    if (end === "group") return [];
    // Its transport is not known to be dead, and whoever is at the other end may wait for it.
    const withinMs = end === "gone" ? Math.max(ruleWithinMs, GROUP_WITHOUT_PEER_MS) : ruleWithinMs;
    return [{ line: `${about} of a route that has ended`, withinMs }];
  }
  const isOwned = router.groups().some((group) =>
    rule.kind === "consume"
      ? group.routeId === rule.routeId
      : group.transportId === rule.nextTransportId && group.nextRouteId === rule.nextRouteId
  );
  return isOwned ? [] : [{ line: `${about} without its group`, withinMs: RULE_WITHOUT_GROUP_MS }];
}

/** More hops than a route of a fleet has. */
const HOPS_MAX = 32;

/**
 * Where the rules of a route lead: to the group that consumes its packets, to a visor that is gone or has lost the
 * transport, or nowhere.
 */
function endOf(visor: WholeVisor, rule: Rule, up: Up, depth: number): "group" | "gone" | "nowhere" {
  if (rule.kind === "consume") {
    const isThere = visor.node.router.groups().some(({ routeId }) => routeId === rule.routeId);
    return isThere ? "group" : "nowhere";
  }
  const transport = visor.node.transports.find(rule.nextTransportId);
  if (transport === undefined) return "nowhere";
  const next = up.get(transport.remote);
  if (next?.node.transports.find(transport.id) === undefined) return "gone";
  const following = next.node.router.rules().find(({ routeId }) => routeId === rule.nextRouteId);
  return following === undefined || depth >= HOPS_MAX ? "nowhere" : endOf(next, following, up, depth + 1);
}

function transportOrphans(visor: WholeVisor, up: Up, fleet: RoutedFleet): Orphan[] {
  return visor.node.transports.transports().flatMap(({ id, remote, type }) => {
    if (up.get(remote)?.node.transports.find(id) !== undefined) return [];
    const to = nameOf(fleet, remote);
    const line = `${visor.name} has a ${type} transport to ${to}, which does not have it`;
    return [{ line, withinMs: TRANSPORT_WITHOUT_PEER_MS }];
  });
}

function groupOrphans(visor: WholeVisor, up: Up, fleet: RoutedFleet): Orphan[] {
  return visor.node.router.groups().flatMap(({ local, remote, isReady }) => {
    const isOwned = up.get(remote.publicKey)?.node.router.groups().some((group) =>
      group.remote.publicKey === visor.publicKey && group.remote.port === local.port &&
      group.local.port === remote.port
    );
    if (isOwned) return [];
    const ports = `${local.port} to ${nameOf(fleet, remote.publicKey)}:${remote.port}`;
    const line = `${visor.name} has a group from port ${ports}, which does not have it`;
    return [{ line, withinMs: isReady ? GROUP_WITHOUT_PEER_MS : RULE_WITHOUT_GROUP_MS }];
  });
}

function recordOrphans(fleet: RoutedFleet, up: Up): Orphan[] {
  return fleet.transportDiscovery.transports().flatMap(({ id, edges }) => {
    const isThere = edges.every((edge) =>
      up.get(edge)?.node.transports.transports().some((each) => each.id === id)
    );
    if (isThere) return [];
    const between = edges.map((edge) => nameOf(fleet, edge)).join(" and ");
    const line = `the transport discovery has transport ${id} of ${between}, which they do not have`;
    return [{ line, withinMs: RECORD_WITHOUT_TRANSPORT_MS }];
  });
}

/** Each by itself, told apart by when it was made: a visor may have had several runs since. */
function pooledOrphans(fleet: RoutedFleet, up: Up): Orphan[] {
  return fleet.setupNode.pooled().flatMap(({ visor, ageMs }) => {
    const madeMs = fleet.simulation.nowMs - ageMs;
    if (madeMs >= (up.get(visor)?.startedMs ?? Infinity)) return [];
    const made = `made at ${(madeMs / 1_000).toFixed(2)} s`;
    const line = `the setup node keeps a connection, ${made}, to a run of ${
      nameOf(fleet, visor)
    } that has ended`;
    return [{ line, withinMs: POOLED_WITHOUT_VISOR_MS }];
  });
}

/** Connections of the setup node in no request's hands, and open ones that are in nobody's. */
function connectionOrphans({ setupNode }: RoutedFleet): Orphan[] {
  const { kept, leased, open } = setupNode.connections();
  const orphans: Orphan[] = [];
  if (leased > 0 && setupNode.stats()?.active_requests === 0) {
    const line = "the setup node holds connections for no request";
    orphans.push({ line, withinMs: LEASE_WITHOUT_REQUEST_MS });
  }
  if (open > kept + leased) {
    const line = "the setup node has open connections that are neither kept nor used";
    orphans.push({ line, withinMs: CONNECTION_WITHOUT_USE_MS });
  }
  return orphans;
}

function nameOf({ whole }: Pick<RoutedFleet, "whole">, key: PublicKey): string {
  return whole.find(({ publicKey }) => publicKey === key)?.name ?? key;
}
