/** Rows past their time, deleted a few at a time. @module */
import type { Sqlite } from "./_sqlite.ts";

/** Deletes rows that ended until then, the first `rowsMax` of them; gives their number. */
export type Purge = (untilMs: number, rowsMax: number) => number;

/** Rows past their time that a put deletes at most: two would do, the rest is margin. */
export const PURGED_PER_PUT = 8;

/**
 * The purge of a table by a column that has an index; `rows` are the columns that tell its rows apart. Whether there is
 * anything to delete is asked first: that takes 1 us, a delete of nothing 12.
 */
export function purgeOf(
  sqlite: Pick<Sqlite, "statement">,
  { table, rows, by }: { readonly table: string; readonly rows: string; readonly by: string },
): Purge {
  const due = sqlite.statement(`SELECT 1 FROM ${table} WHERE ${by} <= ? LIMIT 1`);
  const purge = sqlite.statement(`
    DELETE FROM ${table} WHERE (${rows}) IN (SELECT ${rows} FROM ${table} WHERE ${by} <= ? ORDER BY ${by} LIMIT ?)`);
  return (untilMs, rowsMax) => {
    if (due.get(untilMs) === undefined) return 0;
    return Number(purge.run(untilMs, rowsMax).changes);
  };
}
