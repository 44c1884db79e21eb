/** What peers did that was refused or ignored, by reason: for metrics and for whoever looks for a cause. @module */

/** Why something of a peer was refused or ignored. */
export type RefusalReason =
  /** A connection that ended before it said anything: a port probe. */
  | "probe"
  /** A handshake or a settlement that ended for want of room for a newer one. */
  | "busy"
  /** A transport of a peer beyond those that are taken unasked. */
  | "full"
  /** The address handshake failed: no Skywire, a wrong nonce, a forged signature, a wrong port. */
  | "handshake"
  /** The noise handshake failed. */
  | "noise"
  /** The entry of a settlement was not the one of both keys, was not signed by the peer, or did not come. */
  | "settlement"
  /** A second connection for a transport that a routing rule uses, or that crossed our own. */
  | "duplicate"
  /** A packet of a type that is not known, or not served on route id 0. */
  | "unknown packet"
  /** A packet whose payload is not what its type says. */
  | "malformed packet"
  /** A pong that answers nothing. */
  | "unasked pong"
  /** Answers that were not sent because the peer takes none. */
  | "unsent answer"
  /** A request to relay a virtual stream, or a frame of one. */
  | "relayed stream"
  /** A virtual stream that nobody accepts here, or one too many. */
  | "stream"
  /** A virtual stream whose queue stayed full. */
  | "stalled stream";

/** Counts by reason; one object for all that a manager owns. */
export class RefusalCounters {
  readonly #counts = new Map<RefusalReason, number>();

  add(reason: RefusalReason): void {
    this.#counts.set(reason, this.count(reason) + 1);
  }

  count(reason: RefusalReason): number {
    return this.#counts.get(reason) ?? 0;
  }

  /** Every reason that was counted, by name. */
  snapshot(): Partial<Record<RefusalReason, number>> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
