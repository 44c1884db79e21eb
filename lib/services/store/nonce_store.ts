/** Which number each key's next request must carry (services.md 2.3). One interface, SQLite behind it. @module */
import type { PublicKey } from "../../crypto/mod.ts";

/**
 * Numbers by key. Bounded: the keys not used for longest are forgotten. What is not known, or known no more, has
 * a number that was never passed, so that no request of before is good again. Rejects with `StoreError`.
 */
export interface NonceStore {
  /** The number of the next request of `key`; 0 for a key that is new, as long as none was forgotten. */
  next(key: PublicKey): Promise<number>;
  /** Counts the request with number `from`: false, and nothing happens, when that is not the next one. */
  raise(key: PublicKey, from: number): Promise<boolean>;
}
