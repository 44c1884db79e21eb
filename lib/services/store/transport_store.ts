/** `TransportStore`: where a transport discovery keeps transports. One interface, SQLite or Redis behind it. @module */
import type { Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import type { TransportRecord } from "../../directory/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import type { NonceStore } from "./nonce_store.ts";
import type { Store } from "./store.ts";

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

/** What an instance of the service changed. */
export type TransportWord =
  | {
    /** Of everything here; 0: for ever. */
    readonly ttlMs: number;
    /** Ids of all that was registered. */
    readonly renewed: readonly string[];
    /** Of these what is new, or has another label or latency than before, as it is now. */
    readonly put: readonly TransportRecord[];
  }
  | { readonly removed: readonly string[] };

/** Who is told of what all instances of the service change, this one among them, in the order of the changes. */
export interface TransportFollower {
  /** False: it names what is not known, and everything must be read. */
  told(word: TransportWord): boolean;
  /** All that there is, where words may have been lost; `told` names ids of words that came while it was read. */
  read(all: readonly LivingTransport[], told: ReadonlySet<string>): void;
}

/** A transport with the milliseconds until it ends; Infinity for no end. */
export interface LivingTransport {
  readonly record: TransportRecord;
  readonly leftMs: number;
}

/**
 * Transports by id, each with its time to live. Whatever is past its time is in no answer. The latency of a
 * transport is kept for longer than one that ended, not than one that was removed: it is there again when that
 * comes back. It is in an answer once both edges have registered the transport: one alone may have invented it.
 * An owner has no more latencies than transports, and the newest stay. Lists are in the order
 * in which transports came first. Every method rejects with `StoreError` when the store cannot be asked.
 */
export interface TransportStore extends Store {
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
  allWithLives(): Promise<LivingTransport[]>;
  /** Ends everything in `ttlMs` from now that would have lived for longer; 0 changes nothing. */
  shorten(ttlMs: number): Promise<void>;
  /** Removes transports; gives the ids of those that were there. */
  remove(ids: readonly string[]): Promise<string[]>;
  /**
   * Tells `follower` of every change until the result is disposed, also after Redis was away. Absent where nobody else
   * can change anything: whoever puts and removes knows it all.
   */
  readonly follow?: (
    follower: TransportFollower,
    world: { readonly clock: Clock; readonly log: Log },
  ) => AsyncDisposable;
}

/** How long a latency is kept after it was measured last: a visor that was off for a night is ranked as before. */
export const LATENCY_TTL_MS = 24 * 60 * 60_000;

/** Transports of everybody: keys cost nothing, so that no share of one key or address bounds them all. */
export const TRANSPORTS_MAX = 131_072;
/** Latencies of all transports, whether these live or not: the one that was measured longest ago goes. */
export const LATENCIES_MAX = 262_144;
