/**
 * How many streams a server relays for others than its own clients: in all, and over one peer (peer-announce.md 5).
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";

/** Relayed streams at a time unless configured otherwise (`max_relayed_streams`). */
export const RELAYED_STREAMS_MAX = 4_096;
/** One peer takes at most this part of them: no peer starves the others. */
const SHARE_OF_ONE_PEER = 4;

/** Counts relayed streams. A place that was taken is given back by its holder, once. */
export class RelayedStreams {
  readonly #max: number;
  readonly #ofPeer = new Map<PublicKey, number>();
  #count = 0;

  constructor(max = RELAYED_STREAMS_MAX) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /** At most so many over one peer. */
  get maxOfPeer(): number {
    return Math.max(1, Math.floor(this.#max / SHARE_OF_ONE_PEER));
  }

  /** A place for a stream over `peer`; undefined: there is none. */
  take(peer: PublicKey): Disposable | undefined {
    const ofPeer = this.#ofPeer.get(peer) ?? 0;
    if (this.#count >= this.#max || ofPeer >= this.maxOfPeer) return undefined;
    this.#count++;
    this.#ofPeer.set(peer, ofPeer + 1);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#count--;
        const left = this.#ofPeer.get(peer)! - 1;
        if (left === 0) this.#ofPeer.delete(peer);
        else this.#ofPeer.set(peer, left);
      },
    };
  }
}
