/**
 * Key files: one line of 64 hex digits, the secret key, mode 0600. The public key follows from it.
 *
 * @module
 */
import {
  generateKeyPair,
  KeyFileError,
  parseSecretKeyOf,
  type PublicKey,
  type SecretKey,
  writeKeyFile,
} from "../../lib/crypto/mod.ts";
import { FileNotFoundError, type World } from "../../lib/runtime/mod.ts";

/** What `keys gen` and `keys show` answer. */
export interface GeneratedKeys {
  readonly publicKey: PublicKey;
  /** 64 hex digits; only when it was asked for. */
  readonly secretKey?: string;
  /** The file that holds the secret key. */
  readonly file?: string;
}

/** A configuration is some kilobytes; whatever is larger is another file. */
const KEY_FILE_BYTES_MAX = 4 * 1024 * 1024;

/** Makes a pair and keeps the secret key in `out`, which must not exist. Errors: `KeyFileError`, of the files. */
export async function generateKeys(
  { out, reveal }: { readonly out?: string | undefined; readonly reveal: boolean },
  { random, files }: Pick<World, "random" | "files">,
): Promise<GeneratedKeys> {
  if (out !== undefined && await files.info(out) !== undefined) {
    throw new KeyFileError(`Cannot write a secret key to ${out}: the file exists`, {
      hint: `skyctl keys show ${out}`,
    });
  }
  const { publicKey, secretKey } = generateKeyPair(random);
  if (out !== undefined) {
    await writeKeyFile(files, out, secretKey);
  }
  return {
    publicKey,
    ...(reveal ? { secretKey: secretKey.reveal() } : {}),
    ...(out === undefined ? {} : { file: out }),
  };
}

/** The keys in a key file or a configuration. Errors: `KeyFileError`, `InvalidKeyError`, of the files. */
export async function readKeys(
  { file, reveal }: { readonly file: string; readonly reveal: boolean },
  { files }: Pick<World, "files">,
): Promise<GeneratedKeys> {
  const info = await files.info(file);
  if (info === undefined) {
    throw new FileNotFoundError(file, { hint: `skyctl keys gen --out ${file} makes one` });
  }
  if (info.bytes > KEY_FILE_BYTES_MAX) {
    throw new KeyFileError(`Cannot read a key from ${file}: ${info.bytes} bytes are no key file`);
  }
  const secretKey = secretKeyIn(new TextDecoder().decode(await files.read(file)), file);
  return { publicKey: secretKey.publicKey, ...(reveal ? { secretKey: secretKey.reveal() } : {}) };
}

/** The secret key in the text of a key file or a configuration. Messages never repeat the text. */
function secretKeyIn(text: string, file: string): SecretKey {
  const trimmed = text.trim();
  if (!trimmed.startsWith("{")) return parseSecretKeyOf(trimmed, file);
  const config = parseJson(trimmed, file);
  const secret = config.sk ?? config.secret_key; // a visor's name for it, and a service's
  if (typeof secret !== "string") {
    throw new KeyFileError(`Cannot read a key from ${file}: the field sk is not there, or is no text`);
  }
  const secretKey = parseSecretKeyOf(secret, `field sk of ${file}`);
  const stated = config.pk ?? config.public_key ?? "";
  if (stated !== "" && String(stated).toLowerCase() !== secretKey.publicKey) {
    const shown = String(stated).toLowerCase() === secretKey.reveal() ? "the secret key" : stated;
    throw new KeyFileError(
      `Cannot use the keys of ${file}: the field pk is ${shown}, but sk belongs to ${secretKey.publicKey}`,
      { hint: "correct pk, or remove it" },
    );
  }
  return secretKey;
}

function parseJson(text: string, file: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the text, and that may be the secret key.
    throw new KeyFileError(`Cannot read a key from ${file}: it starts as JSON and is not`);
  }
}
