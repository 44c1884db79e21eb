/**
 * A SQLite data base of a service: opened, bounded, its failures named. One process per file.
 *
 * Writes to a file that come in one moment, of however many requests, are committed together: a commit is most of
 * what a write costs. Nobody is told that something is written before it is committed.
 *
 * A new file is its owner's alone, and what SQLite puts beside it takes after it: there are addresses of visors in it.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Ledger } from "../../base/mod.ts";
import { type Clock, makePrivateFile } from "../../runtime/mod.ts";
import { lockFile } from "./_sqlite_lock.ts";
import { StoreError, StoreInUseError } from "./store.ts";
import { WriteTrial } from "./_write_trial.ts";

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

/**
 * Turns of the microtask queue between the first write of a batch and its commit. Requests that were read in one turn of
 * the event loop are worked on step by step, all of them in each turn of this queue: one turn gathers what
 * is at the same step, a few what is a step behind, and they cost less than a microsecond. (1 to 64 turns gave the same
 * rate at saturation.)
 */
const BATCH_TURNS = 8;

/** Writes that are committed together. */
interface Batch {
  /** Rejects with `StoreError` where it cannot be committed: nothing of it is there then. */
  readonly committed: Promise<void>;
  readonly settle: (cause?: unknown) => void;
}

/** By file, who has writes that are not committed: a second connection to the file would wait for them for nothing. */
const holders = new Map<string, Sqlite>();

export class Sqlite {
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** Added to the monotonic clock it is Unix time as the wall clock had it when the store was opened. */
  readonly #epochMs: number;
  readonly #database: DatabaseSync;
  readonly #closed: (() => void) | undefined;
  readonly #unlock: (() => void) | undefined;
  readonly #name: string;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  readonly #rollbackTo: StatementSync;
  readonly #alive: StatementSync;
  readonly #trial: WriteTrial;
  /** The file, whatever path leads to it; undefined: in memory, where a commit costs next to nothing. */
  readonly #file: string | undefined;
  #batch: Batch | undefined;
  readonly #recounts: (() => void)[] = [];
  #open = true;

  /** Throws `StoreError`, and `StoreInUseError` where another process has the file. */
  constructor(
    { path, clock, ledger, bytesMax = SERVICE_STORE_BYTES_MAX }: SqliteOptions,
    tables: string,
    { later = [], indexes = "" }: { readonly later?: readonly LaterColumn[]; readonly indexes?: string } = {},
  ) {
    this.#clock = clock;
    this.#epochMs = clock.wallMs() - clock.monotonicMs();
    this.#name = path === undefined ? "the store in memory" : `the store ${path}`;
    let database: DatabaseSync | undefined;
    let unlock: (() => void) | undefined;
    try {
      if (path !== undefined && path !== IN_MEMORY) makePrivateFile(path);
      this.#database = database = new DatabaseSync(path ?? IN_MEMORY);
      const file = database.prepare("PRAGMA database_list").get()!.file as string;
      if (file !== "") this.#unlock = unlock = lockFile(this.#file = file);
      this.#commitHolder(file); // tables could not be made meanwhile
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
      this.#savepoint = this.#database.prepare("SAVEPOINT step");
      this.#release = this.#database.prepare("RELEASE step");
      this.#rollbackTo = this.#database.prepare("ROLLBACK TO step");
      this.#alive = this.#database.prepare("SELECT count(*) FROM sqlite_schema");
      this.#trial = new WriteTrial(this.#database, clock);
    } catch (cause) {
      database?.close();
      unlock?.();
      if (cause instanceof StoreInUseError) throw cause;
      throw new StoreError(`Cannot open ${this.#name}`, {
        cause,
        hint: "name a file in an existing folder that may be written, or leave the store in memory",
      });
    }
    this.#closed = ledger?.open("store");
  }

  /** Whole milliseconds of Unix time. Goes on evenly when somebody sets the wall clock: a life is as long as given. */
  nowMs(): number {
    return Math.floor(this.#epochMs + this.#clock.monotonicMs());
  }

  /** When something ends that lives for `ttlMs` from now; 0 is for ever. */
  endMs(ttlMs: number): number {
    return ttlMs === 0 ? NO_END_MS : Math.ceil(this.nowMs() + ttlMs);
  }

  /** Counts rows now, and again whenever what was written is undone. `count` must change nothing when it throws. */
  counting(count: () => void): void {
    count();
    this.#recounts.push(count);
  }

  statement(sql: string): StatementSync {
    return this.#database.prepare(sql);
  }

  /** Reads. SQLite answers at once; the promise is the stores'. What it throws becomes a `StoreError`. */
  ask<T>(question: () => T): Promise<T> {
    try {
      return Promise.resolve(question());
    } catch (cause) {
      return Promise.reject(this.#failed(cause));
    }
  }

  /**
   * Writes: `work` runs at once, and its result is told when it is committed. A `work` of several statements that must
   * not be done by halves does them in a {@link transaction}. Rejects with `StoreError`.
   */
  write<T>(work: () => T): Promise<T> {
    let batch: Batch | undefined;
    try {
      if (this.#file === undefined) return Promise.resolve(work());
      batch = this.#batch ?? this.#beginBatch(this.#file);
      const result = work();
      return batch.committed.then(() => result);
    } catch (cause) {
      // A full disk, for one, undoes everything that is not committed.
      if (batch !== undefined && !this.#database.isTransaction) this.#endBatch(batch, cause);
      this.#trial.doubt();
      return Promise.reject(this.#failed(cause));
    }
  }

  /** Rejects with `StoreError` when it cannot be asked, as it is closed or its file gone bad, or takes no writes. */
  check(): Promise<void> {
    return this.ask(() => {
      this.#alive.get();
      if (this.#file !== undefined) this.#commitHolder(this.#file); // a trial takes nobody's writes with it
      this.#trial.run();
    });
  }

  /** All of `work`, or nothing of it. Within {@link write}. */
  transaction<T>(work: () => T): T {
    const [begin, commit, rollback] = this.#batch === undefined
      ? [this.#begin, this.#commit, this.#rollback]
      : [this.#savepoint, this.#release, this.#rollbackTo];
    begin.run();
    try {
      const result = work();
      commit.run();
      return result;
    } catch (error) {
      if (this.#database.isTransaction) {
        rollback.run();
        if (rollback === this.#rollbackTo) commit.run();
      }
      throw error;
    }
  }

  /** What was written is committed before. */
  close(): void {
    if (!this.#open) return;
    this.#commitBatch();
    this.#open = false;
    this.#database.close();
    this.#unlock?.();
    this.#closed?.();
  }

  #beginBatch(file: string): Batch {
    this.#commitHolder(file);
    this.#begin.run();
    const { promise: committed, resolve, reject } = Promise.withResolvers<void>();
    committed.catch(() => {}); // told to each that wrote
    const settle = (cause?: unknown) => cause === undefined ? resolve() : reject(this.#failed(cause));
    const batch = this.#batch = { committed, settle };
    holders.set(file, this);
    void this.#commitSoon(batch);
    return batch;
  }

  /** Of another connection to the file: whoever waited for it would hold it up. */
  #commitHolder(file: string): void {
    const holder = holders.get(file);
    if (holder !== undefined) holder.#commitBatch();
  }

  async #commitSoon(batch: Batch): Promise<void> {
    for (let turn = 0; turn < BATCH_TURNS; turn++) await undefined;
    if (this.#batch === batch) this.#commitBatch();
  }

  #commitBatch(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    try {
      this.#commit.run();
      this.#endBatch(batch);
    } catch (cause) {
      if (this.#database.isTransaction) this.#rollback.run();
      this.#endBatch(batch, cause);
    }
  }

  #endBatch(batch: Batch, cause?: unknown): void {
    this.#batch = undefined;
    holders.delete(this.#file!);
    if (cause !== undefined) {
      this.#trial.doubt();
      try {
        for (const count of this.#recounts) count();
      } catch {
        // it is broken, which everybody is told anyway
      }
    }
    batch.settle(cause);
  }

  #failed(cause: unknown): StoreError {
    if (cause instanceof StoreError) return cause;
    return new StoreError(`Cannot use ${this.#name}`, { cause });
  }
}

/** SQLite's name for no file. It reads one that begins with `file:` as a URL: settings may not name such. */
const IN_MEMORY = ":memory:";
/** Later than every clock: for what has no end. */
export const NO_END_MS = Number.MAX_SAFE_INTEGER;
/** SQLite's own page size, set so that the bound above is exact. */
const PAGE_BYTES = 4096;

// A lost last second after a power cut is fine: everything is announced anew. So no sync on each commit.
const SETTINGS = `
  PRAGMA page_size = ${PAGE_BYTES};
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 1000;
`;
