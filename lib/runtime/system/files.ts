/** Files of the machine. Every change of a whole file is atomic. @module */
import type { FileHandle } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Ledger } from "../../base/mod.ts";
import { NotPermittedError } from "../errors.ts";
import type { FileInfo, Files, ReadableFile, WritableFile, WriteOptions } from "../world.ts";
import { fileFailure, isDenied } from "./failures.ts";
import { tryLock } from "./file_lock.ts";
import { isOwn, openInPlace, writeAll, writtenPlace } from "./written_place.ts";

/** Permission of a file that says nothing else. */
const MODE_DEFAULT = 0o644;
/** Of what will replace a file, until it has that one's owner. */
const MODE_MEANWHILE = 0o600;
/** Of a pipe or a device: /dev/zero has no end. More than anything that is piped into a command. */
const ENDLESS_BYTES_MAX = 64 * 1024 * 1024;

export function systemFiles(ledger: Ledger): Files {
  return {
    read: (path) => attempt(path, "read", () => readWhole(path)),
    async write(path, bytes, options) {
      const file = await openWrite(path, options, ledger);
      try {
        await file.write(bytes);
        await file.commit();
      } catch (error) {
        await file.discard();
        throw error;
      }
    },
    info: (path) => attempt(path, "look at", () => info(path)),
    list: (path) => attempt(path, "list", () => list(path)),
    makeDirectory: (path, options) =>
      attempt(path, "make the directory", () => Deno.mkdir(path, { recursive: true, mode: options?.mode })),
    remove: (path) => attempt(path, "remove", () => Deno.remove(path)),
    realPath: (path) => attempt(path, "find", () => Deno.realPath(path)),
    absolute: (path) => resolve(path),
    openRead: (path) => attempt(path, "open", () => openRead(path, ledger)),
    openWrite: (path, options) => openWrite(path, options, ledger),
    tryLock: (path) => attempt(path, "lock", () => tryLock(path, ledger)),
    append: (path, bytes, options) => attempt(path, "write", () => append(path, bytes, options?.mode)),
  };
}

async function attempt<T>(path: string, act: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileFailure(error, path, act);
  }
}

/** What is no file of a known size, a pipe or a device, is read to its end, if that comes in time. */
async function readWhole(path: string): Promise<Uint8Array> {
  const { isFile, isDirectory } = await Deno.stat(path);
  if (isFile || isDirectory) return await Deno.readFile(path);
  using file = await Deno.open(path);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of file.readable) {
    bytes += part.length;
    if (bytes > ENDLESS_BYTES_MAX) {
      throw new Error(`It is no file, and has no end in ${ENDLESS_BYTES_MAX} bytes`);
    }
    parts.push(part);
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

async function info(path: string): Promise<FileInfo | undefined> {
  const found = await statIfAny(path);
  if (found === undefined) return undefined;
  const { isFile, isDirectory, size, mtime } = found;
  return { isFile, isDirectory, bytes: size, modifiedMs: mtime?.getTime() ?? 0, mode: permissionsOf(found) };
}

async function list(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(path)) names.push(name);
  return names.sort();
}

async function append(path: string, bytes: Uint8Array, mode = MODE_DEFAULT): Promise<void> {
  using file = await Deno.open(path, { append: true, create: true, mode });
  await writeAll(file, bytes);
}

async function openRead(path: string, ledger: Ledger): Promise<ReadableFile> {
  const file = await Deno.open(path);
  try {
    const { size, isDirectory } = await file.stat();
    if (isDirectory) throw new Deno.errors.IsADirectory(`Is a directory: ${path}`);
    return new SystemReadableFile(path, file, size, ledger.open("file"));
  } catch (error) {
    file.close();
    throw error;
  }
}

class SystemReadableFile implements ReadableFile {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #release: () => void;
  #isClosed = false;

  constructor(path: string, file: Deno.FsFile, readonly bytes: number, release: () => void) {
    this.#path = path;
    this.#file = file;
    this.#release = release;
  }

  seek(position: number): Promise<void> {
    return attempt(this.#path, "read", async () => void await this.#file.seek(position, Deno.SeekMode.Start));
  }

  read(into: Uint8Array): Promise<number> {
    return attempt(this.#path, "read", async () => await this.#file.read(into) ?? 0);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#file.close();
    this.#release();
  }
}

/**
 * A link is followed, so that the file it names is replaced or made, and not the link. What is no file, a pipe or a
 * device, is written to as it is, and so is a descriptor, whatever is behind it; but what is for its owner alone does
 * not go into what somebody else left there.
 */
async function openWrite(
  path: string,
  { mode, owner = mode === undefined ? "tried" : "own" }: WriteOptions = {},
  ledger: Ledger,
): Promise<WritableFile> {
  return await attempt(path, "write", async () => {
    const place = await writtenPlace(path);
    const target = place.path;
    const old = await statIfAny(target);
    if (old?.isDirectory) throw new Deno.errors.IsADirectory(`Is a directory: ${path}`);
    const isForUs = owner === "own";
    if (place.descriptor !== undefined || old?.isFile === false && (!isForUs || isOwn(old))) {
      const { write, commit } = await openInPlace(place, ledger, { isForUs });
      return { write: (bytes) => attempt(path, "write", () => write(bytes)), commit, discard: commit };
    }
    const suffix = crypto.getRandomValues(new Uint8Array(6)).toHex();
    const temporary = join(dirname(target), `.skyctl-${suffix}.tmp`);
    const { open } = await import("node:fs/promises"); // what only reads never pays for it
    // Nobody else's until it has its mode: it may be a secret.
    const file = await open(temporary, "wx", old === undefined ? mode ?? MODE_DEFAULT : MODE_MEANWHILE);
    try {
      if (old !== undefined) await takeAfter(file, old, { mode: mode ?? permissionsOf(old), owner });
    } catch (error) {
      await file.close();
      await Deno.remove(temporary).catch(() => {}); // the failure that led here is the one to tell
      throw error;
    }
    return new SystemWritableFile(target, temporary, file, ledger.open("file"));
  });
}

/**
 * Gives a file the owner of the one that it will replace, and the mode, which the umask may have cut. By its handle:
 * who may write to the folder could put a link to another file in place of a name.
 */
async function takeAfter(
  file: FileHandle,
  old: Deno.FileInfo,
  { mode, owner }: { readonly mode: number; readonly owner: Required<WriteOptions>["owner"] },
): Promise<void> {
  if (old.uid === null || old.gid === null) return; // Windows: the folder says who may do what
  const { uid, gid } = await file.stat();
  if (owner !== "own" && (uid !== old.uid || gid !== old.gid)) {
    try {
      await file.chown(old.uid, old.gid);
    } catch (cause) {
      if (!isDenied(cause)) throw cause;
      if (owner === "tried") return await file.chmod(mode & 0o777); // to run as somebody is meant of that owner
      throw new NotPermittedError(`Cannot keep owner and group (${old.uid}:${old.gid}) of the file`, {
        cause,
        hint: "do it as the file's owner, or as root",
      });
    }
  }
  await file.chmod(mode); // behind the owner: a change of that one takes bits away
}

async function statIfAny(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

/** 0 where the system has none. */
function permissionsOf({ mode }: Deno.FileInfo): number {
  return (mode ?? 0) & 0o7777;
}

class SystemWritableFile implements WritableFile {
  readonly #target: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #release: () => void;
  #isFileOpen = true;
  #isDone = false;

  constructor(target: string, temporary: string, file: FileHandle, release: () => void) {
    this.#target = target;
    this.#temporary = temporary;
    this.#file = file;
    this.#release = release;
  }

  write(bytes: Uint8Array): Promise<void> {
    return attempt(this.#target, "write", async () => {
      for (let offset = 0; offset < bytes.length;) {
        offset += (await this.#file.write(bytes, offset, bytes.length - offset)).bytesWritten;
      }
    });
  }

  /** The content is on the disk before the name points at it. */
  commit(): Promise<void> {
    return attempt(this.#target, "write", async () => {
      await this.#file.sync();
      this.#isFileOpen = false;
      await this.#file.close(); // Windows renames no open file
      await Deno.rename(this.#temporary, this.#target);
      this.#isDone = true;
      this.#release();
      await syncDirectory(dirname(this.#target));
    });
  }

  async discard(): Promise<void> {
    if (this.#isDone) return;
    this.#isDone = true;
    if (this.#isFileOpen) await this.#file.close();
    this.#release();
    await Deno.remove(this.#temporary).catch(() => {}); // the failure that led here is the one to tell
  }
}

/** Makes the new name last over a power cut, where the system can. */
async function syncDirectory(path: string): Promise<void> {
  try {
    using directory = await Deno.open(path);
    await directory.sync();
  } catch { /* Windows cannot open a directory; the file itself is safe */ }
}
