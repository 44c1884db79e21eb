/**
 * Who may be dialled for a route, and what became of each dial: between a setup node and its circuit breaker.
 *
 *     admit(visors of a route) ──▶ told(visor, result)   once for each visor, when its own dial has ended
 *
 * A request has one end, but its visors have one each: while the first hop that fails ends the request, the dials of
 * the others go on, and what they find out counts for them.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import type { BidirectionalRoute } from "./wire_types.ts";

/** The visors of a route, by their part in it. */
export interface RouteVisors {
  /** Who asks. */
  readonly source: PublicKey;
  readonly destination: PublicKey;
  readonly relays: readonly PublicKey[];
}

/**
 * What a request found out about one visor:
 *
 *     reached     it was dialled, or it answered a reservation on a connection that was kept
 *     failed      it could not be dialled, the attempts after a transient failure included, or the request's time was
 *                 over before; or its caller left behind the first attempt that failed
 *     abandoned   nobody knows: not dialled, the dial cut off, or no answer on a connection that was kept
 */
export type DialResult = "reached" | "failed" | "abandoned";

/**
 * Told once of each visor of a route, the source included: when its own dial has ended, or there will be none. That
 * may be before the end of the request, and after it.
 */
export type DialEnded = (visor: PublicKey, result: DialResult) => void;

/** Asked before anything is dialled for a route. Refuses it by throwing a `RouteSetupError`. */
export type AdmitRoute = (visors: RouteVisors) => DialEnded;

/** Those of a route that was checked. */
export function visorsOf({ descriptor, forward, reverse }: BidirectionalRoute): RouteVisors {
  const [source, destination] = [descriptor.source.publicKey, descriptor.destination.publicKey];
  const relays = new Set([...forward, ...reverse].flatMap(({ from, to }) => [from, to]));
  relays.delete(source);
  relays.delete(destination);
  return { source, destination, relays: [...relays] };
}

/** The results of one request, as they come: the first of each visor is told. */
export class DialResults {
  readonly #pending: Set<PublicKey>;
  readonly #told: DialEnded;

  constructor({ source, destination, relays }: RouteVisors, told: DialEnded = () => {}) {
    this.#pending = new Set([source, destination, ...relays]);
    this.#told = told;
  }

  /** Only the first result of a visor counts. */
  settle(visor: PublicKey, result: DialResult): void {
    if (this.#pending.delete(visor)) this.#told(visor, result);
  }
}
