/**
 * From a route and reserved ids to the rules of every visor on it (protocol: routing, sections 8.1 and 8.4). Pure.
 *
 *     source    forward   ── hop 0 ──▶  relay    intermediary  ── hop 1 ──▶  destination    consume
 *     key r0    next r1                 key r1   next r2                     key r2
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import { isTransportBetween } from "../../transport/mod.ts";
import { invertDescriptor, type RouteDescriptor } from "../descriptor.ts";
import type { Hop } from "../hop.ts";
import {
  type ConsumeRule,
  type EdgeRules,
  type ForwardRule,
  grantedKeepAlive,
  type IntermediaryRule,
} from "../rule.ts";
import { RouteSetupError } from "./errors.ts";
import type { BidirectionalRoute } from "./wire_types.ts";

/** Hops of one path: more would be no route that anybody wants, and ids of a visor are counted in a byte. */
export const ROUTE_HOPS_MAX = 64;

/** The rules of every visor on a route. */
export interface RouteRules {
  /** For the source: its descriptor is the inverted one. */
  readonly initiating: EdgeRules;
  /** For the destination. */
  readonly responding: EdgeRules;
  /** For each visor in between, those of both directions. */
  readonly intermediary: ReadonlyMap<PublicKey, readonly IntermediaryRule[]>;
}

/** Route ids by visor, in the order in which the visor gave them. */
export type ReservedIds = ReadonlyMap<PublicKey, readonly number[]>;

/** Holds a route against its descriptor. Errors: `RouteSetupError` with reason `invalid_route`. */
export function checkRoute({ descriptor, forward, reverse }: BidirectionalRoute): void {
  const invalid = (message: string) => new RouteSetupError(message, { reason: "invalid_route" });
  if (forward.length === 0) throw invalid("bidirectional route does not have forward hops");
  if (reverse.length === 0) throw invalid("bidirectional route does not have reverse hops");
  const longest = Math.max(forward.length, reverse.length);
  if (longest > ROUTE_HOPS_MAX) {
    throw invalid(`bidirectional route has ${longest} hops, more than ${ROUTE_HOPS_MAX}`);
  }
  const [source, destination] = [descriptor.source.publicKey, descriptor.destination.publicKey];
  if (!leads(forward, source, destination) || !leads(reverse, destination, source)) {
    throw invalid("bidirectional route has an invalid route description");
  }
  // Else the rule would lead over a transport of others, to an id that the visor at the hop's end never gave.
  const foreign = [...forward, ...reverse].find(({ transportId, from, to }) =>
    !isTransportBetween(transportId, from, to)
  );
  if (foreign === undefined) return;
  throw invalid(`transport ${foreign.transportId} is not one between ${foreign.from} and ${foreign.to}`);
}

/**
 * A visor asks for its own routes: rules that somebody else has made in its name break its groups, and fill the
 * tables of others. Errors: `RouteSetupError` with reason `invalid_route`.
 */
export function checkCaller({ descriptor: { source } }: BidirectionalRoute, caller: PublicKey): void {
  if (source.publicKey === caller) return;
  throw new RouteSetupError(
    `a visor asks for its own routes: this one begins at ${source.publicKey}, and ${caller} asks for it`,
    { reason: "invalid_route" },
  );
}

/** How many ids each visor has to reserve, in the order of the route. */
export function idsToReserve({ forward, reverse }: BidirectionalRoute): Map<PublicKey, number> {
  const counts = new Map<PublicKey, number>();
  const count = (key: PublicKey) => counts.set(key, (counts.get(key) ?? 0) + 1);
  for (const path of [forward, reverse]) {
    count(path[0]!.from);
    for (const { to } of path) count(to);
  }
  return counts;
}

/** The rules of a route that `checkRoute` passed. Errors: `RouteSetupError` when an id is missing. */
export function generateRules(route: BidirectionalRoute, ids: ReservedIds): RouteRules {
  const left = new Map([...ids].map(([key, given]) => [key, [...given]]));
  const take = (key: PublicKey): number => {
    const id = left.get(key)?.shift();
    if (id === undefined) {
      throw new RouteSetupError("id reservoir has no key", { reason: "rule_generation", visor: key });
    }
    return id;
  };
  const intermediary = new Map<PublicKey, IntermediaryRule[]>();
  const inverted = invertDescriptor(route.descriptor);
  const keepAliveNs = grantedKeepAlive(route.keepAliveNs);
  const there = pathRules(route.forward, { keepAliveNs, take, intermediary, descriptor: route.descriptor });
  const back = pathRules(route.reverse, { keepAliveNs, take, intermediary, descriptor: inverted });
  return {
    initiating: { descriptor: inverted, forward: there.forward, reverse: back.consume },
    responding: { descriptor: route.descriptor, forward: back.forward, reverse: there.consume },
    intermediary,
  };
}

/** The rules of one direction; those in between are added to `intermediary`. */
function pathRules(
  path: readonly Hop[],
  { take, intermediary, descriptor, keepAliveNs }: {
    readonly take: (key: PublicKey) => number;
    readonly intermediary: Map<PublicKey, IntermediaryRule[]>;
    readonly descriptor: RouteDescriptor;
    readonly keepAliveNs: bigint;
  },
): { readonly forward: ForwardRule; readonly consume: ConsumeRule } {
  let forward: ForwardRule | undefined;
  let routeId = take(path[0]!.from);
  for (const { transportId: nextTransportId, from, to } of path) {
    const nextRouteId = take(to);
    const passing = { keepAliveNs, routeId, nextRouteId, nextTransportId };
    if (forward === undefined) {
      forward = { kind: "forward", ...passing, descriptor };
    } else {
      const rules = intermediary.get(from) ?? [];
      rules.push({ kind: "intermediary", ...passing });
      intermediary.set(from, rules);
    }
    routeId = nextRouteId;
  }
  return { forward: forward!, consume: { kind: "consume", keepAliveNs, routeId, descriptor } };
}

/** True for hops that join up from one key to the other without passing a visor twice; a visor may reach itself. */
function leads(path: readonly Hop[], from: PublicKey, to: PublicKey): boolean {
  const passed = new Set<PublicKey>(from === to ? [] : [from]);
  let at = from;
  for (const hop of path) {
    if (hop.from !== at || passed.has(hop.to)) return false;
    passed.add(hop.to);
    at = hop.to;
  }
  return at === to;
}
