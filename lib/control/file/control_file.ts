/**
 * Where the running visor of a home can be reached: a file with address and token that only its user can read.
 *
 * @module
 */
import { CallerError, WorldError } from "../../base/mod.ts";
import { toHex } from "../../crypto/mod.ts";
import { FileNotFoundError, type SocketAddress, type World } from "../../runtime/mod.ts";

/** Bytes of a token: as strong as a key. */
const TOKEN_BYTES = 32;
const CONTROL_FILE_BYTES_MAX = 64 * 1024;

/** How to reach the visor of a home. */
export interface ControlFile {
  readonly address: SocketAddress;
  readonly token: string;
  /** Absent where the system has no process numbers. */
  readonly pid?: number | undefined;
  readonly publicKey: string;
  /** The deployment file that other commands of this home use too; absent: the embedded deployment. */
  readonly deploymentFile?: string | undefined;
  /** The visor's configuration; absent: `visor.json` in the home. */
  readonly configFile?: string | undefined;
}

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
    return parseControlFile(new TextDecoder().decode(bytes));
  } catch {
    // The parser's message may quote the token.
    throw new ControlFileError(`${path} is no control file`, {
      hint: `remove ${path} and start the visor again`,
    });
  }
}

/** Checked by hand: a visor looks for another one's file as it starts, and loads no library of schemas for it. */
function parseControlFile(text: string): ControlFile {
  const control = JSON.parse(text);
  const { address: { hostname, port }, token, pid, publicKey, deploymentFile, configFile } = control;
  const isText = (value: unknown) => typeof value === "string";
  const isSound = isText(hostname) && Number.isInteger(port) && port >= 1 && port <= 65_535 &&
    isText(token) && token !== "" && isText(publicKey) &&
    (pid === undefined || Number.isSafeInteger(pid)) &&
    [deploymentFile, configFile].every((path) => path === undefined || isText(path));
  if (!isSound) throw new TypeError("A member is missing or wrong");
  return control;
}

/** Removes it if it is still the one of `token`: a newer visor's file is not ours. */
export async function removeControlFile(files: World["files"], home: string, token: string): Promise<void> {
  const control = await readControlFile(files, home).catch(() => undefined);
  if (control?.token === token) await files.remove(controlFilePath(home));
}
