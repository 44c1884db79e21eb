/** Numbers of requests in SQLite, in tables of their own for each service. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import { NONCES_MAX, type NonceStore } from "./nonce_store.ts";
import type { Sqlite } from "./_sqlite.ts";

export class SqliteNonces implements NonceStore {
  readonly #sqlite: Sqlite;
  readonly #statements;
  readonly #keysMax: number;
  #count = 0;

  /** `prefix` is that of the tables which {@link nonceTables} made. */
  constructor(sqlite: Sqlite, prefix: string, keysMax = NONCES_MAX) {
    this.#sqlite = sqlite;
    this.#keysMax = keysMax;
    this.#statements = {
      next: sqlite.statement(`
        SELECT max(coalesce((SELECT next FROM ${prefix}_nonces WHERE key = ?), 0), floor) AS next
        FROM ${prefix}_nonce_floor`),
      raise: sqlite.statement(`
        UPDATE ${prefix}_nonces SET next = ?1 + 1, used_ms = ?2
        WHERE key = ?3 AND max(next, (SELECT floor FROM ${prefix}_nonce_floor)) = ?1`),
      add: sqlite.statement(`INSERT INTO ${prefix}_nonces (next, used_ms, key) VALUES (?, ?, ?)`),
      oldest: sqlite.statement(`SELECT key, next FROM ${prefix}_nonces ORDER BY used_ms LIMIT 1`),
      forget: sqlite.statement(`DELETE FROM ${prefix}_nonces WHERE key = ?`),
      lower: sqlite.statement(`UPDATE ${prefix}_nonces SET next = ? WHERE key = ? AND next = ?`),
      forgetFirst: sqlite.statement(`
        DELETE FROM ${prefix}_nonces WHERE key = ? AND next = ? AND ? <= (SELECT floor FROM ${prefix}_nonce_floor)`),
      lift: sqlite.statement(`UPDATE ${prefix}_nonce_floor SET floor = max(floor, ?)`),
    };
    const count = sqlite.statement(`SELECT count(*) AS count FROM ${prefix}_nonces`);
    sqlite.counting(() => this.#count = Number(count.get()!.count));
  }

  next(key: PublicKey): Promise<number> {
    return this.#sqlite.ask(() => this.#next(key));
  }

  take(key: PublicKey, from: number): Promise<boolean> {
    return this.#sqlite.write(() => {
      const nowMs = this.#sqlite.nowMs();
      if (this.#statements.raise.run(from, nowMs, key).changes !== 0) return true;
      if (this.#next(key) !== from) return false;
      this.#sqlite.transaction(() => {
        if (this.#count >= this.#keysMax) this.#forgetOldest();
        this.#statements.add.run(from + 1, nowMs, key);
      });
      this.#count++;
      return true;
    });
  }

  giveBack(key: PublicKey, from: number): Promise<void> {
    return this.#sqlite.write(() => {
      // A key that has passed nothing needs no row.
      if (this.#statements.forgetFirst.run(key, from + 1, from).changes !== 0) this.#count--;
      else this.#statements.lower.run(from, key, from + 1);
    });
  }

  #next(key: PublicKey): number {
    return this.#statements.next.get(key)!.next as number;
  }

  /** New keys start no lower than where this one was: nobody's old request is good again. */
  #forgetOldest(): void {
    const oldest = this.#statements.oldest.get();
    if (oldest === undefined) return;
    this.#statements.lift.run(oldest.next as number);
    this.#statements.forget.run(oldest.key as string);
    this.#count--;
  }
}

export function nonceTables(prefix: string): string {
  return `
    CREATE TABLE IF NOT EXISTS ${prefix}_nonces (
      key TEXT PRIMARY KEY,
      next INTEGER NOT NULL,
      used_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS ${prefix}_nonces_by_use ON ${prefix}_nonces (used_ms);
    CREATE TABLE IF NOT EXISTS ${prefix}_nonce_floor (floor INTEGER NOT NULL) STRICT;
    INSERT INTO ${prefix}_nonce_floor (floor)
      SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM ${prefix}_nonce_floor);
  `;
}
