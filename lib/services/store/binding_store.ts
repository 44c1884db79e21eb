/** `BindingStore`: where an address resolver keeps addresses. One interface, SQLite behind it. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { ResolvedType } from "../../directory/mod.ts";
import type { NonceStore } from "./nonce_store.ts";

/** Where a key can be dialled. */
export interface Binding {
  /** An IP address for stcpr, `address:port` for sudph. */
  readonly remoteAddress: string;
  /** Of the listener. */
  readonly port: number;
  /** Of the interfaces of the machine. */
  readonly addresses: readonly string[];
}

/**
 * Bindings by type and key, each with its time to live. Whatever is past its time is in no answer. Every method
 * rejects with `StoreError` when the store cannot be asked.
 */
export interface BindingStore extends AsyncDisposable {
  readonly nonces: NonceStore;
  /** Stores a binding, or puts it in the place of the one before. `ttlMs` 0: until it is removed. */
  put(
    type: ResolvedType,
    key: PublicKey,
    binding: Binding,
    options: { readonly ttlMs: number },
  ): Promise<void>;
  get(type: ResolvedType, key: PublicKey): Promise<Binding | undefined>;
  /** Removes a binding; false when there was none. */
  remove(type: ResolvedType, key: PublicKey): Promise<boolean>;
  /** Who is bound, in no order. */
  keys(type: ResolvedType): Promise<PublicKey[]>;
}
