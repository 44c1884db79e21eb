/**
 * The paths between two visors in breadth-first order, as many as asked for, in bounded time and memory.
 *
 * Paths of one length after the other, each length walked depth first in the order of the lists, which gives the
 * order of a breadth-first search without its queue. What keeps it fast is the distance of each visor to the
 * destination, found by a breadth-first search from there, one ring at a time and only as far as is needed: a step
 * that cannot reach the destination with the hops that are left is never taken. All paths of the shortest length
 * are found without one wrong step. On longer ones a wrong step is possible (the way on leads back through the
 * path), and networks can be made in which most steps are; so the steps of one search are counted, and when they
 * are used up the search ends with what it has.
 *
 * @module
 */
import type { Edge, Link, Network, Visor } from "./_network.ts";

/** A path with its score. */
export interface Candidate<Id> {
  readonly costMs: number;
  readonly edges: readonly Edge<Id>[];
}

export interface SearchLimits<Id> {
  readonly hopsMin: number;
  readonly hopsMax: number;
  /** Ends the search when it has so many. */
  readonly candidatesMax: number;
  /** Visors that no path leads through. */
  readonly without: Iterable<Visor<Id>>;
}

/** Steps of a search in a small network: some 0.3 ms. */
const STEPS_MIN = 50_000;
/** Further steps for each visor of the network, so that hubs may be looked through. */
const STEPS_PER_VISOR = 100;
/** Steps of a search whatever the network: some 10 ms. */
const STEPS_MAX = 2_000_000;

/** Searches one network, one search at a time; keeps its tables from one to the next. */
export class Search<Id> {
  readonly #network: Network<Id>;
  /** Number of the search that has set the distance of each visor, and that distance. */
  #measuredIn = new Int32Array(0);
  #distance = new Int32Array(0);
  /** Number of the search in which a visor must not be entered: it is on the path, or excluded. */
  #closedIn = new Int32Array(0);
  /** Visors whose neighbours are still to be measured, nearest first. */
  #ring = new Int32Array(0);
  #ringStart = 0;
  #ringEnd = 0;
  /** A visor that is measured, and nothing through it. */
  #gate = -1;
  #search = 0;
  // The walk: per depth the visor, the place in its list, the transport of that link, and the cost so far.
  readonly #visors: Visor<Id>[] = [];
  readonly #places: number[] = [];
  readonly #edgePlaces: number[] = [];
  readonly #edges: Edge<Id>[] = [];
  readonly #costs: number[] = [];

  constructor(network: Network<Id>) {
    this.#network = network;
  }

  /** Paths from `from` to `to`, which differ: each visor once in a path, shorter ones first. */
  paths(
    from: Visor<Id>,
    to: Visor<Id>,
    { hopsMin, hopsMax, candidatesMax, without }: SearchLimits<Id>,
  ): Candidate<Id>[] {
    this.#begin();
    for (const visor of without) {
      if (visor !== from && visor !== to) this.#closedIn[visor.index] = this.#search;
    }
    const trunk = this.#trunk(from, to, hopsMax);
    const gate = trunk?.at(-1);
    if (gate === undefined || !this.#measure(to, gate, hopsMax)) return [];
    const trunkHops = trunk!.length - 1;
    const shortest = trunkHops + this.#distance[gate.index]!;
    for (const [place, { index }] of trunk!.entries()) {
      this.#measuredIn[index] = this.#search;
      this.#distance[index] = shortest - place;
    }
    const candidates: Candidate<Id>[] = [];
    const steps = { left: Math.min(STEPS_MAX, STEPS_MIN + STEPS_PER_VISOR * this.#network.visorCount) };
    for (let hops = Math.max(hopsMin, shortest); hops <= hopsMax; hops++) {
      this.#measureWithin(hops - trunkHops - 1);
      const isAll = this.#walk(from, to, hops, candidates, candidatesMax, steps);
      if (isAll || candidates.length >= candidatesMax || steps.left <= 0) break;
    }
    return candidates;
  }

  #begin(): void {
    const size = this.#network.visors.length;
    if (this.#measuredIn.length < size) {
      const room = Math.max(64, 2 * size);
      this.#measuredIn = new Int32Array(room);
      this.#distance = new Int32Array(room);
      this.#closedIn = new Int32Array(room);
      this.#ring = new Int32Array(room);
      this.#search = 0;
    }
    if (++this.#search === SEARCH_NUMBER_MAX) {
      this.#measuredIn.fill(0);
      this.#closedIn.fill(0);
      this.#search = 1;
    }
  }

  /**
   * The visors that every path begins with: from `from` on as long as there is but one way. Nothing is measured
   * through them, so that a leaf of a star does not make the search look at all the others. Undefined when it
   * leads nowhere.
   */
  #trunk(from: Visor<Id>, to: Visor<Id>, hopsMax: number): Visor<Id>[] | undefined {
    const trunk = [from];
    for (let before = -1; trunk.length <= hopsMax;) {
      const { index, neighbours } = trunk.at(-1)!;
      let next = -1;
      for (const neighbour of neighbours) {
        if (neighbour === before || this.#closedIn[neighbour] === this.#search) continue;
        if (next >= 0) return trunk; // two ways
        next = neighbour;
      }
      if (next === to.index) return trunk;
      if (next < 0 || next === from.index) return undefined;
      before = index;
      trunk.push(this.#network.visors[next]!);
    }
    return undefined;
  }

  /** Measures rings around `to` until `gate` is in one. False: it is not within `hopsMax`. */
  #measure(to: Visor<Id>, gate: Visor<Id>, hopsMax: number): boolean {
    this.#measuredIn[to.index] = this.#search;
    this.#distance[to.index] = 0;
    this.#ring[0] = to.index;
    this.#ringStart = 0;
    this.#ringEnd = 1;
    this.#gate = gate.index;
    while (this.#measuredIn[gate.index] !== this.#search) {
      if (this.#ringStart === this.#ringEnd) return false;
      const visor = this.#ring[this.#ringStart]!;
      if (this.#distance[visor]! >= hopsMax) return false;
      this.#measureAround(visor);
    }
    return true;
  }

  /** Goes on until every visor within `hops` of the destination is measured. */
  #measureWithin(hops: number): void {
    while (this.#ringStart < this.#ringEnd) {
      const visor = this.#ring[this.#ringStart]!;
      if (this.#distance[visor]! >= hops) return;
      this.#measureAround(visor);
    }
  }

  #measureAround(visor: number): void {
    this.#ringStart++;
    const search = this.#search;
    const measuredIn = this.#measuredIn;
    const closedIn = this.#closedIn;
    const { visors } = this.#network;
    const distance = this.#distance[visor]! + 1;
    for (const neighbour of visors[visor]!.neighbours) {
      if (measuredIn[neighbour] === search || closedIn[neighbour] === search) continue;
      measuredIn[neighbour] = search;
      this.#distance[neighbour] = distance;
      // A leaf leads nowhere.
      if (neighbour !== this.#gate && visors[neighbour]!.neighbours.length > 1) {
        this.#ring[this.#ringEnd++] = neighbour;
      }
    }
  }

  /**
   * Adds the paths of exactly `hops` hops. True: no longer path exists, because no step was left out for the want
   * of hops.
   */
  #walk(
    from: Visor<Id>,
    to: Visor<Id>,
    hops: number,
    candidates: Candidate<Id>[],
    candidatesMax: number,
    steps: { left: number },
  ): boolean {
    const search = this.#search;
    const closedIn = this.#closedIn;
    let isAll = true;
    let depth = 0;
    this.#enter(0, from, 0);
    while (depth >= 0) {
      const visor = this.#visors[depth]!;
      const left = hops - depth;
      let link: Link<Id> | undefined;
      if (left === 1) {
        const last = visor.linkTo.get(to.index);
        if (last !== undefined) this.#collect(last, depth, candidates, candidatesMax);
        steps.left--;
        // Besides the visor before it and the destination: a way on.
        if (visor.neighbours.length > (depth === 0 ? 1 : 2)) isAll = false;
      } else {
        const { neighbours } = visor;
        let place = this.#places[depth]!;
        const began = place;
        for (; place < neighbours.length; place++) {
          const neighbour = neighbours[place]!;
          if (closedIn[neighbour] === search || neighbour === to.index) continue;
          if (this.#measuredIn[neighbour] === search && this.#distance[neighbour]! < left) {
            if (this.#network.visors[neighbour]!.neighbours.length === 1) continue;
            link = visor.links[place]!;
            break;
          }
          // Too far, but perhaps not for a longer path. What is never measured, and a leaf, lead nowhere.
          if (!isAll || (this.#measuredIn[neighbour] !== search && this.#ringStart === this.#ringEnd)) {
            continue;
          }
          isAll = this.#network.visors[neighbour]!.neighbours.length === 1;
        }
        steps.left -= place - began + 1;
        this.#places[depth] = place;
      }
      if (candidates.length >= candidatesMax || steps.left <= 0) break;
      if (link === undefined) {
        closedIn[visor.index] = 0;
        depth--;
        continue;
      }
      const edge = link.edges[this.#edgePlaces[depth]!]!;
      if (++this.#edgePlaces[depth]! === link.edges.length) {
        this.#places[depth]!++;
        this.#edgePlaces[depth] = 0;
      }
      this.#edges[depth] = edge;
      const [a, b] = link.ends;
      this.#enter(depth + 1, a === visor ? b : a, this.#costs[depth]! + edge.costMs);
      depth++;
    }
    for (; depth >= 0; depth--) closedIn[this.#visors[depth]!.index] = 0;
    return isAll;
  }

  #enter(depth: number, visor: Visor<Id>, costMs: number): void {
    this.#closedIn[visor.index] = this.#search;
    this.#visors[depth] = visor;
    this.#places[depth] = 0;
    this.#edgePlaces[depth] = 0;
    this.#costs[depth] = costMs;
  }

  #collect({ edges }: Link<Id>, depth: number, candidates: Candidate<Id>[], candidatesMax: number): void {
    for (const edge of edges) {
      if (candidates.length >= candidatesMax) return;
      const path = this.#edges.slice(0, depth);
      path.push(edge);
      candidates.push({ costMs: this.#costs[depth]! + edge.costMs, edges: path });
    }
  }
}

const SEARCH_NUMBER_MAX = 2 ** 31 - 1;
