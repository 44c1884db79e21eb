/** Which store a setting names. @module */
import type { World } from "../../runtime/mod.ts";
import type { BindingStore } from "./binding_store.ts";
import { type EntryStore, InvalidStoreNameError } from "./entry_store.ts";
import type { ServiceStore } from "./service_store.ts";
import { SqliteBindingStore } from "./sqlite_binding_store.ts";
import { SqliteServiceStore } from "./sqlite_service_store.ts";
import { SqliteEntryStore } from "./sqlite_store.ts";
import { SqliteTransportStore } from "./sqlite_transport_store.ts";
import { SqliteUptimeStore } from "./sqlite_uptime_store.ts";
import type { TransportStore } from "./transport_store.ts";
import type { UptimeStore } from "./uptime_store.ts";

/**
 * Opens the store that `name` says: `memory`, a `redis://` or `rediss://` URL, else the path of a SQLite file.
 * Rejects with `StoreError`; with `InvalidStoreNameError` for another kind of URL, and for nothing.
 */
export async function openEntryStore(
  name: string,
  { clock, ledger }: Pick<World, "clock" | "ledger">,
): Promise<EntryStore> {
  if (name === "memory") return new SqliteEntryStore({ clock, ledger });
  if (/^rediss?:\/\//i.test(name)) {
    const { RedisEntryStore } = await import("./redis_store.ts");
    return await RedisEntryStore.open({ url: name, ledger });
  }
  return new SqliteEntryStore({ path: fileOf(name), clock, ledger });
}

/** The store of a transport discovery: `memory`, or the path of a SQLite file. Errors as `openEntryStore`. */
export async function openTransportStore(
  name: string,
  { clock, ledger }: Pick<World, "clock" | "ledger">,
): Promise<TransportStore> {
  return new SqliteTransportStore({ path: memoryOrFile(name), clock, ledger });
}

/** The store of an address resolver: `memory`, or the path of a SQLite file. Errors as `openEntryStore`. */
export async function openBindingStore(
  name: string,
  { clock, ledger }: Pick<World, "clock" | "ledger">,
): Promise<BindingStore> {
  return new SqliteBindingStore({ path: memoryOrFile(name), clock, ledger });
}

/** The store of a service discovery: `memory`, or the path of a SQLite file. Errors as `openEntryStore`. */
export async function openServiceStore(
  name: string,
  { clock, ledger }: Pick<World, "clock" | "ledger">,
): Promise<ServiceStore> {
  return new SqliteServiceStore({ path: memoryOrFile(name), clock, ledger });
}

/** The store of an uptime tracker: `memory`, or the path of a SQLite file. Errors as `openEntryStore`. */
export async function openUptimeStore(
  name: string,
  { clock, ledger }: Pick<World, "clock" | "ledger">,
): Promise<UptimeStore> {
  return new SqliteUptimeStore({ path: memoryOrFile(name), clock, ledger });
}

function memoryOrFile(name: string): string | undefined {
  if (name === "memory") return undefined;
  if (!/^rediss?:\/\//i.test(name)) return fileOf(name);
  throw new InvalidStoreNameError("Redis is no store of this service", { hint: "name memory, or a file" });
}

/** SQLite takes an empty name for a file that is gone at the end; a URL may hold a password, so it is not shown. */
function fileOf(name: string): string {
  const unknown = name === "" ? "Nothing" : /^([a-z][a-z0-9+.-]+):\/\//i.exec(name)?.[1];
  if (unknown === undefined) return name;
  throw new InvalidStoreNameError(`${unknown} is no kind of store`, {
    hint: "name memory, a file, or redis://host:port",
  });
}
