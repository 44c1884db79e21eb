/**
 * Visors and the transports between them, as the search walks them.
 *
 * Each visor lists its neighbours by number; all transports between two visors are one link, which both list.
 * Every change costs the same whatever the size of the network: a link knows its place in both lists, and the
 * last one takes the place of a link that goes.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";

/** One transport of a link. */
export interface Edge<Id> {
  readonly id: Id;
  readonly link: Link<Id>;
  /** What a hop over it adds to a path's score. */
  costMs: number;
}

/** All transports between two visors. */
export interface Link<Id> {
  readonly ends: readonly [Visor<Id>, Visor<Id>];
  /** Where it stands in the lists of either end. */
  readonly places: [number, number];
  /** In the order in which they came. Never empty. */
  readonly edges: Edge<Id>[];
}

/** A visor with at least one neighbour. */
export interface Visor<Id> {
  readonly key: PublicKey;
  /** Its number: those of visors that are gone are given out again, so that they stay few. */
  readonly index: number;
  /** Numbers of its neighbours. */
  readonly neighbours: number[];
  /** The link to each of them. */
  readonly links: Link<Id>[];
  readonly linkTo: Map<number, Link<Id>>;
}

export class Network<Id> {
  /** By number; undefined where a number is free. */
  readonly visors: (Visor<Id> | undefined)[] = [];
  readonly #byKey = new Map<PublicKey, Visor<Id>>();
  readonly #free: number[] = [];

  get visorCount(): number {
    return this.#byKey.size;
  }

  visor(key: PublicKey): Visor<Id> | undefined {
    return this.#byKey.get(key);
  }

  /** Two different keys. */
  add(id: Id, [first, second]: readonly [PublicKey, PublicKey], costMs: number): Edge<Id> {
    const a = this.#visorOf(first);
    const b = this.#visorOf(second);
    const link = a.linkTo.get(b.index) ?? connect(a, b);
    const edge = { id, link, costMs };
    link.edges.push(edge);
    return edge;
  }

  remove(edge: Edge<Id>): void {
    const { link } = edge;
    link.edges.splice(link.edges.indexOf(edge), 1);
    if (link.edges.length > 0) return;
    const [a, b] = link.ends;
    detach(a, b, link);
    detach(b, a, link);
    for (const visor of link.ends) {
      if (visor.links.length > 0) continue;
      this.#byKey.delete(visor.key);
      this.visors[visor.index] = undefined;
      this.#free.push(visor.index);
    }
  }

  #visorOf(key: PublicKey): Visor<Id> {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const index = this.#free.pop() ?? this.visors.length;
    const visor: Visor<Id> = { key, index, neighbours: [], links: [], linkTo: new Map() };
    this.visors[index] = visor;
    this.#byKey.set(key, visor);
    return visor;
  }
}

function connect<Id>(a: Visor<Id>, b: Visor<Id>): Link<Id> {
  const link: Link<Id> = { ends: [a, b], places: [a.links.length, b.links.length], edges: [] };
  for (const [visor, other] of [[a, b], [b, a]] as const) {
    visor.links.push(link);
    visor.neighbours.push(other.index);
    visor.linkTo.set(other.index, link);
  }
  return link;
}

/** Takes `link` out of the list of `visor`; the last of the list takes its place. */
function detach<Id>(visor: Visor<Id>, other: Visor<Id>, link: Link<Id>): void {
  const place = link.places[link.ends[0] === visor ? 0 : 1];
  const last = visor.links.pop()!;
  const lastNeighbour = visor.neighbours.pop()!;
  if (last !== link) {
    visor.links[place] = last;
    visor.neighbours[place] = lastNeighbour;
    last.places[last.ends[0] === visor ? 0 : 1] = place;
  }
  visor.linkTo.delete(other.index);
}
