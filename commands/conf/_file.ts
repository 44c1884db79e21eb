/** Which configuration is meant, and its text. @module */
import { homeOf, type Io } from "../../lib/cli/mod.ts";
import { readForEdits } from "../../lib/deployment/edit/mod.ts";
import { ConfigError } from "../../lib/deployment/mod.ts";
import { FileNotFoundError } from "../../lib/runtime/mod.ts";

export interface ConfigFileOptions {
  readonly home?: string | undefined;
  readonly config?: string | undefined;
}

/** `--config`, else the one in the home. */
export function configFileOf(io: Io, options: ConfigFileOptions): string {
  return options.config ?? `${homeOf(io, options)}/visor.json`;
}

/** Its text, and the bits of its mode. Errors: `ConfigError` when it is no text or too large, those of the files. */
export async function readConfig(io: Io, file: string): Promise<{ text: string; mode: number }> {
  const { files } = await io.world();
  const text = await readForEdits(files, file);
  return { text, mode: (await files.info(file))?.mode ?? 0 };
}

/** The same; undefined when there is none. */
export async function readConfigIfAny(
  io: Io,
  file: string,
): Promise<{ text: string; mode: number } | undefined> {
  try {
    return await readConfig(io, file);
  } catch (error) {
    if (error instanceof FileNotFoundError) return undefined;
    throw error;
  }
}

/** Whether it is a pipe or a device: to read one that this very process writes to would take for ever. */
export async function isStream(io: Io, file: string): Promise<boolean> {
  const info = await (await io.world()).files.info(file);
  return info !== undefined && !info.isFile && !info.isDirectory;
}

/** What is read once cannot be read again, and changed. Errors: `ConfigError` for a pipe or a device. */
export async function refuseNoFile(io: Io, file: string): Promise<void> {
  const { files } = await io.world();
  const info = await files.info(file);
  if (info === undefined || info.isFile) return;
  throw new ConfigError(
    file,
    "",
    `it is ${info.isDirectory ? "a folder" : "a pipe or a device"}, and no file`,
    {
      hint: "name the file that is to be changed",
    },
  );
}
