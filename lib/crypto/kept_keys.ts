/** Key pairs that are made once and kept in a file that only their owner can read. @module */
import { FileNotFoundError, type World } from "../runtime/mod.ts";
import { parseSecretKeyOf, writeKeyFile } from "./key_file.ts";
import { generateKeyPair, type KeyPair } from "./keys.ts";

/** For a file that is no key where one would be made. */
export const KEPT_KEY_HINT =
  "put the key back, or name another file: with a secret key, or missing to have one made";

/** The keys in the file at `path`, made at the first use. Errors: `KeyFileError`, of the files. */
export async function keptKeyPair(
  { files, random }: Pick<World, "files" | "random">,
  path: string,
): Promise<KeyPair> {
  const kept = await readKeyPair({ files }, path, { hint: KEPT_KEY_HINT });
  if (kept !== undefined) return kept;
  const keys = generateKeyPair(random);
  await writeKeyFile(files, path, keys.secretKey);
  return keys;
}

/**
 * The keys in the file at `path`; undefined when there is none. Errors: `KeyFileError`, which never advises to remove
 * what it could not read, for it may be another program's only copy; of the files.
 */
export async function readKeyPair(
  { files }: Pick<World, "files">,
  path: string,
  { hint = "name a file with a secret key" }: { readonly hint?: string } = {},
): Promise<KeyPair | undefined> {
  let text: string;
  try {
    text = new TextDecoder().decode(await files.read(path)).trim();
  } catch (error) {
    if (error instanceof FileNotFoundError) return undefined;
    throw error;
  }
  const secretKey = parseSecretKeyOf(text, path, { hint });
  return { publicKey: secretKey.publicKey, secretKey };
}
