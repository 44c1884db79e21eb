/** `ServiceStore`: where a service discovery keeps services. One interface, SQLite or Redis behind it. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { ServiceRecord } from "../../directory/mod.ts";
import type { NonceStore } from "./nonce_store.ts";
import type { Store } from "./store.ts";

/** How a service is stored. */
export interface PutService {
  /** 0: until it is removed. */
  readonly ttlMs: number;
  /** Live services that the key may have, each of a type of its own. */
  readonly typesMax: number;
  /** Live services of the type that there may be. Default: any number. */
  readonly recordsMax?: number;
  /** Where the key registers from, if it is known: all keys there have a maximum together. */
  readonly block?: { readonly text: string; readonly recordsMax: number } | undefined;
}

/**
 * Services by type and key, each with its time to live. Whatever is past its time is in no answer. Every method
 * rejects with `StoreError` when the store cannot be asked.
 */
export interface ServiceStore extends Store {
  readonly nonces: NonceStore;
  /**
   * Stores a service, or puts it in the place of the one of the same key and type. False, and nothing is stored,
   * where it is a new one and the key, its address block or the type would have more than the maximum.
   */
  put(record: ServiceRecord, options: PutService): Promise<boolean>;
  /** Who has a live service of `type`, each once. The order stays from one answer to the next. */
  keys(type: string): Promise<PublicKey[]>;
  /** The services of `keys`, in that order; those that have none, or none any more, are left out. */
  batch(type: string, keys: readonly PublicKey[]): Promise<ServiceRecord[]>;
  /** Removes services; gives how many were there. */
  remove(type: string, keys: readonly PublicKey[]): Promise<number>;
  /** Ends everything in `ttlMs` from now that would have lived for longer; 0 changes nothing. */
  shorten(ttlMs: number): Promise<void>;
}
