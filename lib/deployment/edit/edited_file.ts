/** Files that are edited in place, by one at a time. @module */
import { WorldError } from "../../base/mod.ts";
import { sleep, type World } from "../../runtime/mod.ts";
import { CONFIG_CHARS_MAX, ConfigError } from "../config_fields.ts";
import { applyEdits, type Edit } from "./edits.ts";

/** Others that edit a file are done within milliseconds: more is a disk that hangs, or somebody who holds it. */
const LOCK_WAIT_MS = 10_000;
/** Between two tries for the lock. */
const LOCK_RETRY_MS = 20;

/** Somebody else has been changing a file all the time that we waited. */
export class FileBusyError extends WorldError {
  readonly code = "FILE_BUSY";
  constructor(readonly file: string) {
    super(`Cannot change ${file}: somebody else has been changing it for ${LOCK_WAIT_MS / 1_000} s`, {
      hint: "try again; a skyctl that hangs is found with: ps -ef",
    });
  }
}

/** The text of a file for edits. Errors: `ConfigError` for what is too large or no UTF-8, those of the files. */
export async function readForEdits(files: World["files"], file: string): Promise<string> {
  const info = await files.info(file);
  if (info !== undefined && info.bytes > CONFIG_CHARS_MAX) {
    throw new ConfigError(file, "", `${info.bytes} bytes are too many for a configuration`);
  }
  const bytes = await files.read(file);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ConfigError(file, "", "it is no text in UTF-8");
  }
}

/**
 * Does `work` while no other skyctl changes the file. Errors: `FileBusyError`, those of the files, the signal's reason
 * while it waits.
 */
export async function whileLocked<T>(
  { files, clock }: Pick<World, "files" | "clock">,
  file: string,
  work: () => Promise<T>,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<T> {
  const untilMs = clock.monotonicMs() + LOCK_WAIT_MS;
  let lock = await files.tryLock(file);
  while (lock === undefined) {
    if (clock.monotonicMs() >= untilMs) throw new FileBusyError(file);
    await sleep(clock, LOCK_RETRY_MS, signal);
    lock = await files.tryLock(file);
  }
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/** What an edit did. */
export type Edited<Change> = Change & {
  /** Before it. */
  readonly text: string;
  /** False: the file said the same already. */
  readonly changed: boolean;
};

/**
 * Edits a file as `change` says of its text: it is replaced at once, behind links, with its mode and its owner. Two who
 * edit it come one after the other, each with what the other one has made of it. One that changes nothing needs no
 * right to write. Errors: those of `change`; `FileBusyError`; `ConfigError` when somebody has changed it who
 * takes no lock; those of the files.
 */
export async function editFile<Change extends { readonly edits: readonly Edit[] }>(
  world: Pick<World, "files" | "clock">,
  file: string,
  change: (text: string) => Change,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Edited<Change>> {
  const { files } = world;
  const apply = async () => {
    const text = await readForEdits(files, file);
    const made = change(text);
    const after = applyEdits(text, made.edits);
    return { edited: { ...made, text, changed: after !== text }, after };
  };
  const { edited } = await apply();
  if (!edited.changed) return edited;
  return await whileLocked(world, file, async () => {
    const { edited, after } = await apply();
    if (!edited.changed) return edited;
    await refuseChanged(files, file, edited.text);
    await files.write(file, new TextEncoder().encode(after), { owner: "kept" }); // its visor is to read it
    return edited;
  }, options);
}

/** Editors take no lock. Errors: `ConfigError` when the file has another text now; undefined: it is not there. */
export async function refuseChanged(
  files: World["files"],
  file: string,
  text: string | undefined,
): Promise<void> {
  const now = await files.info(file) === undefined ? undefined : await readForEdits(files, file);
  if (now !== text) {
    throw new ConfigError(file, "", "it was changed by somebody else just now", { hint: "try again" });
  }
}
