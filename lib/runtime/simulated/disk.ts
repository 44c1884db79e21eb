/** A node's files, in memory: they outlive the node, as a disk does. @module */
import { posix } from "node:path";
import type { Ledger } from "../../base/mod.ts";
import { FileError, FileNotFoundError } from "../errors.ts";
import type { Clock, FileLock, Files, ReadableFile, WritableFile } from "../world.ts";

interface StoredFile {
  readonly bytes: Uint8Array;
  readonly mode: number;
  readonly modifiedMs: number;
}

/** Paths to content; a directory is a path without. Paths are those of POSIX, `.` is the root. */
export class Disk {
  readonly #entries = new Map<string, StoredFile | "directory">([["/", "directory"]]);

  find(path: string): StoredFile | "directory" | undefined {
    return this.#entries.get(absolute(path));
  }

  file(path: string): StoredFile {
    const entry = this.find(path);
    if (entry === undefined) throw new FileNotFoundError(path);
    if (entry === "directory") throw new FileError(`Is a directory: ${path}`);
    return entry;
  }

  /** Replaces the file, or makes it in a directory that is there. */
  store(path: string, file: StoredFile): void {
    const full = absolute(path);
    if (this.#entries.get(full) === "directory") throw new FileError(`Is a directory: ${path}`);
    const parent = this.#entries.get(posix.dirname(full));
    if (parent === undefined) throw new FileNotFoundError(posix.dirname(path), { what: "folder" });
    if (parent !== "directory") throw new FileError(`Is no directory: ${posix.dirname(path)}`);
    this.#entries.set(full, file);
  }

  makeDirectory(path: string): void {
    const full = absolute(path);
    const entry = this.#entries.get(full);
    if (entry === "directory") return;
    if (entry !== undefined) throw new FileError(`Is a file: ${path}`);
    this.makeDirectory(posix.dirname(full));
    this.#entries.set(full, "directory");
  }

  list(path: string): string[] {
    const full = absolute(path);
    const entry = this.#entries.get(full);
    if (entry === undefined) throw new FileNotFoundError(path);
    if (entry !== "directory") throw new FileError(`Is no directory: ${path}`);
    return [...this.#entries.keys()]
      .filter((other) => other !== "/" && posix.dirname(other) === full)
      .map((other) => posix.basename(other))
      .sort();
  }

  remove(path: string): void {
    const entry = this.find(path);
    if (entry === undefined) throw new FileNotFoundError(path);
    if (entry === "directory" && this.list(path).length > 0) throw new FileError(`Is not empty: ${path}`);
    this.#entries.delete(absolute(path));
  }
}

function absolute(path: string): string {
  return posix.resolve("/", path);
}

/** The Files of a node on its disk. Locks are the node's, and end with it. */
export function diskFiles(disk: Disk, clock: Clock, ledger: Ledger): Files {
  const locked = new Set<string>();
  const store = (path: string, bytes: Uint8Array, mode: number | undefined) => {
    const old = disk.find(path);
    const oldMode = old === undefined || old === "directory" ? 0o644 : old.mode;
    disk.store(path, { bytes, mode: mode ?? oldMode, modifiedMs: clock.wallMs() });
  };
  return {
    read: async (path) => disk.file(path).bytes.slice(),
    write: async (path, bytes, options) => store(path, bytes.slice(), options?.mode),
    async info(path) {
      const entry = disk.find(path);
      if (entry === undefined) return undefined;
      if (entry === "directory") {
        return { isFile: false, isDirectory: true, bytes: 0, modifiedMs: 0, mode: 0o755 };
      }
      const { bytes, modifiedMs, mode } = entry;
      return { isFile: true, isDirectory: false, bytes: bytes.length, modifiedMs, mode };
    },
    list: async (path) => disk.list(path),
    makeDirectory: async (path) => disk.makeDirectory(path),
    remove: async (path) => disk.remove(path),
    absolute,
    async realPath(path) {
      if (disk.find(path) === undefined) throw new FileNotFoundError(path);
      return absolute(path); // there are no links on these disks
    },
    openRead: async (path) => new DiskReader(disk.file(path).bytes, ledger.open("file")),
    async openWrite(path, options) {
      return new DiskWriter((bytes) => store(path, bytes, options?.mode), ledger.open("file"));
    },
    tryLock: async (path) => lockPath(absolute(path), locked, ledger),
    async append(path, bytes, options) {
      const old = disk.find(path) === undefined ? new Uint8Array(0) : disk.file(path).bytes;
      store(path, concat([old, bytes]), options?.mode);
    },
  };
}

function lockPath(path: string, locked: Set<string>, ledger: Ledger): FileLock | undefined {
  if (locked.has(path)) return undefined;
  locked.add(path);
  const close = ledger.open("file lock");
  let isReleased = false;
  return {
    async release() {
      if (isReleased) return;
      isReleased = true;
      locked.delete(path);
      close();
    },
  };
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

class DiskReader implements ReadableFile {
  readonly #content: Uint8Array;
  readonly #release: () => void;
  #offset = 0;

  constructor(content: Uint8Array, release: () => void) {
    this.#content = content;
    this.#release = release;
  }
  get bytes(): number {
    return this.#content.length;
  }
  async seek(position: number): Promise<void> {
    this.#offset = position;
  }
  async read(into: Uint8Array): Promise<number> {
    const part = this.#content.subarray(this.#offset, this.#offset + into.length);
    into.set(part);
    this.#offset += part.length;
    return part.length;
  }
  close(): void {
    this.#release();
  }
}

class DiskWriter implements WritableFile {
  readonly #parts: Uint8Array[] = [];
  readonly #store: (bytes: Uint8Array) => void;
  readonly #release: () => void;

  constructor(store: (bytes: Uint8Array) => void, release: () => void) {
    this.#store = store;
    this.#release = release;
  }
  async write(bytes: Uint8Array): Promise<void> {
    this.#parts.push(bytes.slice());
  }
  async commit(): Promise<void> {
    this.#store(concat(this.#parts));
    this.#release();
  }
  async discard(): Promise<void> {
    this.#release();
  }
}
