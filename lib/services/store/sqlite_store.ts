/**
 * Entries in SQLite: in memory, or in a file that survives a restart. One process per file.
 *
 * Time is passed in: no clock and no random in SQL. An expired row is invisible at once, and deleted by and by
 * with later puts.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import type { EntryCounts, EntryStore, PutOptions, StoredEntry } from "./entry_store.ts";
import { type Row, Sqlite, type SqliteOptions } from "./_sqlite.ts";
import { PURGED_PER_PUT, purgeOf } from "./_sqlite_purge.ts";

/** Opens the data base and makes its tables. Throws `StoreError`. */
export class SqliteEntryStore implements EntryStore {
  readonly #sqlite: Sqlite;
  readonly #statements: Statements;

  constructor(options: SqliteOptions) {
    this.#sqlite = new Sqlite(options, TABLES);
    this.#statements = prepare(this.#sqlite);
  }

  get(key: PublicKey): Promise<string | undefined> {
    return this.#sqlite.ask(() => text(this.#statements.get.get(key, this.#sqlite.nowMs())));
  }

  put(entry: StoredEntry, { ttlMs, replaces }: PutOptions): Promise<boolean> {
    return this.#sqlite.write(() => {
      const nowMs = this.#sqlite.nowMs();
      const columns = [
        entry.text,
        nowMs + ttlMs,
        entry.delegatedServers === undefined ? 0 : 1,
        entry.isVisor ? 1 : 0,
        entry.availableSessions ?? null,
      ];
      const delegated = (entry.delegatedServers ?? []).join(" ");
      // Nearly every announcement names the same servers as before: one statement, which is whole by itself.
      if (replaces !== undefined) {
        const { changes } = this.#statements.announce.run(...columns, entry.key, replaces, nowMs, delegated);
        if (changes !== 0) return true;
      }
      return this.#sqlite.transaction(() => {
        this.#statements.purge(nowMs, PURGED_PER_PUT);
        if (text(this.#statements.get.get(entry.key, nowMs)) !== replaces) return false;
        this.#statements.put.run(entry.key, ...columns, delegated);
        this.#statements.undelegate.run(entry.key);
        for (const server of entry.delegatedServers ?? []) this.#statements.delegate.run(server, entry.key);
        return true;
      });
    });
  }

  remove(key: PublicKey): Promise<boolean> {
    return this.#sqlite.write(() => this.#statements.remove.run(key, this.#sqlite.nowMs()).changes !== 0);
  }

  batch(keys: readonly PublicKey[]): Promise<Map<PublicKey, string>> {
    return this.#sqlite.ask(() => {
      const nowMs = this.#sqlite.nowMs();
      const found = new Map<PublicKey, string>();
      for (const key of keys) {
        const entry = text(this.#statements.get.get(key, nowMs));
        if (entry !== undefined) found.set(key, entry);
      }
      return found;
    });
  }

  clientKeys(): Promise<PublicKey[]> {
    return this.#sqlite.ask(() => keysOf(this.#statements.clientKeys.all(this.#sqlite.nowMs())));
  }

  visorKeys(): Promise<PublicKey[]> {
    return this.#sqlite.ask(() => keysOf(this.#statements.visorKeys.all(this.#sqlite.nowMs())));
  }

  allServers(): Promise<string[]> {
    return this.#sqlite.ask(() => textsOf(this.#statements.allServers.all(this.#sqlite.nowMs())));
  }

  availableServers(): Promise<string[]> {
    return this.#sqlite.ask(() => textsOf(this.#statements.availableServers.all(this.#sqlite.nowMs())));
  }

  clientsOf(server: PublicKey): Promise<PublicKey[]> {
    return this.#sqlite.ask(() => keysOf(this.#statements.clientsOf.all(server, this.#sqlite.nowMs())));
  }

  clientsByServer(): Promise<Map<PublicKey, PublicKey[]>> {
    return this.#sqlite.ask(() => {
      const clients = new Map<PublicKey, PublicKey[]>();
      for (const row of this.#statements.delegations.iterate(this.#sqlite.nowMs())) {
        const server = row.server as PublicKey;
        const known = clients.get(server);
        if (known === undefined) clients.set(server, [row.key as PublicKey]);
        else known.push(row.key as PublicKey);
      }
      return clients;
    });
  }

  counts(): Promise<EntryCounts> {
    return this.#sqlite.ask(() => {
      const row = this.#statements.counts.get(this.#sqlite.nowMs())!;
      return { clients: Number(row.clients), visors: Number(row.visors), servers: Number(row.servers) };
    });
  }

  shortenClients(ttlMs: number): Promise<void> {
    return this.#sqlite.write(() => void this.#statements.shortenClients.run(this.#sqlite.nowMs() + ttlMs));
  }

  check(): Promise<void> {
    return this.#sqlite.check();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#sqlite.close();
    return Promise.resolve();
  }
}

const text = (row: Row | undefined) => row?.text as string | undefined;
const textsOf = (rows: readonly Row[]) => rows.map((row) => row.text as string);
const keysOf = (rows: readonly Row[]) => rows.map((row) => row.key as PublicKey);

const TABLES = `
  PRAGMA foreign_keys = ON;
  CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    is_client INTEGER NOT NULL,
    is_visor INTEGER NOT NULL,
    available_sessions INTEGER,
    delegated TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS entries_by_expiry ON entries (expires_ms);
  CREATE INDEX IF NOT EXISTS servers ON entries (available_sessions) WHERE available_sessions IS NOT NULL;
  CREATE TABLE IF NOT EXISTS delegations (
    server TEXT NOT NULL,
    client TEXT NOT NULL REFERENCES entries (key) ON DELETE CASCADE,
    PRIMARY KEY (server, client)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS delegations_by_client ON delegations (client);
`;

type Statements = ReturnType<typeof prepare>;

function prepare(sqlite: Sqlite) {
  const statement = (sql: string) => sqlite.statement(sql);
  return {
    get: statement("SELECT text FROM entries WHERE key = ? AND expires_ms > ?"),
    announce: statement(`
      UPDATE entries SET text = ?, expires_ms = ?, is_client = ?, is_visor = ?, available_sessions = ?
      WHERE key = ? AND text = ? AND expires_ms > ? AND delegated = ?`),
    put: statement(`
      INSERT INTO entries (key, text, expires_ms, is_client, is_visor, available_sessions, delegated)
      VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (key) DO UPDATE SET text = excluded.text, expires_ms = excluded.expires_ms,
        is_client = excluded.is_client, is_visor = excluded.is_visor,
        available_sessions = excluded.available_sessions, delegated = excluded.delegated`),
    delegate: statement("INSERT OR IGNORE INTO delegations (server, client) VALUES (?, ?)"),
    undelegate: statement("DELETE FROM delegations WHERE client = ?"),
    remove: statement("DELETE FROM entries WHERE key = ? AND expires_ms > ?"),
    shortenClients: statement(`
      UPDATE entries SET expires_ms = ?1 WHERE is_client = 1 AND available_sessions IS NULL AND expires_ms > ?1`),
    purge: purgeOf(sqlite, { table: "entries", rows: "key", by: "expires_ms" }),
    clientKeys: statement("SELECT key FROM entries WHERE is_client = 1 AND expires_ms > ?"),
    visorKeys: statement("SELECT key FROM entries WHERE is_visor = 1 AND expires_ms > ?"),
    allServers: statement(
      "SELECT text FROM entries WHERE available_sessions IS NOT NULL AND expires_ms > ?",
    ),
    availableServers: statement(`
      SELECT text FROM entries WHERE available_sessions > 0 AND expires_ms > ?
      ORDER BY available_sessions DESC`),
    clientsOf: statement(`
      SELECT key FROM delegations JOIN entries ON key = client WHERE server = ? AND expires_ms > ?`),
    delegations: statement(
      "SELECT server, key FROM delegations JOIN entries ON key = client WHERE expires_ms > ?",
    ),
    counts: statement(`
      SELECT total(is_client) AS clients, total(is_visor) AS visors, count(available_sessions) AS servers
      FROM entries WHERE expires_ms > ?`),
  };
}
