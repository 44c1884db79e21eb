/** Which store a setting names. @module */
import type { World } from "../../runtime/mod.ts";
import { type EntryStore, InvalidStoreNameError } from "./entry_store.ts";
import { SqliteEntryStore } from "./sqlite_store.ts";

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
  // SQLite takes an empty name for a file that is gone at the end; a URL may hold a password, so it is not shown.
  const unknown = name === "" ? "Nothing" : /^([a-z][a-z0-9+.-]+):\/\//i.exec(name)?.[1];
  if (unknown !== undefined) {
    throw new InvalidStoreNameError(`${unknown} is no kind of store`, {
      hint: "name memory, a file, or redis://host:port",
    });
  }
  return new SqliteEntryStore({ path: name, clock, ledger });
}
