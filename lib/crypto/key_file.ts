/** Key files: one line of 64 hex digits, the secret key, that only their owner can read. @module */
import { CallerError } from "../base/mod.ts";
import type { World } from "../runtime/mod.ts";
import { SecretKey } from "./keys.ts";

/** A file that should hold a key does not, or holds one that contradicts itself. */
export class KeyFileError extends CallerError {
  readonly code = "KEY_FILE";
}

/**
 * The key that `text` is. Errors: `KeyFileError`, which names `where` and never the text; a hint stands in place of
 * its cause.
 */
export function parseSecretKeyOf(
  text: string,
  where: string,
  { hint }: { readonly hint?: string } = {},
): SecretKey {
  try {
    return SecretKey.parse(text);
  } catch (cause) { // which does not repeat the text either
    const more = hint === undefined ? { cause } : { hint };
    throw new KeyFileError(`Cannot read a secret key from ${where}: it must be 64 hex digits`, more);
  }
}

/** Puts `secretKey` into the file at `path`. Errors: those of the files. */
export async function writeKeyFile(
  files: World["files"],
  path: string,
  secretKey: SecretKey,
): Promise<void> {
  await files.write(path, new TextEncoder().encode(`${secretKey.reveal()}\n`), { mode: 0o600 });
}
