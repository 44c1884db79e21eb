/** Which store a setting names. @module */
import type { Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import type { World } from "../../runtime/mod.ts";
import type { BindingStore } from "./binding_store.ts";
import type { EntryStore } from "./entry_store.ts";
import type { RedisOptions } from "./redis/mod.ts";
import type { SqliteOptions } from "./_sqlite.ts";
import type { ServiceStore } from "./service_store.ts";
import { SqliteBindingStore } from "./sqlite_binding_store.ts";
import { SqliteServiceStore } from "./sqlite_service_store.ts";
import { SqliteEntryStore } from "./sqlite_store.ts";
import { SqliteTransportStore } from "./sqlite_transport_store.ts";
import { SqliteUptimeStore } from "./sqlite_uptime_store.ts";
import { InvalidStoreNameError } from "./store.ts";
import type { TransportStore } from "./transport_store.ts";
import type { UptimesOf, UptimeStore } from "./uptime_store.ts";

/** What opening a store needs. */
export interface OpenStoreOptions {
  /** Connections to Redis at most. Default 10. */
  readonly redisPoolSize?: number;
}

type StoreWorld = Pick<World, "clock" | "ledger">;

/**
 * Opens the store that `name` says: `memory`, a `redis://` or `rediss://` URL, else the path of a SQLite file.
 * Rejects with `StoreError`; with `StoreInUseError` for a file that another process has; with `InvalidStoreNameError`
 * for another kind of URL, `file:` among them, and for nothing.
 */
export function openEntryStore(
  name: string,
  world: StoreWorld,
  options?: OpenStoreOptions,
): Promise<EntryStore> {
  return open<EntryStore>(name, world, options, {
    sqlite: (given) => new SqliteEntryStore(given),
    redis: ({ RedisEntryStore }, given) => RedisEntryStore.open(given),
  });
}

/** The store of a transport discovery. Names and errors as of `openEntryStore`. */
export function openTransportStore(
  name: string,
  world: StoreWorld,
  options?: OpenStoreOptions,
): Promise<TransportStore> {
  return open<TransportStore>(name, world, options, {
    sqlite: (given) => new SqliteTransportStore(given),
    redis: ({ RedisTransportStore }, given) => RedisTransportStore.open(given),
  });
}

/** The store of an address resolver. Names and errors as of `openEntryStore`. */
export function openBindingStore(
  name: string,
  world: StoreWorld,
  options?: OpenStoreOptions,
): Promise<BindingStore> {
  return open<BindingStore>(name, world, options, {
    sqlite: (given) => new SqliteBindingStore(given),
    redis: ({ RedisBindingStore }, given) => RedisBindingStore.open(given),
  });
}

/** The store of a service discovery. Names and errors as of `openEntryStore`. */
export function openServiceStore(
  name: string,
  world: StoreWorld,
  options?: OpenStoreOptions,
): Promise<ServiceStore> {
  return open<ServiceStore>(name, world, options, {
    sqlite: (given) => new SqliteServiceStore(given),
    redis: ({ RedisServiceStore }, given) => RedisServiceStore.open(given),
  });
}

/**
 * A store of uptimes, by default an uptime tracker's; `log` is told when the clock that it counts by is not this
 * machine's. Names and errors as of `openEntryStore`.
 */
export function openUptimeStore<Key extends string = PublicKey>(
  name: string,
  world: StoreWorld,
  { of, log, ...options }: OpenStoreOptions & { readonly of?: UptimesOf; readonly log?: Log } = {},
): Promise<UptimeStore<Key>> {
  return open<UptimeStore<Key>>(name, world, options, {
    sqlite: (given) => new SqliteUptimeStore<Key>({ ...given, of }),
    redis: ({ RedisUptimeStore }, given) =>
      RedisUptimeStore.open<Key>({ ...given, clock: world.clock, of, log }),
  });
}

interface Kinds<S> {
  readonly sqlite: (options: SqliteOptions) => S;
  readonly redis: (stores: typeof import("./redis/mod.ts"), options: RedisOptions) => Promise<S>;
}

async function open<S>(
  name: string,
  { clock, ledger }: StoreWorld,
  { redisPoolSize: poolSize }: OpenStoreOptions = {},
  { sqlite, redis }: Kinds<S>,
): Promise<S> {
  if (name === "memory") return sqlite({ clock, ledger });
  if (!/^rediss?:\/\//i.test(name)) return sqlite({ path: fileOf(name), clock, ledger });
  return await redis(await import("./redis/mod.ts"), { url: name, poolSize, clock, ledger });
}

/**
 * SQLite takes an empty name for a file that is gone at the end, and `file:` for the start of a URL, whose path we do not
 * know: its file would be readable by everybody. A URL may hold a password, so it is not shown.
 */
function fileOf(name: string): string {
  const unknown = name === "" ? "Nothing" : /^(file(?=:)|[a-z][a-z0-9+.-]+(?=:\/\/))/i.exec(name)?.[1];
  if (unknown === undefined) return name;
  throw new InvalidStoreNameError(`${unknown} is no kind of store`, {
    hint: "name memory, the path of a file, or redis://host:port",
  });
}
