/**
 * Where what is written to a path goes: to a file that is replaced, or into what is there and is no file: a pipe, a
 * device, a descriptor of this process.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "node:path";
import type { Ledger } from "../../base/mod.ts";
import { FileError, FileNotFoundError } from "../errors.ts";
import type { WritableFile } from "../world.ts";

/** Of links that lead to links; as Linux has it. */
const LINKS_MAX = 40;
/** What a process has open, whatever is behind it: to replace that would be to lose what others wrote there. */
const DESCRIPTOR = /^(?:\/proc\/(\d+)(?:\/task\/\d+)?|\/dev)\/fd\/(\d+)$/;

export interface WrittenPlace {
  /** Behind every link; it may be missing. */
  readonly path: string;
  /** Of standard output or standard error; undefined: it is neither. */
  readonly descriptor: number | undefined;
}

/**
 * Follows the links of a path, also one that leads to nothing. Errors: `FileError` for a file by the name of another
 * descriptor; `FileNotFoundError`; what the system throws.
 */
export async function writtenPlace(path: string): Promise<WrittenPlace> {
  let at = resolve(path); // where it is absolute the working folder, which may be gone, is not asked for
  for (let links = 0; links <= LINKS_MAX; links++) {
    const name = join(await folderOf(at, links === 0 ? path : at), basename(at));
    const match = DESCRIPTOR.exec(name);
    if (match !== null) {
      const [isOurs, descriptor] = [Number(match[1] ?? Deno.pid) === Deno.pid, Number(match[2])];
      if (isOurs && OWN[descriptor] !== undefined) return { path: name, descriptor };
      if (await isFileOpen(name)) throw refusedDescriptor(name);
      return { path: name, descriptor: undefined };
    }
    const target = await linkTarget(name);
    if (target === undefined) return { path: name, descriptor: undefined };
    at = resolve(dirname(name), target);
  }
  throw new FileError(`There are more than ${LINKS_MAX} links at ${path}`);
}

/** Whether it is ours, or the machine's, as /dev/null is. */
export function isOwn({ uid }: Deno.FileInfo): boolean {
  return uid === 0 || uid === Deno.uid();
}

/**
 * Opens what is there and is no file, or one of our descriptors, which stays open. With `isForUs` not what somebody else
 * put in its place just now. Errors: `FileError`, also for a pipe that nobody reads; what the system throws.
 */
export async function openInPlace(
  { path, descriptor }: WrittenPlace,
  ledger: Ledger,
  { isForUs }: { readonly isForUs: boolean },
): Promise<Pick<WritableFile, "write" | "commit">> {
  const own = descriptor === undefined ? undefined : OWN[descriptor];
  // By its handle: opened by its name it would be another one, that begins where the file does.
  if (own !== undefined) return { write: (bytes) => writeAll(own, bytes), commit: () => Promise.resolve() };
  const file = await openReadPipe(path);
  try {
    const found = await file.stat();
    if (descriptor === undefined && (found.isFile || isForUs && !isOwn(found))) {
      throw new FileError(`Something else is in the place of ${path} now`, { hint: "try again" });
    }
  } catch (error) {
    file.close();
    throw error;
  }
  const release = ledger.open("file");
  let isDone = false;
  return {
    write: (bytes) => writeAll(file, bytes),
    commit: () => {
      if (!isDone) {
        isDone = true;
        file.close();
        release();
      }
      return Promise.resolve();
    },
  };
}

/** Writes all of it. Throws what the system does. */
export async function writeAll(file: Pick<Deno.FsFile, "write">, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) offset += await file.write(bytes.subarray(offset));
}

/** A pipe that nobody reads would keep who opens it, and nothing could end that. */
async function openReadPipe(path: string): Promise<Deno.FsFile> {
  if (!(await Deno.stat(path)).isFifo) return await Deno.open(path, { append: true });
  const [{ open }, { constants }] = await Promise.all([import("node:fs/promises"), import("node:fs")]);
  const probe = await open(path, constants.O_WRONLY | constants.O_NONBLOCK).catch((error) => {
    if (error.code !== "ENXIO") throw error;
    throw new FileError(`Nobody reads the pipe ${path}`, { cause: error, hint: "start its reader first" });
  });
  try {
    return await Deno.open(path, { append: true });
  } finally {
    await probe.close();
  }
}

/** Whether it is a file that is open by that name. Errors: `FileError` when nothing is. */
async function isFileOpen(name: string): Promise<boolean> {
  try {
    return (await Deno.stat(name)).isFile;
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new FileError(`Nothing is open by the name ${name}`, { cause });
  }
}

/** What is opened by such a name begins where the file does, and whoever has it open does not go on behind it. */
function refusedDescriptor(name: string): FileError {
  const hint = "let standard output be that file, and name /dev/stdout";
  return new FileError(`Cannot write to a file by the name of its descriptor: ${name}`, { hint });
}

/** Behind every link. Errors: `FileNotFoundError`, with the folder of `told`. */
async function folderOf(path: string, told: string): Promise<string> {
  try {
    return await Deno.realPath(dirname(path));
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new FileNotFoundError(dirname(told), { what: "folder", cause });
  }
}

async function linkTarget(name: string): Promise<string | undefined> {
  try {
    return (await Deno.lstat(name)).isSymlink ? await Deno.readLink(name) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

/** Descriptors of this process that have a handle. */
const OWN: Readonly<Record<number, Pick<Deno.FsFile, "write">>> = { 1: Deno.stdout, 2: Deno.stderr };
