/**
 * Which route ids a router gives out (protocol: routing, section 5).
 *
 * Peers take any id that a reservation answers. A counter, as other visors have it, tells every neighbour which ids
 * come next: it could send packets ahead of a route's own and have its rules. So the counter is scattered:
 *
 *     1, 2, 3 ... --permutation of 30 bits, under a key of this router--> 702113402, 81620445, ...
 *
 * No id comes twice and none has to be remembered: the way back through the permutation says which were given out.
 *
 * @module
 */
import { hmacSha256 } from "../crypto/mod.ts";
import type { Random } from "../runtime/mod.ts";
import { RouteTableFullError } from "./errors.ts";

export interface RouteIds {
  /** Further ids, never 0, never one twice. Errors: `RouteTableFullError` when they are used up. */
  take(count: number): number[];
  /** Whether the id was given out. */
  wasTaken(routeId: number): boolean;
}

/** Ids are below 2^30: small integers to the engine, so that a look-up costs what it did. */
const HALF_BITS = 15;
const HALF_MASK = 2 ** HALF_BITS - 1;
const ROUTE_ID_END = 2 ** (2 * HALF_BITS);
const KEY_BYTES = 32;
const ROUNDS = [0, 1, 2, 3, 4, 5] as const;

/** 1, 2, 3 and so on: where ids have to be known beforehand, as in recordings. */
export class CountedRouteIds implements RouteIds {
  #last = 0;

  take(count: number): number[] {
    if (!Number.isInteger(count) || count < 0) throw new RangeError(`Cannot reserve ${count} route ids`);
    if (this.#last + count >= ROUTE_ID_END - 1) throw new RouteTableFullError("no available routeIDs");
    return Array.from({ length: count }, () => ++this.#last);
  }

  wasTaken(routeId: number): boolean {
    return Number.isInteger(routeId) && routeId >= 1 && routeId <= this.#last;
  }
}

/** Ids that nobody can foresee. */
export class ScatteredRouteIds implements RouteIds {
  readonly #random: Random;
  readonly #counted = new CountedRouteIds();
  #key: Uint8Array | undefined; // drawn with the first id

  constructor(random: Random) {
    this.#random = random;
  }

  take(count: number): number[] {
    const ids = this.#counted.take(count).map((number) => this.#scatter(number));
    // 0 stands for no route. It may come once.
    return ids.map((routeId) => routeId === 0 ? this.take(1)[0]! : routeId);
  }

  wasTaken(routeId: number): boolean {
    if (!Number.isInteger(routeId) || routeId < 1 || routeId >= ROUTE_ID_END) return false;
    return this.#counted.wasTaken(this.#gather(routeId));
  }

  #scatter(number: number): number {
    let [left, right] = [number >>> HALF_BITS, number & HALF_MASK];
    for (const round of ROUNDS) [left, right] = [right, left ^ this.#mix(round, right)];
    return left << HALF_BITS | right;
  }

  #gather(routeId: number): number {
    let [left, right] = [routeId >>> HALF_BITS, routeId & HALF_MASK];
    for (const round of ROUNDS.toReversed()) [left, right] = [right ^ this.#mix(round, left), left];
    return left << HALF_BITS | right;
  }

  #mix(round: number, half: number): number {
    this.#key ??= this.#random.bytes(KEY_BYTES);
    const digest = hmacSha256(this.#key, Uint8Array.of(round, half >>> 8, half & 255));
    return (digest[0]! << 8 | digest[1]!) & HALF_MASK;
  }
}
