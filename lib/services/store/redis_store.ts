/**
 * Entries in Redis: for several instances of one discovery, and for a data base that others wrote.
 *
 * Redis keeps the time to live by its own clock. Lists drop the members whose entry is gone.
 *
 * @module
 */
import type { Redis } from "ioredis";
import type { Ledger } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { DROP, PUT, REMOVE, ROLE_SETS } from "./_redis_scripts.ts";
import {
  type EntryCounts,
  type EntryStore,
  InvalidStoreNameError,
  type PutOptions,
  type StoredEntry,
  StoreError,
} from "./entry_store.ts";

export interface RedisEntryStoreOptions {
  /** `redis://[:password@]host[:port][/number]`. */
  readonly url: string;
  /** Counts the open connection as kind `store`. */
  readonly ledger?: Ledger;
}

/** A Redis with our scripts, as commands of their own. */
interface ScriptedRedis extends Redis {
  putEntry(...keysAndArguments: (string | number)[]): Promise<number>;
  removeEntry(...keys: string[]): Promise<number>;
  dropMembers(set: string, ...keys: string[]): Promise<number>;
}

export class RedisEntryStore implements EntryStore {
  readonly #url: string;
  readonly #release: (() => void) | undefined;
  #connection: Promise<ScriptedRedis>;
  #open = true;

  private constructor(url: string, first: ScriptedRedis, release: (() => void) | undefined) {
    this.#url = url;
    this.#connection = Promise.resolve(first);
    this.#release = release;
  }

  /** Connects. Rejects with {@link InvalidStoreNameError}, and with {@link StoreError} when nobody answers within {@link CONNECT_TIMEOUT_MS}. */
  static async open({ url, ledger }: RedisEntryStoreOptions): Promise<RedisEntryStore> {
    return new RedisEntryStore(url, await connect(url), ledger?.open("store"));
  }

  get(key: PublicKey): Promise<string | undefined> {
    return this.#ask(async (redis) => await redis.get(key) ?? undefined);
  }

  put(entry: StoredEntry, { ttlMs, replaces }: PutOptions): Promise<boolean> {
    const roles = [
      entry.delegatedServers !== undefined,
      entry.isVisor,
      entry.availableSessions !== undefined,
    ];
    return this.#ask(async (redis) =>
      await redis.putEntry(
        entry.key,
        ...ROLE_SETS,
        entry.text,
        Math.max(1, Math.floor(ttlMs)),
        replaces === undefined ? "0" : "1",
        replaces ?? "",
        ...roles.map((has) => has ? "1" : "0"),
      ) === 1
    );
  }

  remove(key: PublicKey): Promise<boolean> {
    return this.#ask(async (redis) => await redis.removeEntry(key, ...ROLE_SETS) === 1);
  }

  batch(keys: readonly PublicKey[]): Promise<Map<PublicKey, string>> {
    return this.#ask(async (redis) => {
      const found = new Map<PublicKey, string>();
      for await (const [key, entry] of read(redis, keys)) {
        if (entry !== null && foreignEntry(key, entry) !== undefined) found.set(key, entry);
      }
      return found;
    });
  }

  clientKeys(): Promise<PublicKey[]> {
    return this.#ask(async (redis) => (await membersOf(redis, "clients")).map(([key]) => key));
  }

  visorKeys(): Promise<PublicKey[]> {
    return this.#ask(async (redis) => (await membersOf(redis, "visorClients")).map(([key]) => key));
  }

  allServers(): Promise<string[]> {
    return this.#ask(async (redis) =>
      (await membersOf(redis, "servers"))
        .filter(([key, entry]) => foreignEntry(key, entry) !== undefined)
        .map(([, entry]) => entry)
    );
  }

  availableServers(): Promise<string[]> {
    return this.#ask(async (redis) =>
      (await membersOf(redis, "servers"))
        .map(([key, entry]) => ({ entry, free: factsOf(key, entry).availableSessions }))
        .filter(({ free }) => free > 0)
        .sort((a, b) => b.free - a.free)
        .map(({ entry }) => entry)
    );
  }

  clientsOf(server: PublicKey): Promise<PublicKey[]> {
    return this.#ask(async (redis) =>
      (await membersOf(redis, "clients"))
        .filter(([key, entry]) => factsOf(key, entry).delegatedServers.includes(server))
        .map(([key]) => key)
    );
  }

  clientsByServer(): Promise<Map<PublicKey, PublicKey[]>> {
    return this.#ask(async (redis) => {
      const clients = new Map<PublicKey, PublicKey[]>();
      for (const [key, entry] of await membersOf(redis, "clients")) {
        for (const server of new Set(factsOf(key, entry).delegatedServers)) {
          const known = clients.get(server);
          if (known === undefined) clients.set(server, [key]);
          else known.push(key);
        }
      }
      return clients;
    });
  }

  counts(): Promise<EntryCounts> {
    return this.#ask(async (redis) => {
      const [clients, visors, servers] = await Promise.all(ROLE_SETS.map((set) => membersOf(redis, set)));
      return { clients: clients!.length, visors: visors!.length, servers: servers!.length };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    try {
      const redis = await this.#connection;
      // What was asked is answered first; a server that answers no more does not hold us.
      if (redis.status === "ready") await redis.quit().catch(() => redis.disconnect());
    } catch {
      // it is gone already: that is what was wanted
    }
    this.#release?.();
  }

  async #ask<T>(question: (redis: ScriptedRedis) => Promise<T>): Promise<T> {
    try {
      return await question(await this.#connected());
    } catch (cause) {
      throw cause instanceof StoreError ? cause : new StoreError("Cannot use the Redis store", { cause });
    }
  }

  /**
   * The connection; a new one when it has ended. ioredis could do that by itself, but with timers that outlive
   * a close; here the next question dials, and all that wait share the dial.
   */
  async #connected(): Promise<ScriptedRedis> {
    if (!this.#open) throw new StoreError("Cannot use the Redis store: it is closed");
    const current = this.#connection;
    const usable = await current.then((redis) => redis.status !== "end", () => false);
    if (!usable && this.#connection === current) this.#connection = connect(this.#url);
    return await this.#connection;
  }
}

async function connect(url: string): Promise<ScriptedRedis> {
  const where = placeOf(url);
  const { Redis } = await import("ioredis"); // only who uses Redis pays for it
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    retryStrategy: () => null,
    autoResendUnfulfilledCommands: false, // a put that may have happened is not done twice
  });
  let failure: unknown; // the socket's own reason; what `connect` rejects with says only that it ended
  redis.on("error", (error) => failure ??= error); // without a listener it would go to the console
  redis.defineCommand("putEntry", { numberOfKeys: 1 + ROLE_SETS.length, lua: PUT });
  redis.defineCommand("removeEntry", { numberOfKeys: 1 + ROLE_SETS.length, lua: REMOVE });
  redis.defineCommand("dropMembers", { numberOfKeys: 1, lua: DROP });
  try {
    await redis.connect();
  } catch (cause) {
    if (redis.status !== "end") redis.disconnect(); // it connected, and was refused for its password, for one
    throw new StoreError(`Cannot connect to Redis at ${where}`, {
      cause: failure ?? cause,
      hint: "start redis-server, or leave the store in memory",
    });
  }
  return redis as ScriptedRedis;
}

/** The members of a set that have an entry, with it; the others leave the set. */
async function membersOf(
  redis: ScriptedRedis,
  set: typeof ROLE_SETS[number],
): Promise<[PublicKey, string][]> {
  const members: [PublicKey, string][] = [];
  const gone: PublicKey[] = [];
  const keys = (await redis.smembers(set)).filter(isKey);
  for await (const [key, entry] of read(redis, keys)) {
    if (entry === null) gone.push(key);
    else members.push([key, entry]);
  }
  for (let at = 0; at < gone.length; at += BATCH) {
    await redis.dropMembers(set, ...gone.slice(at, at + BATCH));
  }
  return members;
}

/** The texts of `keys`, null for each that is gone, {@link BATCH} per question. */
async function* read(
  redis: ScriptedRedis,
  keys: readonly PublicKey[],
): AsyncGenerator<readonly [PublicKey, string | null]> {
  for (let at = 0; at < keys.length; at += BATCH) {
    const batch = keys.slice(at, at + BATCH);
    const entries = await redis.mget(batch);
    for (let index = 0; index < batch.length; index++) yield [batch[index]!, entries[index]!];
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
    delegatedServers: Array.isArray(delegatedServers) ? delegatedServers.filter(isKey) : [],
  };
}

interface ForeignEntry {
  readonly static?: unknown;
  readonly server?: { readonly availableSessions?: unknown } | null;
  readonly client?: { readonly delegated_servers?: unknown } | null;
}

/** The shape alone: what is stored was validated when it was posted. */
function isKey(value: unknown): value is PublicKey {
  return typeof value === "string" && /^0[23][0-9a-f]{64}$/.test(value);
}

/** Host, port and number of a URL, without name and password. Throws {@link InvalidStoreNameError} for what is no URL. */
function placeOf(url: string): string {
  try {
    const { protocol, host, pathname, username, password } = new URL(url);
    decodeURIComponent(username + password); // as ioredis will do
    if (host !== "") return `${protocol}//${host}${pathname}`;
  } catch {
    // said below, without the text, which may hold a password
  }
  throw new InvalidStoreNameError("Not the URL of a Redis (not shown: it may hold a password)", {
    hint: "write redis://[:password@]host[:port][/number], with %-escapes in the password",
  });
}

/** Above the slowest start of a Redis nearby, below an operator's patience. */
const CONNECT_TIMEOUT_MS = 5_000;
/** A Redis that answers later than this is as good as gone; the caller's own time-out is not shorter. */
const COMMAND_TIMEOUT_MS = 5_000;
/** Keys per question: some 0.5 MB of entries, so that one list neither fills memory nor holds Redis up. */
const BATCH = 1_000;
