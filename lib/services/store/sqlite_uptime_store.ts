/** Uptimes in SQLite: in memory, or in a file that survives a restart. One process per file. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import { type Row, Sqlite, type SqliteOptions } from "./_sqlite.ts";
import { nonceTables, SqliteNonces } from "./_sqlite_nonces.ts";
import {
  type AddressOfMonth,
  type Beat,
  type BeatResult,
  dayOf,
  type DayOfVisor,
  type SeenVisor,
  slotOf,
  type UptimeStore,
  withSlot,
} from "./uptime_store.ts";

export interface SqliteUptimeStoreOptions extends SqliteOptions {
  /** Keys whose nonce is kept. */
  readonly noncesMax?: number;
}

/** Opens the data base and makes its tables. Throws `StoreError`. */
export class SqliteUptimeStore implements UptimeStore {
  readonly nonces: SqliteNonces;
  readonly #sqlite: Sqlite;
  readonly #statements;

  constructor({ noncesMax, ...options }: SqliteUptimeStoreOptions) {
    const sqlite = this.#sqlite = new Sqlite(options, TABLES);
    this.nonces = new SqliteNonces(sqlite, PREFIX, noncesMax);
    this.#statements = {
      visor: sqlite.statement("SELECT key, version, seen_ms, counted_ms FROM uptime_visors WHERE key = ?"),
      see: sqlite.statement(`
        INSERT INTO uptime_visors (key, version, seen_ms, counted_ms) VALUES (?, ?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET version = excluded.version, seen_ms = excluded.seen_ms,
          counted_ms = excluded.counted_ms`),
      day: sqlite.statement("SELECT beats, slots FROM uptime_days WHERE key = ? AND day = ?"),
      count: sqlite.statement("SELECT count(*) AS count FROM uptime_visors"),
      add: sqlite.statement(`
        INSERT INTO uptime_days (key, day, beats, slots) VALUES (?, ?, ?, ?)
        ON CONFLICT (key, day) DO UPDATE SET beats = excluded.beats, slots = excluded.slots`),
      locate: sqlite.statement(`
        INSERT INTO uptime_addresses (month, key, address) VALUES (?, ?, ?)
        ON CONFLICT (month, key) DO UPDATE SET address = excluded.address`),
      visors: sqlite.statement("SELECT key, version, seen_ms FROM uptime_visors ORDER BY key"),
      days: sqlite.statement(`
        SELECT key, day, beats, slots FROM uptime_days WHERE day BETWEEN ? AND ? ORDER BY key, day`),
      addresses: sqlite.statement("SELECT key, month, address FROM uptime_addresses ORDER BY month, key"),
      ofMonth: sqlite.statement(
        "SELECT key, month, address FROM uptime_addresses WHERE month = ? ORDER BY key",
      ),
      forgetDays: sqlite.statement("DELETE FROM uptime_days WHERE day < ?"),
      forgetVisors: sqlite.statement(
        "DELETE FROM uptime_visors WHERE NOT EXISTS (SELECT 1 FROM uptime_days WHERE key = uptime_visors.key)",
      ),
      forgetAddresses: sqlite.statement("DELETE FROM uptime_addresses WHERE month < ?"),
    };
  }

  beat({ key, intervalMs, visorsMax = Infinity, version, address, ...beat }: Beat): Promise<BeatResult> {
    const atMs = Math.floor(beat.atMs);
    return this.#sqlite.ask(() =>
      this.#sqlite.transaction(() => {
        const before = this.#statements.visor.get(key);
        if (before === undefined && this.#statements.count.get()!.count as number >= visorsMax) return "full";
        const countedMs = before?.counted_ms as number ?? -Infinity;
        // A clock that was set back starts the interval anew, or nobody would count until it is there again.
        const counts = atMs - countedMs >= intervalMs || atMs < countedMs;
        this.#statements.see.run(key, version ?? before?.version ?? null, atMs, counts ? atMs : countedMs);
        const day = dayOf(atMs);
        const known = this.#statements.day.get(key, day);
        const beats = (known?.beats as number ?? 0) + (counts ? 1 : 0);
        this.#statements.add.run(key, day, beats, withSlot(known?.slots as Uint8Array, slotOf(atMs)));
        if (counts && address !== undefined) this.#statements.locate.run(day.slice(0, 7), key, address);
        return counts ? "counted" : "seen";
      })
    );
  }

  visors(keys?: readonly PublicKey[]): Promise<SeenVisor[]> {
    return this.#sqlite.ask(() => {
      if (keys === undefined) return this.#statements.visors.all().map(visorOf);
      return keys.flatMap((key) => {
        const row = this.#statements.visor.get(key);
        return row === undefined ? [] : visorOf(row);
      });
    });
  }

  days(first: string, last: string): Promise<DayOfVisor[]> {
    return this.#sqlite.ask(() =>
      this.#statements.days.all(first, last).map((row) => ({
        key: row.key as PublicKey,
        day: row.day as string,
        beats: row.beats as number,
        slots: row.slots as Uint8Array,
      }))
    );
  }

  addresses(month?: string): Promise<AddressOfMonth[]> {
    return this.#sqlite.ask(() => {
      const { addresses, ofMonth } = this.#statements;
      const rows = month === undefined ? addresses.all() : ofMonth.all(month);
      return rows.map((row) => ({
        key: row.key as PublicKey,
        month: row.month as string,
        address: row.address as string,
      }));
    });
  }

  forget({ day, month }: { readonly day: string; readonly month: string }): Promise<void> {
    return this.#sqlite.ask(() =>
      this.#sqlite.transaction(() => {
        if (this.#statements.forgetDays.run(day).changes !== 0) this.#statements.forgetVisors.run();
        this.#statements.forgetAddresses.run(month);
      })
    );
  }

  check(): Promise<void> {
    return this.#sqlite.check();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#sqlite.close();
    return Promise.resolve();
  }
}

function visorOf(row: Row): SeenVisor {
  return {
    key: row.key as PublicKey,
    version: row.version as string | null ?? undefined,
    lastSeenMs: row.seen_ms as number,
  };
}

const PREFIX = "uptime_tracker";

const TABLES = `
  CREATE TABLE IF NOT EXISTS uptime_visors (
    key TEXT PRIMARY KEY,
    version TEXT,
    seen_ms INTEGER NOT NULL,
    counted_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS uptime_days (
    key TEXT NOT NULL,
    day TEXT NOT NULL,
    beats INTEGER NOT NULL,
    slots BLOB NOT NULL,
    PRIMARY KEY (key, day)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS uptime_days_by_day ON uptime_days (day);
  CREATE TABLE IF NOT EXISTS uptime_addresses (
    month TEXT NOT NULL,
    key TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (month, key)
  ) STRICT, WITHOUT ROWID;
  ${nonceTables(PREFIX)}
`;
