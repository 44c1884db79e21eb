/**
 * The transports of a network, kept as a graph, and the paths through it (protocol: mux, section 10; RT-1).
 *
 * Kept: each change of the network is one change of the graph, and a query builds nothing. Pure: no clock, no
 * randomness, so that the same changes and the same query give the same paths everywhere.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import type { TransportRecord } from "../../directory/mod.ts";
import { parseTransportId, type TransportId } from "../../transport/mod.ts";
import type { Hop } from "../hop.ts";
import { type Edge, Network, type Visor } from "./_network.ts";
import { type Candidate, Search } from "./_search.ts";
import { candidatePool, CANDIDATES_MAX, cheapest, hopCostMs } from "./rank.ts";

/** One transport of the network. */
export interface GraphTransport {
  readonly id: TransportId;
  readonly edges: readonly [PublicKey, PublicKey];
  /** Measured latency; undefined, zero, negative and not finite mean that there is none. */
  readonly latencyMs?: number;
}

/** What the transport discovery knows, as the graph takes it: the mean latency, in ms instead of us. */
export function graphTransport({ id, edges, latency }: TransportRecord): GraphTransport {
  return {
    id: parseTransportId(id),
    edges,
    latencyMs: latency === undefined ? undefined : latency.avg / 1_000,
  };
}

/** What is asked of a path. */
export interface RouteLimits {
  /** Transports of a path at least; 0 is read as 1. Default 1. */
  readonly minHops?: number;
  /** Transports of a path at most. Default and bound {@link HOPS_MAX}. */
  readonly maxHops?: number;
  /** Paths at most. Default 1, bound {@link CANDIDATES_MAX}. */
  readonly count?: number;
  /** Visors that no path may lead through, e.g. because a set-up has just failed there. */
  readonly without?: ReadonlySet<PublicKey>;
}

/** A path is never longer: each hop costs latency and a rule on a visor, and no network here is so wide. */
export const HOPS_MAX = 64;

export class TransportGraph {
  readonly #network = new Network<TransportId>();
  readonly #search = new Search(this.#network);
  /** Undefined for a transport from a visor to itself, which no path can use. */
  readonly #edges = new Map<TransportId, Edge<TransportId> | undefined>();

  /** How many transports there are. */
  get size(): number {
    return this.#edges.size;
  }

  /** True when a transport leads to or from this visor. */
  has(visor: PublicKey): boolean {
    return this.#network.visor(visor) !== undefined;
  }

  /** Adds a transport; of one that is there already it takes the latency. */
  add({ id, edges, latencyMs }: GraphTransport): void {
    const known = this.#edges.get(id);
    if (known !== undefined) {
      known.costMs = hopCostMs(latencyMs);
      return;
    }
    const isLoop = edges[0] === edges[1];
    this.#edges.set(id, isLoop ? undefined : this.#network.add(id, edges, hopCostMs(latencyMs)));
  }

  /** Removes a transport. False: it was not there. */
  remove(id: TransportId): boolean {
    const edge = this.#edges.get(id);
    if (edge !== undefined) this.#network.remove(edge);
    return this.#edges.delete(id);
  }

  /** Takes a new measurement; undefined: there is none any more. False: no such transport. */
  measured(id: TransportId, latencyMs: number | undefined): boolean {
    const edge = this.#edges.get(id);
    if (edge !== undefined) edge.costMs = hopCostMs(latencyMs);
    return this.#edges.has(id);
  }

  /** Makes the graph hold exactly `transports`, by the changes that this needs and no more. */
  replaceAll(transports: Iterable<GraphTransport>): void {
    const gone = new Set(this.#edges.keys());
    for (const transport of transports) {
      gone.delete(transport.id);
      this.add(transport);
    }
    for (const id of gone) this.remove(id);
  }

  /**
   * The best paths from one visor to another, best first: those with the least latency of a pool of the shortest
   * ones, each visor at most once in a path. From a visor to itself: over a neighbour and back. Empty when there
   * is none within the limits, or, in a network made for that, none found within the bound on work.
   */
  routes(from: PublicKey, to: PublicKey, limits: RouteLimits = {}): Hop[][] {
    const source = this.#network.visor(from);
    const destination = this.#network.visor(to);
    if (source === undefined || destination === undefined) return [];
    const hopsMin = Math.max(1, limits.minHops ?? 1);
    const hopsMax = Math.min(HOPS_MAX, limits.maxHops ?? HOPS_MAX);
    const count = Math.min(CANDIDATES_MAX, limits.count ?? 1);
    if (count < 1 || hopsMin > hopsMax) return [];
    const candidatesMax = candidatePool(count);
    const without = [...limits.without ?? []].flatMap((key) => this.#network.visor(key) ?? []);
    const candidates = source === destination
      ? loops(source, { hopsMin, hopsMax, candidatesMax, without })
      : this.#search.paths(source, destination, { hopsMin, hopsMax, candidatesMax, without });
    return cheapest(candidates, count).map(({ edges }) => hopsOf(source, edges));
  }
}

/** Over each transport and back over the same one: how a visor measures its neighbours. */
function loops<Id>(
  visor: Visor<Id>,
  { hopsMin, hopsMax, candidatesMax, without }: {
    readonly hopsMin: number;
    readonly hopsMax: number;
    readonly candidatesMax: number;
    readonly without: readonly Visor<Id>[];
  },
): Candidate<Id>[] {
  const candidates: Candidate<Id>[] = [];
  if (hopsMin > 2 || hopsMax < 2) return candidates;
  for (const { ends, edges } of visor.links) {
    if (without.some((excluded) => ends.includes(excluded) && excluded !== visor)) continue;
    for (const edge of edges) {
      if (candidates.length === candidatesMax) return candidates;
      candidates.push({ costMs: 2 * edge.costMs, edges: [edge, edge] });
    }
  }
  return candidates;
}

function hopsOf(source: Visor<TransportId>, edges: readonly Edge<TransportId>[]): Hop[] {
  let at = source;
  return edges.map(({ id, link: { ends: [a, b] } }) => {
    const next = at === a ? b : a;
    const hop = { transportId: id, from: at.key, to: next.key };
    at = next;
    return hop;
  });
}
