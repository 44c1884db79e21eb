/**
 * Room for settlements of accepted links. Keys cost nothing, so silence must not shut the door: a key has a few
 * places and no more, an address some, and where all are taken the oldest settlement, which had the longest time,
 * makes room.
 *
 * @module
 */
import { type Conn, ConnClosedError } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";

/** Settlements of accepted links at once; one more ends the oldest. */
export const SETTLEMENTS_MAX = 64;
/** The same of one key, which may open one of each type at once; one more ends its oldest. */
export const SETTLEMENTS_OF_KEY_MAX = 4;
/** The same from one address (IPv4) or one network of 64 bits (IPv6); one more ends the oldest from there. */
export const SETTLEMENTS_OF_ADDRESS_MAX = 16;

/** A link that is being settled. */
export interface Settling {
  readonly conn: Conn;
  readonly remote: PublicKey;
  /** The address block that it came from, where that is known. */
  readonly block?: string | undefined;
}

export class Settlements {
  readonly #all = new Set<Settling>(); // the oldest first, here and below
  readonly #byRemote = new Groups<PublicKey>();
  readonly #byBlock = new Groups<string>();

  /** Takes a place. What had to end for it is closed, and given back. */
  enter(settling: Settling): Settling | undefined {
    const ended = this.#byRemote.oldestOf(settling.remote, SETTLEMENTS_OF_KEY_MAX) ??
      this.#byBlock.oldestOf(settling.block, SETTLEMENTS_OF_ADDRESS_MAX) ??
      (this.#all.size >= SETTLEMENTS_MAX ? this.#all.values().next().value : undefined);
    if (ended !== undefined) {
      this.leave(ended);
      ended.conn.close(new ConnClosedError(undefined, "Room was needed for another settlement"));
    }
    this.#all.add(settling);
    this.#byRemote.add(settling.remote, settling);
    this.#byBlock.add(settling.block, settling);
    return ended;
  }

  /** Gives the place back. False: it had been taken already. */
  leave(settling: Settling): boolean {
    if (!this.#all.delete(settling)) return false;
    this.#byRemote.delete(settling.remote, settling);
    this.#byBlock.delete(settling.block, settling);
    return true;
  }
}

/** Settlements that have something in common; what is undefined is had in common with none. */
class Groups<Common> {
  readonly #groups = new Map<Common, Set<Settling>>();

  /** The oldest of a group that has `max` or more. */
  oldestOf(common: Common | undefined, max: number): Settling | undefined {
    const group = common === undefined ? undefined : this.#groups.get(common);
    if (group === undefined || group.size < max) return undefined;
    const [oldest] = group;
    return oldest;
  }

  add(common: Common | undefined, settling: Settling): void {
    if (common === undefined) return;
    const group = this.#groups.get(common);
    if (group === undefined) this.#groups.set(common, new Set([settling]));
    else group.add(settling);
  }

  delete(common: Common | undefined, settling: Settling): void {
    const group = common === undefined ? undefined : this.#groups.get(common);
    group?.delete(settling);
    if (group?.size === 0) this.#groups.delete(common!);
  }
}
