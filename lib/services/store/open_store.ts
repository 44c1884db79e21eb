/** Which store a setting names. @module */
import type { World } from "../../runtime/mod.ts";
import type { EntryStore } from "./entry_store.ts";
import { SqliteEntryStore } from "./sqlite_store.ts";

/**
 * Opens the store that `name` says: `memory`, a `redis://` or `rediss://` URL, else the path of a SQLite file.
 * Rejects with `StoreError`.
 */
export async function openEntryStore(
  name: string,
  { clock, ledger }: Pick<World, "clock" | "ledger">,
): Promise<EntryStore> {
  if (name === "memory") return new SqliteEntryStore({ clock, ledger });
  if (/^rediss?:\/\//.test(name)) {
    const { RedisEntryStore } = await import("./redis_store.ts");
    return await RedisEntryStore.open({ url: name, ledger });
  }
  return new SqliteEntryStore({ path: name, clock, ledger });
}
