/** Addresses in SQLite: in memory, or in a file that survives a restart. One process per file. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { ResolvedType } from "../../directory/mod.ts";
import type { Binding, BindingStore } from "./binding_store.ts";
import { Sqlite, type SqliteOptions } from "./_sqlite.ts";
import { nonceTables, SqliteNonces } from "./_sqlite_nonces.ts";
import { type Purge, PURGED_PER_PUT, purgeOf } from "./_sqlite_purge.ts";

export interface SqliteBindingStoreOptions extends SqliteOptions {
  /** Keys whose nonce is kept. */
  readonly noncesMax?: number;
}

/** Opens the data base and makes its tables. Throws `StoreError`. */
export class SqliteBindingStore implements BindingStore {
  readonly nonces: SqliteNonces;
  readonly #sqlite: Sqlite;
  readonly #statements;
  readonly #purge: Purge;

  constructor({ noncesMax, ...options }: SqliteBindingStoreOptions) {
    const sqlite = this.#sqlite = new Sqlite(options, TABLES, { later: [HOLDER] });
    this.nonces = new SqliteNonces(sqlite, PREFIX, noncesMax);
    this.#statements = {
      put: sqlite.statement(`
        INSERT INTO bindings (type, key, remote_address, port, addresses, ends_ms, holder) VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (type, key) DO UPDATE SET remote_address = excluded.remote_address, port = excluded.port,
          addresses = excluded.addresses, ends_ms = excluded.ends_ms, holder = excluded.holder`),
      get: sqlite.statement(
        "SELECT remote_address, port, addresses, holder FROM bindings WHERE type = ? AND key = ? AND ends_ms > ?",
      ),
      remove: sqlite.statement(`
        DELETE FROM bindings WHERE type = ?1 AND key = ?2 AND ends_ms > ?3 AND (?4 = '' OR holder = ?4)`),
      keys: sqlite.statement("SELECT key FROM bindings WHERE type = ? AND ends_ms > ?"),
      shorten: sqlite.statement("UPDATE bindings SET ends_ms = ?1 WHERE ends_ms > ?1"),
    };
    this.#purge = purgeOf(sqlite, { table: "bindings", rows: "type, key", by: "ends_ms" });
  }

  put(
    type: ResolvedType,
    key: PublicKey,
    { remoteAddress, port, addresses, holder = "" }: Binding,
    { ttlMs }: { readonly ttlMs: number },
  ): Promise<void> {
    return this.#sqlite.write(() => {
      const endsMs = this.#sqlite.endMs(ttlMs);
      this.#statements.put.run(type, key, remoteAddress, port, addresses.join(" "), endsMs, holder);
      this.#purge(this.#sqlite.nowMs(), PURGED_PER_PUT);
    });
  }

  get(type: ResolvedType, key: PublicKey): Promise<Binding | undefined> {
    return this.#sqlite.ask(() => {
      const row = this.#statements.get.get(type, key, this.#sqlite.nowMs());
      if (row === undefined) return undefined;
      return {
        remoteAddress: row.remote_address as string,
        port: row.port as number,
        addresses: (row.addresses as string).split(" ").filter((address) => address !== ""),
        ...(row.holder === "" ? {} : { holder: row.holder as string }),
      };
    });
  }

  remove(
    type: ResolvedType,
    key: PublicKey,
    { holder = "" }: Pick<Binding, "holder"> = {},
  ): Promise<boolean> {
    return this.#sqlite.write(() =>
      this.#statements.remove.run(type, key, this.#sqlite.nowMs(), holder).changes !== 0
    );
  }

  keys(type: ResolvedType): Promise<PublicKey[]> {
    return this.#sqlite.ask(() =>
      this.#statements.keys.all(type, this.#sqlite.nowMs()).map((row) => row.key as PublicKey)
    );
  }

  shorten(ttlMs: number): Promise<void> {
    return this.#sqlite.write(() => void this.#statements.shorten.run(this.#sqlite.endMs(ttlMs)));
  }

  check(): Promise<void> {
    return this.#sqlite.check();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#sqlite.close();
    return Promise.resolve();
  }
}

const PREFIX = "address_resolver";

/** Whose session a binding is good for. */
const HOLDER = { table: "bindings", column: "holder", definition: "TEXT NOT NULL DEFAULT ''" };

const TABLES = `
  CREATE TABLE IF NOT EXISTS bindings (
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    remote_address TEXT NOT NULL,
    port INTEGER NOT NULL,
    addresses TEXT NOT NULL,
    ends_ms INTEGER NOT NULL,
    PRIMARY KEY (type, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS bindings_by_end ON bindings (ends_ms);
  ${nonceTables(PREFIX)}
`;
