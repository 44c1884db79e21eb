/** `BindingStore`: where an address resolver keeps addresses. One interface, SQLite or Redis behind it. @module */
import type { Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import type { ResolvedType } from "../../directory/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import type { NonceStore } from "./nonce_store.ts";
import type { Store } from "./store.ts";

/** Where a key can be dialled. */
export interface Binding {
  /** An IP address for stcpr, `address:port` for sudph. */
  readonly remoteAddress: string;
  /** Of the listener. */
  readonly port: number;
  /** Of the interfaces of the machine. */
  readonly addresses: readonly string[];
  /** Who keeps the session that the binding is good for: the UDP side of one instance, a word without spaces. */
  readonly holder?: string;
}

/** What one instance of an address resolver says to the others. */
export type ResolverWord =
  /** Tell `key` that `dialer`, bound at `address`, is about to dial it, where it has a session. */
  | { readonly type: "dial"; readonly key: PublicKey; readonly dialer: PublicKey; readonly address: string }
  /** `key` has a session with `holder` now: older ones elsewhere are over. */
  | { readonly type: "bound"; readonly key: PublicKey; readonly holder: string };

/**
 * Bindings by type and key, each with its time to live. Whatever is past its time is in no answer. Every method
 * rejects with `StoreError` when the store cannot be asked.
 */
export interface BindingStore extends Store {
  readonly nonces: NonceStore;
  /** Stores a binding, or puts it in the place of the one before. `ttlMs` 0: until it is removed. */
  put(
    type: ResolvedType,
    key: PublicKey,
    binding: Binding,
    options: { readonly ttlMs: number },
  ): Promise<void>;
  get(type: ResolvedType, key: PublicKey): Promise<Binding | undefined>;
  /** Removes a binding, with `holder` only if that is its holder; false when there was none. */
  remove(type: ResolvedType, key: PublicKey, options?: Pick<Binding, "holder">): Promise<boolean>;
  /** Who is bound, in no order. */
  keys(type: ResolvedType): Promise<PublicKey[]>;
  /** Ends everything in `ttlMs` from now that would have lived for longer; 0 changes nothing. */
  shorten(ttlMs: number): Promise<void>;
  /** Says a word to every instance, this one among them, as long as the store can be asked. Absent where there is no other. */
  say?(word: ResolverWord): Promise<void>;
  /** Hears every word that is said, until the result is disposed; those said while Redis was away are lost. */
  hear?(
    listener: (word: ResolverWord) => void,
    world: { readonly clock: Clock; readonly log: Log },
  ): AsyncDisposable;
}
