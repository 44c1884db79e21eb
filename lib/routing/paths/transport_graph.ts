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
import { candidatePool, CANDIDATES_MAX, cheapest, hopCostMs, isMeasured } from "./rank.ts";

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

/** Part of the transports, and what searches it. */
class Layer {
  readonly network = new Network<TransportId>();
  readonly search = new Search(this.network);
}

/** A transport in the layers. */
interface Kept {
  readonly edge: Edge<TransportId>;
  /** In the layer of measured ones, while it is one. */
  measured: Edge<TransportId> | undefined;
}

export class TransportGraph {
  readonly #all = new Layer();
  /**
   * Only those with a latency, which a discovery tells when both edges say that there is such a transport. Anybody
   * can fill the pool of candidates with transports that are not, but not this one's.
   */
  readonly #measured = new Layer();
  #measuredCount = 0;
  /** Undefined for a transport from a visor to itself, which no path can use. */
  readonly #edges = new Map<TransportId, Kept | undefined>();

  /** How many transports there are. */
  get size(): number {
    return this.#edges.size;
  }

  /** True when a transport leads to or from this visor. */
  has(visor: PublicKey): boolean {
    return this.#all.network.visor(visor) !== undefined;
  }

  /** Adds a transport; of one that is there already it takes the latency. */
  add({ id, edges, latencyMs }: GraphTransport): void {
    const known = this.#edges.get(id);
    if (known !== undefined) return this.#setLatency(known, latencyMs);
    if (edges[0] === edges[1]) {
      this.#edges.set(id, undefined);
      return;
    }
    const kept = { edge: this.#all.network.add(id, edges, hopCostMs(latencyMs)), measured: undefined };
    this.#edges.set(id, kept);
    this.#setLatency(kept, latencyMs);
  }

  /** Removes a transport. False: it was not there. */
  remove(id: TransportId): boolean {
    const kept = this.#edges.get(id);
    if (kept !== undefined) {
      this.#setLatency(kept, undefined);
      this.#all.network.remove(kept.edge);
    }
    return this.#edges.delete(id);
  }

  /** Takes a new measurement; undefined: there is none any more. False: no such transport. */
  measured(id: TransportId, latencyMs: number | undefined): boolean {
    const kept = this.#edges.get(id);
    if (kept !== undefined) this.#setLatency(kept, latencyMs);
    return this.#edges.has(id);
  }

  #setLatency(kept: Kept, latencyMs: number | undefined): void {
    const { edge, measured } = kept;
    edge.costMs = hopCostMs(latencyMs);
    if (!isMeasured(latencyMs)) {
      if (measured === undefined) return;
      this.#measured.network.remove(measured);
      kept.measured = undefined;
      this.#measuredCount--;
    } else if (measured !== undefined) {
      measured.costMs = latencyMs;
    } else {
      const [a, b] = edge.link.ends;
      kept.measured = this.#measured.network.add(edge.id, [a.key, b.key], latencyMs);
      this.#measuredCount++;
    }
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
    const hopsMin = Math.max(1, limits.minHops ?? 1);
    const hopsMax = Math.min(HOPS_MAX, limits.maxHops ?? HOPS_MAX);
    const count = Math.min(CANDIDATES_MAX, limits.count ?? 1);
    if (count < 1 || hopsMin > hopsMax) return [];
    const asked = { hopsMin, hopsMax, candidatesMax: candidatePool(count), without: limits.without };
    const candidates = candidatesIn(this.#all, [from, to], asked);
    const isPart = this.#measuredCount > 0 && this.#measuredCount < this.#edges.size;
    const isCut = candidates.length === asked.candidatesMax || candidates.length < count;
    const all = isPart && isCut
      ? together(candidatesIn(this.#measured, [from, to], asked), candidates)
      : candidates;
    return cheapest(all, count).map(({ edges }) => hopsOf(from, edges));
  }
}

interface Asked {
  readonly hopsMin: number;
  readonly hopsMax: number;
  readonly candidatesMax: number;
  readonly without: ReadonlySet<PublicKey> | undefined;
}

function candidatesIn(
  { network, search }: Layer,
  [from, to]: readonly [PublicKey, PublicKey],
  asked: Asked,
): Candidate<TransportId>[] {
  const source = network.visor(from);
  const destination = network.visor(to);
  if (source === undefined || destination === undefined) return [];
  const limits = { ...asked, without: [...asked.without ?? []].flatMap((key) => network.visor(key) ?? []) };
  return source === destination ? loops(source, limits) : search.paths(source, destination, limits);
}

/** Each path once. */
function together(
  first: readonly Candidate<TransportId>[],
  second: readonly Candidate<TransportId>[],
): Candidate<TransportId>[] {
  const byIds = new Map<string, Candidate<TransportId>>();
  for (const candidate of [...second, ...first]) {
    const ids = candidate.edges.map(({ id }) => id).join();
    if (!byIds.has(ids)) byIds.set(ids, candidate);
  }
  return [...byIds.values()];
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

function hopsOf(source: PublicKey, edges: readonly Edge<TransportId>[]): Hop[] {
  let at = source;
  return edges.map(({ id, link: { ends: [a, b] } }) => {
    const next = at === a.key ? b.key : a.key;
    const hop = { transportId: id, from: at, to: next };
    at = next;
    return hop;
  });
}
