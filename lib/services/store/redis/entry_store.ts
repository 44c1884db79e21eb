/**
 * Entries in Redis: for several instances of one discovery, and for a data base that others wrote.
 *
 * Redis keeps the time to live by its own clock. Lists drop the members whose entry is gone.
 *
 * @module
 */
import type { PublicKey } from "../../../crypto/mod.ts";
import type { EntryCounts, EntryStore, PutOptions, StoredEntry } from "../entry_store.ts";
import { PUT, REMOVE, ROLE_SETS, SHORTEN_CLIENTS } from "./_entry_scripts.ts";
import { hasKeyShape } from "./_key_shape.ts";
import { BATCH, MEMBER_SCRIPTS, readMembers, readTexts } from "./_members.ts";
import { type RedisOptions, RedisPool } from "./_pool.ts";

const SCRIPTS = { ...MEMBER_SCRIPTS, putEntry: PUT, removeEntry: REMOVE, shortenClients: SHORTEN_CLIENTS };
/** The keys of dmsg, section 9.5, have none. */
const PREFIX = "";
/** Of the names of half the entries: public keys begin with it. */
const KEY_BEGIN = "02";

export class RedisEntryStore implements EntryStore {
  readonly #pool: RedisPool;

  private constructor(pool: RedisPool) {
    this.#pool = pool;
  }

  /** Connects. Rejects with `InvalidStoreNameError`, and with `StoreError` when nobody answers within 5 s. */
  static async open(options: RedisOptions): Promise<RedisEntryStore> {
    return new RedisEntryStore(await RedisPool.open(options, SCRIPTS));
  }

  check(): Promise<void> {
    return this.#pool.check(KEY_BEGIN);
  }

  get(key: PublicKey): Promise<string | undefined> {
    return this.#pool.ask(async (redis) => await redis.get(key) ?? undefined);
  }

  async put(entry: StoredEntry, { ttlMs, replaces }: PutOptions): Promise<boolean> {
    const roles = [
      entry.delegatedServers !== undefined,
      entry.isVisor,
      entry.availableSessions !== undefined,
    ];
    const stored = await this.#pool.run(
      "putEntry",
      PREFIX,
      entry.key,
      entry.text,
      Math.max(1, Math.floor(ttlMs)),
      replaces === undefined ? "0" : "1",
      replaces ?? "",
      ...roles.map((has) => has ? "1" : "0"),
    );
    return stored === 1;
  }

  async remove(key: PublicKey): Promise<boolean> {
    return await this.#pool.run("removeEntry", PREFIX, key) === 1;
  }

  async batch(keys: readonly PublicKey[]): Promise<Map<PublicKey, string>> {
    const texts = await readTexts(this.#pool, keys);
    const found = new Map<PublicKey, string>();
    for (const [at, key] of keys.entries()) {
      const text = texts[at];
      if (typeof text === "string" && foreignEntry(key, text) !== undefined) found.set(key, text);
    }
    return found;
  }

  async clientKeys(): Promise<PublicKey[]> {
    return (await this.#membersOf("clients")).map(([key]) => key);
  }

  async visorKeys(): Promise<PublicKey[]> {
    return (await this.#membersOf("visorClients")).map(([key]) => key);
  }

  async allServers(): Promise<string[]> {
    return (await this.#membersOf("servers"))
      .filter(([key, entry]) => foreignEntry(key, entry) !== undefined)
      .map(([, entry]) => entry);
  }

  async availableServers(): Promise<string[]> {
    return (await this.#membersOf("servers"))
      .map(([key, entry]) => ({ entry, free: factsOf(key, entry).availableSessions }))
      .filter(({ free }) => free > 0)
      .sort((a, b) => b.free - a.free)
      .map(({ entry }) => entry);
  }

  async clientsOf(server: PublicKey): Promise<PublicKey[]> {
    return (await this.#membersOf("clients"))
      .filter(([key, entry]) => factsOf(key, entry).delegatedServers.includes(server))
      .map(([key]) => key);
  }

  async clientsByServer(): Promise<Map<PublicKey, PublicKey[]>> {
    const clients = new Map<PublicKey, PublicKey[]>();
    for (const [key, entry] of await this.#membersOf("clients")) {
      for (const server of new Set(factsOf(key, entry).delegatedServers)) {
        const known = clients.get(server);
        if (known === undefined) clients.set(server, [key]);
        else known.push(key);
      }
    }
    return clients;
  }

  async counts(): Promise<EntryCounts> {
    const [clients, visors, servers] = await Promise.all(ROLE_SETS.map((set) => this.#membersOf(set)));
    return { clients: clients!.length, visors: visors!.length, servers: servers!.length };
  }

  async shortenClients(ttlMs: number): Promise<void> {
    const keys = (await this.#pool.ask((redis) => redis.smembers("clients"))).filter(hasKeyShape);
    for (let at = 0; at < keys.length; at += BATCH) {
      await this.#pool.run("shortenClients", PREFIX, Math.ceil(ttlMs), ...keys.slice(at, at + BATCH));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool[Symbol.asyncDispose]();
  }

  /** The members of a set that have an entry, with it; the others leave the set. */
  async #membersOf(set: typeof ROLE_SETS[number]): Promise<[PublicKey, string][]> {
    const members = await this.#pool.ask((redis) => redis.smembers(set));
    return await readMembers(this.#pool, set, members.filter(hasKeyShape), (key) => key) as [
      PublicKey,
      string,
    ][];
  }
}

/**
 * What is stored under `key`, if it is an entry of that key. Others may have written it: what is none stays out of
 * every list of entries, which it would make unreadable as a whole.
 */
function foreignEntry(key: PublicKey, entry: string): ForeignEntry | undefined {
  try {
    const parsed = JSON.parse(entry) as ForeignEntry | null;
    return parsed?.static === key ? parsed : undefined;
  } catch {
    return undefined; // not ours to repair: it is handed out as it is by its key
  }
}

/** What a stored entry says about its roles: whatever is not as expected counts as absent. */
function factsOf(
  key: PublicKey,
  entry: string,
): { availableSessions: number; delegatedServers: PublicKey[] } {
  const parsed = foreignEntry(key, entry);
  const availableSessions = parsed?.server?.availableSessions;
  const delegatedServers = parsed?.client?.delegated_servers;
  return {
    availableSessions: typeof availableSessions === "number" ? availableSessions : 0,
    delegatedServers: Array.isArray(delegatedServers) ? delegatedServers.filter(hasKeyShape) : [],
  };
}

interface ForeignEntry {
  readonly static?: unknown;
  readonly server?: { readonly availableSessions?: unknown } | null;
  readonly client?: { readonly delegated_servers?: unknown } | null;
}
