/**
 * Where the running visor of a home can be reached: a file with address and token that only its user can read.
 *
 * @module
 */
import { CallerError, WorldError } from "../base/mod.ts";
import { toHex } from "../crypto/mod.ts";
import { FileNotFoundError, type World } from "../runtime/mod.ts";
import { z } from "zod";

/** Bytes of a token: as strong as a key. */
const TOKEN_BYTES = 32;
const CONTROL_FILE_BYTES_MAX = 64 * 1024;

const controlFileSchema = z.object({
  address: z.object({ hostname: z.string(), port: z.int().min(1).max(65_535) }),
  token: z.string().min(1),
  /** Absent where the system has no process numbers. */
  pid: z.int().optional(),
  publicKey: z.string(),
  /** The deployment file that other commands of this home use too; absent: the embedded deployment. */
  deploymentFile: z.string().optional(),
  /** The visor's configuration; absent: `visor.json` in the home. */
  configFile: z.string().optional(),
});

/** How to reach the visor of a home. */
export type ControlFile = z.infer<typeof controlFileSchema>;

/** No visor runs with this home, as far as its files say. */
export class NoVisorError extends WorldError {
  readonly code = "NO_VISOR";
  constructor(home: string, options: ErrorOptions = {}) {
    super(`No visor runs with home ${home}`, { ...options, hint: "skyctl visor run" });
  }
}

/** The control file is not one. */
export class ControlFileError extends CallerError {
  readonly code = "CONTROL_FILE";
}

/** The control file of a home. */
export function controlFilePath(home: string): string {
  return `${home}/control.json`;
}

/** A token that cannot be guessed. */
export function makeToken(random: World["random"]): string {
  return toHex(random.bytes(TOKEN_BYTES));
}

/** Writes it, readable by its owner alone. */
export async function writeControlFile(
  files: World["files"],
  home: string,
  control: ControlFile,
): Promise<void> {
  const text = JSON.stringify(control, null, 2) + "\n";
  await files.write(controlFilePath(home), new TextEncoder().encode(text), { mode: 0o600 });
}

/** Reads it. Errors: `NoVisorError` when there is none, `ControlFileError`. */
export async function readControlFile(files: World["files"], home: string): Promise<ControlFile> {
  const path = controlFilePath(home);
  let bytes: Uint8Array;
  try {
    const info = await files.info(path);
    if (info !== undefined && info.bytes > CONTROL_FILE_BYTES_MAX) {
      throw new ControlFileError(`${path} is too large`);
    }
    bytes = await files.read(path);
  } catch (cause) {
    if (cause instanceof FileNotFoundError) throw new NoVisorError(home, { cause });
    throw cause;
  }
  try {
    return controlFileSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    // The parser's message may quote the token.
    throw new ControlFileError(`${path} is no control file`, {
      hint: `remove ${path} and start the visor again`,
    });
  }
}

/** Removes it if it is still the one of `token`: a newer visor's file is not ours. */
export async function removeControlFile(files: World["files"], home: string, token: string): Promise<void> {
  const control = await readControlFile(files, home).catch(() => undefined);
  if (control?.token === token) await files.remove(controlFilePath(home));
}
