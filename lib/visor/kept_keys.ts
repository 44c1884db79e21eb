/** Key pairs that are made once and kept in a file that only their owner can read. @module */
import { CallerError } from "../base/mod.ts";
import { generateKeyPair, type KeyPair, SecretKey } from "../crypto/mod.ts";
import { FileNotFoundError, type World } from "../runtime/mod.ts";

export type { KeyPair };

/** A key file that holds no key. */
export class KeptKeyError extends CallerError {
  readonly code = "KEY_FILE";
  constructor(path: string) {
    super(`Cannot read a secret key from ${path}: it must be 64 hex digits`, {
      hint: `remove ${path} to have a new one made, or put the key back`,
    });
  }
}

/** The keys in the file at `path`, made at the first use. Errors: `KeptKeyError`, of the files. */
export async function keptKeyPair(
  { files, random }: Pick<World, "files" | "random">,
  path: string,
): Promise<KeyPair> {
  const kept = await readKeyPair({ files }, path);
  if (kept !== undefined) return kept;
  const keys = generateKeyPair(random);
  await files.write(path, new TextEncoder().encode(keys.secretKey.reveal() + "\n"), { mode: 0o600 });
  return keys;
}

/** The keys in the file at `path`; undefined when there is none. Errors: `KeptKeyError`, of the files. */
export async function readKeyPair(
  { files }: Pick<World, "files">,
  path: string,
): Promise<KeyPair | undefined> {
  let text: string;
  try {
    text = new TextDecoder().decode(await files.read(path)).trim();
  } catch (error) {
    if (error instanceof FileNotFoundError) return undefined;
    throw error;
  }
  let secretKey: SecretKey;
  try {
    secretKey = SecretKey.parse(text);
  } catch {
    throw new KeptKeyError(path); // without a cause: it may quote the text
  }
  return { publicKey: secretKey.publicKey, secretKey };
}
