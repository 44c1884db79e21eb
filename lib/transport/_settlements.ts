/**
 * Room for settlements of accepted links. Keys cost nothing, so silence must not shut the door: a key has a few
 * places and no more, and where all are taken the oldest settlement, which had the longest time, makes room.
 *
 * @module
 */
import { type Conn, ConnClosedError } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";

/** Settlements of accepted links at once; one more ends the oldest. */
export const SETTLEMENTS_MAX = 64;
/** The same of one key, which may open one of each type at once; one more ends its oldest. */
export const SETTLEMENTS_OF_KEY_MAX = 4;

/** A link that is being settled. */
export interface Settling {
  readonly conn: Conn;
  readonly remote: PublicKey;
}

export class Settlements {
  readonly #all = new Set<Settling>(); // the oldest first, here and below
  readonly #byRemote = new Map<PublicKey, Set<Settling>>();

  /** Takes a place. What had to end for it is closed, and given back. */
  enter(settling: Settling): Settling | undefined {
    const own = this.#byRemote.get(settling.remote);
    const isKeyFull = own !== undefined && own.size >= SETTLEMENTS_OF_KEY_MAX;
    let ended: Settling | undefined;
    if (isKeyFull) [ended] = own;
    else if (this.#all.size >= SETTLEMENTS_MAX) [ended] = this.#all;
    if (ended !== undefined) {
      this.leave(ended);
      ended.conn.close(new ConnClosedError(undefined, "Room was needed for another settlement"));
    }
    this.#all.add(settling);
    const siblings = this.#byRemote.get(settling.remote);
    if (siblings === undefined) this.#byRemote.set(settling.remote, new Set([settling]));
    else siblings.add(settling);
    return ended;
  }

  /** Gives the place back. False: it had been taken already. */
  leave(settling: Settling): boolean {
    if (!this.#all.delete(settling)) return false;
    const own = this.#byRemote.get(settling.remote)!;
    own.delete(settling);
    if (own.size === 0) this.#byRemote.delete(settling.remote);
    return true;
  }
}
