/** `TransportStore`: where a transport discovery keeps transports. One interface, SQLite behind it. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { TransportRecord } from "../../directory/mod.ts";
import type { NonceStore } from "./nonce_store.ts";

/** How transports are stored. */
export interface PutTransports {
  readonly ttlMs: number;
  /** Who registers; undefined: both edges. What was not there counts as the key's until it ends or is removed, whoever renews it. */
  readonly owner?: {
    readonly key: PublicKey;
    readonly recordsMax: number;
    /** Where the key registers from, if it is known: all keys there have a maximum together. */
    readonly block?: { readonly text: string; readonly recordsMax: number } | undefined;
  };
}

/**
 * Transports by id, each with its time to live. Whatever is past its time is in no answer. The latency of a
 * transport is kept for longer than one that ended, not than one that was removed: it is there again when that
 * comes back. It is in an answer once both edges have registered the transport: one alone may have invented it.
 * An owner has no more latencies than transports, and the newest stay. Lists are in the order
 * in which transports came first. Every method rejects with `StoreError` when the store cannot be asked.
 */
export interface TransportStore extends AsyncDisposable {
  readonly nonces: NonceStore;
  /**
   * Stores all of `records` in one step, or renews them. `ttlMs` 0: until they are removed. Gives those that were
   * not there, or have another label or latency than before, as they are now. Undefined, and nothing is stored,
   * where `owner`, all of its address block, or everybody would have more than the maximum.
   */
  put(records: readonly TransportRecord[], options: PutTransports): Promise<TransportRecord[] | undefined>;
  byId(id: string): Promise<TransportRecord | undefined>;
  /** Each transport with an edge at one of `keys`, once. */
  byEdges(keys: readonly PublicKey[]): Promise<TransportRecord[]>;
  all(): Promise<TransportRecord[]>;
  /** All, each with the milliseconds until it ends; Infinity for no end. */
  allWithLives(): Promise<{ readonly record: TransportRecord; readonly leftMs: number }[]>;
  /** Ends everything in `ttlMs` from now that would have lived for longer; 0 changes nothing. */
  shorten(ttlMs: number): Promise<void>;
  /** Removes transports; gives the ids of those that were there. */
  remove(ids: readonly string[]): Promise<string[]>;
}
