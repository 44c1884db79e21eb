/**
 * Where entries are found and published. Interfaces and the in-memory forms; HTTP is in `http_discovery.ts`.
 *
 * @module
 */
import type { Clock } from "../runtime/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { Entry } from "./entry.ts";

/** Looks entries up. An entry that is returned may be shared: nobody changes it in place (DC-14). */
export interface EntrySource {
  /** The entry of `key`, or undefined when there is none. Errors: the source cannot be asked. */
  entry(key: PublicKey, signal?: AbortSignal): Promise<Entry | undefined>;
  /** Servers that take sessions now; may be empty. */
  availableServers(signal?: AbortSignal): Promise<Entry[]>;
  /** Every server that is registered; may be empty. */
  allServers(signal?: AbortSignal): Promise<Entry[]>;
}

/** Looks up and publishes. */
export interface Discovery extends EntrySource {
  /** Publishes a signed entry. Errors: refused by the discovery, with its message; unreachable. */
  post(entry: Entry, signal?: AbortSignal): Promise<void>;
  /** Deletes the entry, proven by its signature. */
  remove(entry: Entry, signal?: AbortSignal): Promise<void>;
}

/** How long a looked-up entry is believed (peer-announce.md 8). */
export const ENTRY_CACHE_MS = 30_000;
/** Entries kept; the oldest goes first. 4,096 x about 1 KiB. */
export const ENTRY_CACHE_MAX = 4_096;

/**
 * Seeded entries first, then a bounded cache, then the discovery behind: reads resolve directly, writes go
 * through (DC-1). Seeded entries never expire and are never overwritten (peer-announce.md 8).
 */
export class LayeredDiscovery implements Discovery {
  readonly #seeded = new Map<PublicKey, Entry>();
  readonly #cached = new Map<PublicKey, { readonly entry: Entry; readonly untilMs: number }>();
  readonly #behind: Discovery;
  readonly #clock: Clock;

  constructor(behind: Discovery, clock: Clock, seeded: Iterable<Entry>) {
    this.#behind = behind;
    this.#clock = clock;
    for (const entry of seeded) this.#seeded.set(entry.static, entry);
  }

  /** Looked-up entries that are kept now. */
  get cachedEntries(): number {
    return this.#cached.size;
  }

  /** The seeded server entries: what is left when the discovery yields none (DC-9). */
  seededServers(): Entry[] {
    return [...this.#seeded.values()].filter((entry) => entry.server !== undefined);
  }

  /** Forgets a cached entry, so that the next look-up asks anew. Seeded entries stay. */
  forget(key: PublicKey): void {
    this.#cached.delete(key);
  }

  async entry(key: PublicKey, signal?: AbortSignal): Promise<Entry | undefined> {
    const seeded = this.#seeded.get(key);
    if (seeded !== undefined) return seeded;
    const cached = this.#cached.get(key);
    if (cached !== undefined && cached.untilMs > this.#clock.monotonicMs()) return cached.entry;
    this.#cached.delete(key);
    const entry = await this.#behind.entry(key, signal);
    if (entry !== undefined) this.#keep(entry);
    return entry;
  }

  /** What the discovery itself has of `key` now: no seed and nothing cached stands in for it. */
  async published(key: PublicKey, signal?: AbortSignal): Promise<Entry | undefined> {
    const entry = await this.#behind.entry(key, signal);
    if (entry === undefined) this.#cached.delete(key);
    else this.#keep(entry);
    return entry;
  }

  async availableServers(signal?: AbortSignal): Promise<Entry[]> {
    const entries = await this.#behind.availableServers(signal);
    for (const entry of entries) this.#keep(entry);
    return entries;
  }

  async allServers(signal?: AbortSignal): Promise<Entry[]> {
    return await this.#behind.allServers(signal);
  }

  post(entry: Entry, signal?: AbortSignal): Promise<void> {
    this.#cached.delete(entry.static);
    return this.#behind.post(entry, signal);
  }

  remove(entry: Entry, signal?: AbortSignal): Promise<void> {
    this.#cached.delete(entry.static);
    return this.#behind.remove(entry, signal);
  }

  #keep(entry: Entry): void {
    if (this.#seeded.has(entry.static)) return;
    this.#cached.delete(entry.static);
    this.#cached.set(entry.static, { entry, untilMs: this.#clock.monotonicMs() + ENTRY_CACHE_MS });
    if (this.#cached.size <= ENTRY_CACHE_MAX) return;
    const oldest = this.#cached.keys().next().value!;
    this.#cached.delete(oldest);
  }
}

/** A table in memory in place of a discovery: what is posted can be looked up here, and nowhere else. */
export class MemoryDiscovery implements Discovery {
  readonly #entries = new Map<PublicKey, Entry>();

  constructor(entries: Iterable<Entry> = []) {
    for (const entry of entries) this.#entries.set(entry.static, entry);
  }
  entry(key: PublicKey): Promise<Entry | undefined> {
    return Promise.resolve(this.#entries.get(key));
  }
  availableServers(): Promise<Entry[]> {
    return Promise.resolve(this.#servers().filter((entry) => entry.server!.availableSessions > 0));
  }
  allServers(): Promise<Entry[]> {
    return Promise.resolve(this.#servers());
  }
  post(entry: Entry): Promise<void> {
    this.#entries.set(entry.static, entry);
    return Promise.resolve();
  }
  remove(entry: Entry): Promise<void> {
    this.#entries.delete(entry.static);
    return Promise.resolve();
  }
  #servers(): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.server !== undefined);
  }
}
