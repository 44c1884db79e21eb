/** Files that are edited in place. @module */
import type { World } from "../../runtime/mod.ts";
import { CONFIG_CHARS_MAX, ConfigError } from "../config_fields.ts";
import { applyEdits, type Edit } from "./edits.ts";

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
 * Applies edits to a file that still has `text`: it is replaced at once, behind links, with its mode. False when the
 * edits change nothing. Errors: `ConfigError` when it has changed meanwhile, those of the files.
 */
export async function writeEdits(
  files: World["files"],
  file: string,
  { text, edits }: { readonly text: string; readonly edits: readonly Edit[] },
): Promise<boolean> {
  const after = applyEdits(text, edits);
  if (after === text) return false;
  if (await readForEdits(files, file) !== text) {
    throw new ConfigError(file, "", "it was changed by somebody else just now", { hint: "try again" });
  }
  await files.write(file, new TextEncoder().encode(after));
  return true;
}
