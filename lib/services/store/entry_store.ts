/**
 * `EntryStore`: where a dmsg discovery keeps entries. One interface, SQLite or Redis behind it.
 *
 * A store judges nothing: it keeps texts under keys for a time, and answers questions about roles. What may
 * replace what is decided above, and holds because a put names the text that it was judged against.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import type { Store } from "./store.ts";

/** An entry as it is kept: its JSON as it is handed out, and the facts that the look-ups ask for. */
export interface StoredEntry {
  readonly key: PublicKey;
  /** The whole entry as JSON. */
  readonly text: string;
  /** Servers that a client can be reached through; undefined when the entry is no client's. */
  readonly delegatedServers: readonly PublicKey[] | undefined;
  /** A client of type `visor`. */
  readonly isVisor: boolean;
  /** Sessions that a server still takes, maybe negative; undefined when the entry is no server's. */
  readonly availableSessions: number | undefined;
}

/** How an entry is put. */
export interface PutOptions {
  /** Milliseconds until the entry is gone, at least 1. */
  readonly ttlMs: number;
  /** The text that must be stored now for the put to happen; undefined: there must be none. */
  readonly replaces: string | undefined;
}

/** How many live entries a store holds, by role. An entry can have two. */
export interface EntryCounts {
  readonly clients: number;
  readonly visors: number;
  readonly servers: number;
}

/**
 * Entries by key, each with its time to live. Whatever is past its time is in no answer. Lists are in no
 * order unless said. Every method rejects with `StoreError` when the store cannot be asked.
 */
export interface EntryStore extends Store {
  /** The text of an entry. */
  get(key: PublicKey): Promise<string | undefined>;
  /**
   * Stores `entry` if `replaces` is what is stored, in one step: of several that name the same text exactly
   * one gets true. False: read again, judge again.
   */
  put(entry: StoredEntry, options: PutOptions): Promise<boolean>;
  /** Removes an entry; false when there was none. */
  remove(key: PublicKey): Promise<boolean>;
  /** The texts of those of `keys` that have an entry. */
  batch(keys: readonly PublicKey[]): Promise<Map<PublicKey, string>>;
  /** Keys of entries with a client part. */
  clientKeys(): Promise<PublicKey[]>;
  /** Keys of clients of type `visor`. */
  visorKeys(): Promise<PublicKey[]>;
  /** Texts of every entry with a server part. */
  allServers(): Promise<string[]>;
  /** Texts of servers that take at least one session more, most free first. */
  availableServers(): Promise<string[]>;
  /** Keys of clients that name `server` as delegated. */
  clientsOf(server: PublicKey): Promise<PublicKey[]>;
  /** The same for every server that is named at least once, whether it has an entry or not. */
  clientsByServer(): Promise<Map<PublicKey, PublicKey[]>>;
  counts(): Promise<EntryCounts>;
  /** Ends clients' entries in `ttlMs` from now that would have lived for longer, those of servers apart. */
  shortenClients(ttlMs: number): Promise<void>;
}
