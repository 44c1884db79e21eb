/** Which number each key's next request must carry (services.md 2.3). One interface, SQLite or Redis behind it. @module */
import type { PublicKey } from "../../crypto/mod.ts";

/**
 * Numbers by key. Bounded: the keys not used for longest are forgotten. What is not known, or known no more, has
 * a number that was never passed, so that no request of before is good again. Rejects with `StoreError`.
 *
 * A request takes its number before anything is done for it, and gives it back where that came to nothing: so two
 * with the same number are never both good, whichever instances of a service they come to, and an instance that dies
 * meanwhile leaves a number that is passed, never one that is good again.
 */
export interface NonceStore {
  /** The number of the next request of `key`; 0 for a key that is new, as long as none was forgotten. */
  next(key: PublicKey): Promise<number>;
  /** Counts the request with number `from`, in one step: false, and nothing happens, when that is not the next one. */
  take(key: PublicKey, from: number): Promise<boolean>;
  /** Takes that back: `from` is the next number again, unless a later one was taken or the key was forgotten. */
  giveBack(key: PublicKey, from: number): Promise<void>;
}

/** Keys whose number is kept: some 80 MB. */
export const NONCES_MAX = 500_000;
