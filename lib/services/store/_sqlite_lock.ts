/**
 * One process per SQLite file. SQLite would let several in; but what an instance remembers beside the file (numbers of
 * requests, feeds of changes, what is kept for a moment) would be another's past.
 *
 * The lock is SQLite's own, the one of the operating system, on a file beside it that stays empty: it is gone with
 * the process, however that ends. The empty file stays: who removed it would let two in that look at it meanwhile.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { makePrivateFile } from "../../runtime/mod.ts";
import { StoreInUseError } from "./store.ts";

/** By file, the lock of this process, and how many of its stores share it. */
const held = new Map<string, { readonly lock: DatabaseSync; stores: number }>();

/** Keeps other processes out until what it gives is called. Throws {@link StoreInUseError}, and what SQLite throws. */
export function lockFile(file: string): () => void {
  const mine = held.get(file) ?? { lock: takeLock(file), stores: 0 };
  mine.stores++;
  held.set(file, mine);
  return () => {
    if (--mine.stores > 0) return;
    held.delete(file);
    mine.lock.close();
  };
}

function takeLock(file: string): DatabaseSync {
  makePrivateFile(`${file}.lock`);
  const lock = new DatabaseSync(`${file}.lock`);
  try {
    lock.exec("BEGIN EXCLUSIVE"); // until it is closed; nothing is written
    return lock;
  } catch (cause) {
    lock.close();
    throw isBusy(cause) ? new StoreInUseError(file, cause) : cause;
  }
}

/** SQLite's words for it; the driver passes no number on. */
function isBusy(cause: unknown): boolean {
  return cause instanceof Error && cause.message === "database is locked";
}
