/** Files of the machine. Every change of a whole file is atomic. @module */
import { dirname, join, resolve } from "node:path";
import type { Ledger } from "../../base/mod.ts";
import type { FileInfo, Files, ReadableFile, WritableFile } from "../world.ts";
import { fileFailure } from "./failures.ts";

/** Permission of a file that says nothing else. */
const MODE_DEFAULT = 0o644;
/** Of a pipe or a device: /dev/zero has no end. More than anything that is piped into a command. */
const ENDLESS_BYTES_MAX = 64 * 1024 * 1024;

export function systemFiles(ledger: Ledger): Files {
  return {
    read: (path) => attempt(path, "read", () => readWhole(path)),
    async write(path, bytes, options) {
      const file = await openWrite(path, options?.mode, ledger);
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
    absolute: (path) => resolve(Deno.cwd(), path),
    openRead: (path) => attempt(path, "open", () => openRead(path, ledger)),
    openWrite: (path, options) => openWrite(path, options?.mode, ledger),
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
  try {
    const { isFile, isDirectory, size, mtime, mode } = await Deno.stat(path);
    return {
      isFile,
      isDirectory,
      bytes: size,
      modifiedMs: mtime?.getTime() ?? 0,
      mode: (mode ?? 0) & 0o7777,
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
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

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) offset += await file.write(bytes.subarray(offset));
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

/** A link is followed, so that the file it names is replaced and not the link. */
async function openWrite(path: string, mode: number | undefined, ledger: Ledger): Promise<WritableFile> {
  return await attempt(path, "write", async () => {
    const old = await info(path);
    if (old?.isDirectory) throw new Deno.errors.IsADirectory(`Is a directory: ${path}`);
    const target = old === undefined ? path : await Deno.realPath(path);
    const suffix = crypto.getRandomValues(new Uint8Array(6)).toHex();
    const temporary = join(dirname(target), `.skyctl-${suffix}.tmp`);
    const file = await Deno.open(temporary, {
      write: true,
      createNew: true,
      mode: mode ?? (old?.mode || MODE_DEFAULT), // a secret stays one when it is written again
    });
    return new SystemWritableFile(target, temporary, file, ledger.open("file"));
  });
}

class SystemWritableFile implements WritableFile {
  readonly #target: string;
  readonly #temporary: string;
  readonly #file: Deno.FsFile;
  readonly #release: () => void;
  #isFileOpen = true;
  #isDone = false;

  constructor(target: string, temporary: string, file: Deno.FsFile, release: () => void) {
    this.#target = target;
    this.#temporary = temporary;
    this.#file = file;
    this.#release = release;
  }

  write(bytes: Uint8Array): Promise<void> {
    return attempt(this.#target, "write", () => writeAll(this.#file, bytes));
  }

  /** The content is on the disk before the name points at it. */
  commit(): Promise<void> {
    return attempt(this.#target, "write", async () => {
      await this.#file.sync();
      this.#file.close(); // Windows renames no open file
      this.#isFileOpen = false;
      await Deno.rename(this.#temporary, this.#target);
      this.#isDone = true;
      this.#release();
      await syncDirectory(dirname(this.#target));
    });
  }

  async discard(): Promise<void> {
    if (this.#isDone) return;
    this.#isDone = true;
    if (this.#isFileOpen) this.#file.close();
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
