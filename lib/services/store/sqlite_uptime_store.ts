/** Uptimes in SQLite: in memory, or in a file that survives a restart. One process per file. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import { type Row, Sqlite, type SqliteOptions } from "./_sqlite.ts";
import { nonceTables, SqliteNonces } from "./_sqlite_nonces.ts";
import {
  type AddressOfMonth,
  type Beat,
  type BeatResult,
  countBeat,
  type CountedSoFar,
  dayOf,
  type DayOfVisor,
  type SeenVisor,
  slotOf,
  type UptimesOf,
  type UptimeStore,
  withSlot,
} from "./uptime_store.ts";

export interface SqliteUptimeStoreOptions extends SqliteOptions {
  /** Whose uptimes: each of them has tables of its own. Default `uptime`, of an uptime tracker. */
  readonly of?: UptimesOf;
  /** Keys whose nonce is kept. */
  readonly noncesMax?: number;
}

/** Opens the data base and makes its tables. Throws `StoreError`. */
export class SqliteUptimeStore<Key extends string = PublicKey> implements UptimeStore<Key> {
  readonly nonces: SqliteNonces;
  readonly #sqlite: Sqlite;
  readonly #clock: SqliteOptions["clock"];
  readonly #statements;
  #keys = 0;

  constructor(
    { of: prefix = "uptime", noncesMax, ...options }: SqliteUptimeStoreOptions,
  ) {
    const sqlite = this.#sqlite = new Sqlite(options, tables(prefix), {
      later: [{ table: `${prefix}_visors`, column: "rest_ms", definition: "INTEGER NOT NULL DEFAULT 0" }],
    });
    this.#clock = options.clock;
    this.nonces = new SqliteNonces(sqlite, `${prefix}_tracker`, noncesMax);
    this.#statements = {
      visor: sqlite.statement(`
        SELECT key, version, seen_ms, counted_ms, rest_ms FROM ${prefix}_visors WHERE key = ?`),
      see: sqlite.statement(`
        INSERT INTO ${prefix}_visors (key, version, seen_ms, counted_ms, rest_ms) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET version = excluded.version, seen_ms = excluded.seen_ms,
          counted_ms = excluded.counted_ms, rest_ms = excluded.rest_ms`),
      day: sqlite.statement(`SELECT beats, slots FROM ${prefix}_days WHERE key = ? AND day = ?`),
      add: sqlite.statement(`
        INSERT INTO ${prefix}_days (key, day, beats, slots) VALUES (?, ?, ?, ?)
        ON CONFLICT (key, day) DO UPDATE SET beats = excluded.beats, slots = excluded.slots`),
      locate: sqlite.statement(`
        INSERT INTO ${prefix}_addresses (month, key, address) VALUES (?, ?, ?)
        ON CONFLICT (month, key) DO UPDATE SET address = excluded.address`),
      visors: sqlite.statement(`SELECT key, version, seen_ms FROM ${prefix}_visors ORDER BY key`),
      days: sqlite.statement(`
        SELECT key, day, beats, slots FROM ${prefix}_days WHERE day BETWEEN ? AND ? ORDER BY key, day`),
      daysOf: sqlite.statement(`
        SELECT key, day, beats, slots FROM ${prefix}_days WHERE key = ? AND day BETWEEN ? AND ? ORDER BY day`),
      addresses: sqlite.statement(`SELECT key, month, address FROM ${prefix}_addresses ORDER BY month, key`),
      ofMonth: sqlite.statement(
        `SELECT key, month, address FROM ${prefix}_addresses WHERE month = ? ORDER BY key`,
      ),
      oldest: sqlite.statement(`SELECT key FROM ${prefix}_visors ORDER BY seen_ms LIMIT 1`),
      forgetVisor: sqlite.statement(`DELETE FROM ${prefix}_visors WHERE key = ?`),
      forgetDaysOf: sqlite.statement(`DELETE FROM ${prefix}_days WHERE key = ?`),
      forgetDays: sqlite.statement(`DELETE FROM ${prefix}_days WHERE day < ?`),
      forgetVisors: sqlite.statement(
        `DELETE FROM ${prefix}_visors WHERE NOT EXISTS (SELECT 1 FROM ${prefix}_days WHERE key = ${prefix}_visors.key)`,
      ),
      forgetAddresses: sqlite.statement(`DELETE FROM ${prefix}_addresses WHERE month < ?`),
    };
    const count = sqlite.statement(`SELECT count(*) AS count FROM ${prefix}_visors`);
    sqlite.counting(() => this.#keys = Number(count.get()!.count));
  }

  nowMs(): Promise<number> {
    return Promise.resolve(this.#clock.wallMs());
  }

  presentMs(): Promise<number> {
    return this.nowMs();
  }

  clockAheadMs(): Promise<number> {
    return Promise.resolve(0);
  }

  async beat(beat: Beat<Key>): Promise<BeatResult> {
    return (await this.beats([beat]))[0]!;
  }

  beats(beats: readonly Beat<Key>[]): Promise<BeatResult[]> {
    if (beats.length === 0) return Promise.resolve([]); // nothing to commit
    return this.#sqlite.write(() => {
      const keys = this.#keys;
      try {
        const nowMs = this.#clock.wallMs();
        return this.#sqlite.transaction(() => beats.map((beat) => this.#beat(beat, nowMs)));
      } catch (error) {
        this.#keys = keys;
        throw error;
      }
    });
  }

  visors(keys?: readonly Key[]): Promise<SeenVisor<Key>[]> {
    return this.#sqlite.ask(() => {
      if (keys === undefined) return this.#statements.visors.all().map(visorOf<Key>);
      return keys.flatMap((key) => {
        const row = this.#statements.visor.get(key);
        return row === undefined ? [] : visorOf<Key>(row);
      });
    });
  }

  days(first: string, last: string, keys?: readonly Key[]): Promise<DayOfVisor<Key>[]> {
    return this.#sqlite.ask(() => {
      const { days, daysOf } = this.#statements;
      return keys === undefined
        ? days.all(first, last).map(counted<Key>)
        : keys.flatMap((key) => daysOf.all(key, first, last).map(counted<Key>));
    });
  }

  addresses(month?: string): Promise<AddressOfMonth<Key>[]> {
    return this.#sqlite.ask(() => {
      const { addresses, ofMonth } = this.#statements;
      const rows = month === undefined ? addresses.all() : ofMonth.all(month);
      return rows.map((row) => ({
        key: row.key as Key,
        month: row.month as string,
        address: row.address as string,
      }));
    });
  }

  forget({ day, month }: { readonly day: string; readonly month: string }): Promise<void> {
    return this.#sqlite.write(() =>
      this.#sqlite.transaction(() => {
        if (this.#statements.forgetDays.run(day).changes !== 0) {
          this.#keys -= Number(this.#statements.forgetVisors.run().changes);
        }
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

  #beat({ key, version, address, agoMs = 0, ...beat }: Beat<Key>, nowMs: number): BeatResult {
    const isLate = agoMs > 0;
    const atMs = Math.floor(isLate ? nowMs - agoMs : nowMs);
    const before = this.#statements.visor.get(key);
    if (before === undefined && !this.#hasRoom(beat)) return "full";
    const { counts, countedMs, restMs } = countBeat(before && countedOf(before), { ...beat, atMs, isLate });
    const seenMs = isLate ? Math.max(atMs, before?.seen_ms as number ?? 0) : atMs;
    this.#statements.see.run(key, version ?? before?.version ?? null, seenMs, countedMs, restMs);
    const day = dayOf(atMs);
    const known = this.#statements.day.get(key, day);
    const beats = (known?.beats as number ?? 0) + (counts ? 1 : 0);
    this.#statements.add.run(key, day, beats, withSlot(known?.slots as Uint8Array, slotOf(atMs)));
    if (counts && address !== undefined) this.#statements.locate.run(day.slice(0, 7), key, address);
    return counts ? "counted" : "seen";
  }

  /** For one that is new: takes a place, if need be that of the one not seen for longest. */
  #hasRoom({ visorsMax = Infinity, makesRoom = false }: Pick<Beat<Key>, "visorsMax" | "makesRoom">): boolean {
    if (this.#keys < visorsMax) {
      this.#keys++;
      return true;
    }
    const oldest = makesRoom ? this.#statements.oldest.get()?.key as string | undefined : undefined;
    if (oldest === undefined) return false;
    this.#statements.forgetVisor.run(oldest);
    this.#statements.forgetDaysOf.run(oldest);
    return true;
  }
}

function visorOf<Key extends string>(row: Row): SeenVisor<Key> {
  return {
    key: row.key as Key,
    version: row.version as string | null ?? undefined,
    lastSeenMs: row.seen_ms as number,
  };
}

function counted<Key extends string>(row: Row): DayOfVisor<Key> {
  return {
    key: row.key as Key,
    day: row.day as string,
    beats: row.beats as number,
    slots: row.slots as Uint8Array,
  };
}

function countedOf(row: Row): CountedSoFar {
  return { countedMs: row.counted_ms as number, restMs: row.rest_ms as number };
}

function tables(prefix: UptimesOf): string {
  return `
  CREATE TABLE IF NOT EXISTS ${prefix}_visors (
    key TEXT PRIMARY KEY,
    version TEXT,
    seen_ms INTEGER NOT NULL,
    counted_ms INTEGER NOT NULL,
    rest_ms INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS ${prefix}_visors_by_time ON ${prefix}_visors (seen_ms);
  CREATE TABLE IF NOT EXISTS ${prefix}_days (
    key TEXT NOT NULL,
    day TEXT NOT NULL,
    beats INTEGER NOT NULL,
    slots BLOB NOT NULL,
    PRIMARY KEY (key, day)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS ${prefix}_days_by_day ON ${prefix}_days (day);
  CREATE TABLE IF NOT EXISTS ${prefix}_addresses (
    month TEXT NOT NULL,
    key TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (month, key)
  ) STRICT, WITHOUT ROWID;
  ${nonceTables(`${prefix}_tracker`)}
`;
}
