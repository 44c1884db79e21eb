/** Services in SQLite: in memory, or in a file that survives a restart. One process per file. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import { readService, type ServiceRecord, wireService } from "../../directory/mod.ts";
import type { PutService, ServiceStore } from "./service_store.ts";
import { Sqlite, type SqliteOptions } from "./_sqlite.ts";
import { nonceTables, SqliteNonces } from "./_sqlite_nonces.ts";
import { type Purge, PURGED_PER_PUT, purgeOf } from "./_sqlite_purge.ts";

export interface SqliteServiceStoreOptions extends SqliteOptions {
  /** Keys whose nonce is kept. */
  readonly noncesMax?: number;
}

/** Opens the data base and makes its tables. Throws `StoreError`. */
export class SqliteServiceStore implements ServiceStore {
  readonly nonces: SqliteNonces;
  readonly #sqlite: Sqlite;
  readonly #statements;
  readonly #purge: Purge;

  constructor({ noncesMax, ...options }: SqliteServiceStoreOptions) {
    const sqlite = this.#sqlite = new Sqlite(options, TABLES);
    this.nonces = new SqliteNonces(sqlite, PREFIX, noncesMax);
    this.#statements = {
      renew: sqlite.statement(`
        UPDATE services SET record = ?, block = ?, ends_ms = ? WHERE type = ? AND key = ? AND ends_ms > ?`),
      countOfKey: sqlite.statement("SELECT count(*) AS count FROM services WHERE key = ? AND ends_ms > ?"),
      countOfBlock: sqlite.statement(
        "SELECT count(*) AS count FROM services WHERE block = ? AND ends_ms > ?",
      ),
      countOfType: sqlite.statement("SELECT count(*) AS count FROM services WHERE type = ? AND ends_ms > ?"),
      put: sqlite.statement(`
        INSERT OR REPLACE INTO services (type, key, record, block, ends_ms) VALUES (?, ?, ?, ?, ?)`),
      keys: sqlite.statement("SELECT key FROM services WHERE type = ? AND ends_ms > ? ORDER BY number"),
      get: sqlite.statement("SELECT record FROM services WHERE type = ? AND key = ? AND ends_ms > ?"),
      remove: sqlite.statement("DELETE FROM services WHERE type = ? AND key = ? AND ends_ms > ?"),
      shorten: sqlite.statement("UPDATE services SET ends_ms = ?1 WHERE ends_ms > ?1"),
    };
    this.#purge = purgeOf(sqlite, { table: "services", rows: "number", by: "ends_ms" });
  }

  put(
    record: ServiceRecord,
    { ttlMs, typesMax, recordsMax = Infinity, block }: PutService,
  ): Promise<boolean> {
    return this.#sqlite.write(() => {
      const { type, publicKey } = record;
      const [nowMs, endsMs] = [this.#sqlite.nowMs(), this.#sqlite.endMs(ttlMs)];
      const text = JSON.stringify(wireService(record));
      const from = block?.text ?? "";
      // Nearly every registration renews what is there: one statement.
      if (this.#statements.renew.run(text, from, endsMs, type, publicKey, nowMs).changes !== 0) return true;
      if (this.#statements.countOfKey.get(publicKey, nowMs)!.count as number >= typesMax) return false;
      if (block !== undefined) {
        const count = this.#statements.countOfBlock.get(block.text, nowMs)!.count as number;
        if (count >= block.recordsMax) return false;
      }
      if (this.#statements.countOfType.get(type, nowMs)!.count as number >= recordsMax) return false;
      this.#statements.put.run(type, publicKey, text, from, endsMs);
      this.#purge(nowMs, PURGED_PER_PUT);
      return true;
    });
  }

  keys(type: string): Promise<PublicKey[]> {
    return this.#sqlite.ask(() =>
      this.#statements.keys.all(type, this.#sqlite.nowMs()).map((row) => row.key as PublicKey)
    );
  }

  batch(type: string, keys: readonly PublicKey[]): Promise<ServiceRecord[]> {
    return this.#sqlite.ask(() => {
      const nowMs = this.#sqlite.nowMs();
      return keys.flatMap((key) => {
        const row = this.#statements.get.get(type, key, nowMs);
        return row === undefined ? [] : readService(JSON.parse(row.record as string)) ?? [];
      });
    });
  }

  remove(type: string, keys: readonly PublicKey[]): Promise<number> {
    return this.#sqlite.write(() => {
      const nowMs = this.#sqlite.nowMs();
      return this.#sqlite.transaction(() =>
        keys.filter((key) => this.#statements.remove.run(type, key, nowMs).changes !== 0).length
      );
    });
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

const PREFIX = "service_discovery";

const TABLES = `
  CREATE TABLE IF NOT EXISTS services (
    number INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    record TEXT NOT NULL,
    block TEXT NOT NULL,
    ends_ms INTEGER NOT NULL,
    UNIQUE (type, key)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS services_by_key ON services (key);
  CREATE INDEX IF NOT EXISTS services_by_block ON services (block);
  CREATE INDEX IF NOT EXISTS services_by_end ON services (ends_ms);
  ${nonceTables(PREFIX)}
`;
