/**
 * Locks of files between processes: one that its process dies with is free at once, whatever killed it.
 *
 * The system holds the lock, on an empty file beside the one that is meant, for that one is replaced by each write.
 * Who gives the lock back removes the file; what a killed process left is taken by the next, and removed by it.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import type { Ledger } from "../../base/mod.ts";
import { FileError } from "../errors.ts";
import type { FileLock } from "../world.ts";
import { writtenPlace } from "./written_place.ts";

/** Who may read it may lock it: another user's, left there by a kill, must be no lock for ever. It has no content. */
const LOCK_MODE = 0o644;

/**
 * The lock of the file at `path`, behind links; undefined when somebody has it, or gives it back right now. What is no
 * file needs none. Throws what the system does.
 */
export async function tryLock(path: string, ledger: Ledger): Promise<FileLock | undefined> {
  const name = await lockNameOf(path);
  if (name === undefined) return NO_LOCK;
  const file = await openLockFile(name);
  if (file === undefined) return undefined;
  let isOurs = false;
  try {
    // Between our look and our lock its last owner may have removed it: then the lock is one of nothing.
    isOurs = await file.tryLock(true) && await isStillAt(file, name);
  } finally {
    if (!isOurs) file.close();
  }
  return isOurs ? new SystemFileLock(name, file, ledger.open("file lock")) : undefined;
}

class SystemFileLock implements FileLock {
  readonly #name: string;
  readonly #file: Deno.FsFile;
  readonly #closed: () => void;
  #isReleased = false;

  constructor(name: string, file: Deno.FsFile, closed: () => void) {
    this.#name = name;
    this.#file = file;
    this.#closed = closed;
  }

  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    // While it is held: who opened it before finds it gone, who comes later makes another. Windows may not remove what
    // somebody has open, so that it stays there; whether it is locked is what counts.
    if (Deno.build.os !== "windows") await Deno.remove(this.#name).catch(() => {});
    this.#file.close();
    this.#closed();
  }
}

/** Undefined for a descriptor, a pipe or a device: nobody replaces those, and what is written there comes after. */
async function lockNameOf(path: string): Promise<string | undefined> {
  const { path: target, descriptor } = await writtenPlace(path);
  if (descriptor !== undefined) return undefined; // on macOS it looks like what is behind it
  const found = await Deno.lstat(target).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  if (found?.isFile === false && !found.isDirectory) return undefined;
  return join(dirname(target), `.${basename(target)}.skyctl-lock`);
}

/** Of what needs none. */
const NO_LOCK: FileLock = { release: () => Promise.resolve() };

/** Made, or opened as it is; undefined when it is removed right now. */
async function openLockFile(name: string): Promise<Deno.FsFile | undefined> {
  const { open } = await import("node:fs/promises");
  try {
    const made = await open(name, "wx", LOCK_MODE);
    try {
      await made.chmod(LOCK_MODE); // the umask may have cut it
    } finally {
      await made.close();
    }
  } catch (error) {
    if ((error as { code?: unknown }).code !== "EEXIST") throw error;
  }
  try {
    const { isFile } = await Deno.lstat(name);
    if (!isFile) throw new FileError(`Cannot lock: ${name} is no file`, { hint: `remove ${name}` });
    return await Deno.open(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function isStillAt(file: Deno.FsFile, name: string): Promise<boolean> {
  if (Deno.build.os === "windows") return true; // nobody removes it there
  const held = await file.stat();
  const found = await Deno.lstat(name).catch(() => undefined);
  return found !== undefined && found.dev === held.dev && found.ino === held.ino;
}
