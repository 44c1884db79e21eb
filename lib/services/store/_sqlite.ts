/** A SQLite data base of a service: opened, bounded, its failures named. One process per file. @module */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Ledger } from "../../base/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import { StoreError } from "./store.ts";

export interface SqliteOptions {
  /** A file, made when missing; undefined: in memory. */
  readonly path?: string;
  readonly clock: Pick<Clock, "wallMs" | "monotonicMs">;
  /** Counts the open data base as kind `store`. */
  readonly ledger?: Ledger;
  /** Above it a write fails. Default {@link SERVICE_STORE_BYTES_MAX}. */
  readonly bytesMax?: number;
}

/** Writes cost nothing but a key pair, so that something must bound what they take. */
export const SERVICE_STORE_BYTES_MAX = 1024 * 1024 * 1024;

export type Row = Record<string, unknown>;

/** A column that tables of older files lack. */
export interface LaterColumn {
  readonly table: string;
  readonly column: string;
  /** Type and default. */
  readonly definition: string;
}

export class Sqlite {
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** Added to the monotonic clock it is Unix time as the wall clock had it when the store was opened. */
  readonly #epochMs: number;
  readonly #database: DatabaseSync;
  readonly #release: (() => void) | undefined;
  readonly #name: string;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #alive: StatementSync;
  #open = true;

  /** Throws `StoreError`. */
  constructor(
    { path, clock, ledger, bytesMax = SERVICE_STORE_BYTES_MAX }: SqliteOptions,
    tables: string,
    { later = [], indexes = "" }: { readonly later?: readonly LaterColumn[]; readonly indexes?: string } = {},
  ) {
    this.#clock = clock;
    this.#epochMs = clock.wallMs() - clock.monotonicMs();
    this.#name = path === undefined ? "the store in memory" : `the store ${path}`;
    try {
      this.#database = new DatabaseSync(path ?? ":memory:");
      this.#database.exec(SETTINGS);
      this.#database.exec(`PRAGMA max_page_count = ${Math.ceil(bytesMax / PAGE_BYTES)}`);
      this.#database.exec(tables);
      for (const { table, column, definition } of later) {
        const known = this.#database.prepare("SELECT 1 FROM pragma_table_info(?) WHERE name = ?");
        if (known.get(table, column) !== undefined) continue;
        this.#database.exec(`ALTER TABLE ${table} ADD COLUMN ${column} ${definition}`);
      }
      this.#database.exec(indexes);
      this.#begin = this.#database.prepare("BEGIN IMMEDIATE");
      this.#commit = this.#database.prepare("COMMIT");
      this.#rollback = this.#database.prepare("ROLLBACK");
      this.#alive = this.#database.prepare("SELECT count(*) FROM sqlite_schema");
    } catch (cause) {
      throw new StoreError(`Cannot open ${this.#name}`, {
        cause,
        hint: "name a file in an existing folder that may be written, or leave the store in memory",
      });
    }
    this.#release = ledger?.open("store");
  }

  /** Whole milliseconds of Unix time. Goes on evenly when somebody sets the wall clock: a life is as long as given. */
  nowMs(): number {
    return Math.floor(this.#epochMs + this.#clock.monotonicMs());
  }

  /** When something ends that lives for `ttlMs` from now; 0 is for ever. */
  endMs(ttlMs: number): number {
    return ttlMs === 0 ? NO_END_MS : Math.ceil(this.nowMs() + ttlMs);
  }

  statement(sql: string): StatementSync {
    return this.#database.prepare(sql);
  }

  /** SQLite answers at once; the promise is the stores'. What it throws becomes a `StoreError`. */
  ask<T>(question: () => T): Promise<T> {
    try {
      return Promise.resolve(question());
    } catch (cause) {
      return Promise.reject(new StoreError(`Cannot use ${this.#name}`, { cause }));
    }
  }

  /** Rejects with `StoreError` when it cannot be asked: it is closed, its file is gone bad. */
  check(): Promise<void> {
    return this.ask(() => void this.#alive.get());
  }

  /** All of `work`, or nothing of it. */
  transaction<T>(work: () => T): T {
    this.#begin.run();
    try {
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#rollback.run();
      throw error;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#database.close();
    this.#release?.();
  }
}

/** Later than every clock: for what has no end. */
export const NO_END_MS = Number.MAX_SAFE_INTEGER;
/** Rows past their time that a put deletes at most: two would do, the rest is margin. */
export const PURGED_PER_PUT = 8;
/** SQLite's own page size, set so that the bound above is exact. */
const PAGE_BYTES = 4096;

// A lost last second after a power cut is fine: everything is announced anew. So no sync on each commit.
const SETTINGS = `
  PRAGMA page_size = ${PAGE_BYTES};
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 1000;
`;
