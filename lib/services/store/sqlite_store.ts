/**
 * Entries in SQLite: in memory, or in a file that survives a restart. One process per file.
 *
 * Time is passed in: no clock and no random in SQL. An expired row is invisible at once, and deleted by and by
 * with later puts.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { PublicKey } from "../../crypto/mod.ts";
import type { Ledger } from "../../base/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import type { EntryCounts, EntryStore, PutOptions, StoredEntry } from "./entry_store.ts";
import { StoreError } from "./store.ts";

export interface SqliteEntryStoreOptions {
  /** A file, made when missing; undefined: in memory. */
  readonly path?: string;
  readonly clock: Pick<Clock, "wallMs" | "monotonicMs">;
  /** Counts the open database as kind `store`. */
  readonly ledger?: Ledger;
  /** Above it a put fails. Default {@link STORE_BYTES_MAX}. */
  readonly bytesMax?: number;
}

/** Some 500,000 entries: posts cost nothing but a key pair, so that something must bound what they take. */
export const STORE_BYTES_MAX = 1024 * 1024 * 1024;

/** Opens the database and makes its tables. Throws {@link StoreError}. */
export class SqliteEntryStore implements EntryStore {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** Added to the monotonic clock it is Unix time as the wall clock had it when the store was opened. */
  readonly #epochMs: number;
  readonly #release: (() => void) | undefined;
  readonly #name: string;
  #open = true;

  constructor({ path, clock, ledger, bytesMax = STORE_BYTES_MAX }: SqliteEntryStoreOptions) {
    this.#name = path === undefined ? "the store in memory" : `the store ${path}`;
    this.#clock = clock;
    this.#epochMs = clock.wallMs() - clock.monotonicMs();
    try {
      this.#database = new DatabaseSync(path ?? ":memory:");
      this.#database.exec(SETTINGS);
      this.#database.exec(`PRAGMA max_page_count = ${Math.ceil(bytesMax / PAGE_BYTES)}`);
      this.#database.exec(TABLES);
      this.#statements = prepare(this.#database);
    } catch (cause) {
      throw new StoreError(`Cannot open ${this.#name}`, {
        cause,
        hint: "name a file in an existing folder that may be written, or leave the store in memory",
      });
    }
    this.#release = ledger?.open("store");
  }

  /** Goes on evenly when somebody sets the wall clock: an entry lives as long as it was given, not longer. */
  #nowMs(): number {
    return Math.floor(this.#epochMs + this.#clock.monotonicMs());
  }

  get(key: PublicKey): Promise<string | undefined> {
    return this.#ask(() => text(this.#statements.get.get(key, this.#nowMs())));
  }

  put(entry: StoredEntry, { ttlMs, replaces }: PutOptions): Promise<boolean> {
    return this.#ask(() => {
      const nowMs = this.#nowMs();
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
      return this.#transaction(() => {
        this.#statements.purge.run(nowMs, PURGED_PER_PUT);
        if (text(this.#statements.get.get(entry.key, nowMs)) !== replaces) return false;
        this.#statements.put.run(entry.key, ...columns, delegated);
        this.#statements.undelegate.run(entry.key);
        for (const server of entry.delegatedServers ?? []) this.#statements.delegate.run(server, entry.key);
        return true;
      });
    });
  }

  remove(key: PublicKey): Promise<boolean> {
    return this.#ask(() => this.#statements.remove.run(key, this.#nowMs()).changes !== 0);
  }

  batch(keys: readonly PublicKey[]): Promise<Map<PublicKey, string>> {
    return this.#ask(() => {
      const nowMs = this.#nowMs();
      const found = new Map<PublicKey, string>();
      for (const key of keys) {
        const entry = text(this.#statements.get.get(key, nowMs));
        if (entry !== undefined) found.set(key, entry);
      }
      return found;
    });
  }

  clientKeys(): Promise<PublicKey[]> {
    return this.#ask(() => keysOf(this.#statements.clientKeys.all(this.#nowMs())));
  }

  visorKeys(): Promise<PublicKey[]> {
    return this.#ask(() => keysOf(this.#statements.visorKeys.all(this.#nowMs())));
  }

  allServers(): Promise<string[]> {
    return this.#ask(() => textsOf(this.#statements.allServers.all(this.#nowMs())));
  }

  availableServers(): Promise<string[]> {
    return this.#ask(() => textsOf(this.#statements.availableServers.all(this.#nowMs())));
  }

  clientsOf(server: PublicKey): Promise<PublicKey[]> {
    return this.#ask(() => keysOf(this.#statements.clientsOf.all(server, this.#nowMs())));
  }

  clientsByServer(): Promise<Map<PublicKey, PublicKey[]>> {
    return this.#ask(() => {
      const clients = new Map<PublicKey, PublicKey[]>();
      for (const row of this.#statements.delegations.iterate(this.#nowMs())) {
        const server = row.server as PublicKey;
        const known = clients.get(server);
        if (known === undefined) clients.set(server, [row.key as PublicKey]);
        else known.push(row.key as PublicKey);
      }
      return clients;
    });
  }

  counts(): Promise<EntryCounts> {
    return this.#ask(() => {
      const row = this.#statements.counts.get(this.#nowMs())!;
      return { clients: Number(row.clients), visors: Number(row.visors), servers: Number(row.servers) };
    });
  }

  check(): Promise<void> {
    return this.#ask(() => void this.#statements.get.get("", this.#nowMs()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#open) {
      this.#open = false;
      this.#database.close();
      this.#release?.();
    }
    return Promise.resolve();
  }

  /** SQLite answers at once; the promise is the interface's. What it throws becomes a {@link StoreError}. */
  #ask<T>(question: () => T): Promise<T> {
    try {
      return Promise.resolve(question());
    } catch (cause) {
      return Promise.reject(new StoreError(`Cannot use ${this.#name}`, { cause }));
    }
  }

  #transaction<T>(work: () => T): T {
    this.#statements.begin.run();
    try {
      const result = work();
      this.#statements.commit.run();
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#statements.rollback.run();
      throw error;
    }
  }
}

type Row = Record<string, unknown>;
const text = (row: Row | undefined) => row?.text as string | undefined;
const textsOf = (rows: readonly Row[]) => rows.map((row) => row.text as string);
const keysOf = (rows: readonly Row[]) => rows.map((row) => row.key as PublicKey);

/** Rows past their time that a put of a new row deletes at most: two would do, the rest is margin. */
const PURGED_PER_PUT = 8;

/** SQLite's own page size, set so that the bound above is exact. */
const PAGE_BYTES = 4096;

// A lost last second after a power cut is fine: every entry is announced anew. So no sync on each commit.
const SETTINGS = `
  PRAGMA page_size = ${PAGE_BYTES};
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA foreign_keys = ON;
  PRAGMA busy_timeout = 1000;
`;

const TABLES = `
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

function prepare(database: DatabaseSync) {
  const statement = (sql: string): StatementSync => database.prepare(sql);
  return {
    begin: statement("BEGIN IMMEDIATE"),
    commit: statement("COMMIT"),
    rollback: statement("ROLLBACK"),
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
    purge: statement(
      "DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)",
    ),
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
