/**
 * Whether a SQLite data base takes writes now: found out by a small one, for a failure is no fact about later.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../runtime/mod.ts";
import { StoreError, type StoreState } from "./store.ts";

/** What was written so long ago can be written now, unless a write failed since: whoever asks could make the disk busy. */
export const WRITE_TRIAL_EACH_MS = 1_000;

/** Tries each {@link WRITE_TRIAL_EACH_MS} at most while all is well; after a failure each time that it is asked. */
export class WriteTrial {
  readonly #database: DatabaseSync;
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** Until then the last trial holds. */
  #goodUntilMs = -Infinity;

  constructor(database: DatabaseSync, clock: Pick<Clock, "monotonicMs">) {
    this.#database = database;
    this.#clock = clock;
  }

  /** A write failed, whatever for. */
  doubt(): void {
    this.#goodUntilMs = -Infinity;
  }

  /** Outside a transaction. Throws `StoreError` with the state of the store when nothing can be written. */
  run(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#goodUntilMs) return;
    try {
      this.#database.exec(TRIAL);
      this.#goodUntilMs = nowMs + WRITE_TRIAL_EACH_MS;
    } catch (cause) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw new StoreError("Cannot write to the store", { cause, state: stateOf(cause) });
    }
  }
}

/** By what SQLite says. */
function stateOf(cause: unknown): StoreState {
  const text = cause instanceof Error ? cause.message : "";
  if (/database or disk is full/.test(text)) return "full";
  return /readonly database/.test(text) ? "read-only" : "unwritable";
}

/** About what a request with a large entry takes: less may go in where that does not. */
const TRIAL_BYTES = 16 * 1024;
// The row of the trial before makes room only afterwards. The table is made here, not with the others: a full store opens.
const TRIAL = `
  BEGIN IMMEDIATE;
  CREATE TABLE IF NOT EXISTS write_trial (bytes BLOB NOT NULL) STRICT;
  INSERT INTO write_trial VALUES (zeroblob(${TRIAL_BYTES}));
  DELETE FROM write_trial WHERE rowid < last_insert_rowid();
  COMMIT;
`;
