/** What `skyctl conf show` does. @module */
import type { Io } from "../../lib/cli/mod.ts";
import { renderTable } from "../../lib/cli/table.ts";
import { readNetworkFile } from "../../lib/directory/mod.ts";
import { renderConfig } from "../../lib/visor/config/mod.ts";
import {
  fieldsAt,
  type Origin,
  showConfig,
  type ShownField,
  UnknownFieldError,
} from "../../lib/visor/conf/mod.ts";
import { configFileOf, type ConfigFileOptions, readConfigIfAny } from "./_file.ts";
import { previewOf } from "./_gen.ts";

export interface ShowOptions extends ConfigFileOptions {
  readonly origin?: boolean | undefined;
  readonly all?: boolean | undefined;
  readonly deployment?: string | undefined;
  readonly control?: string | undefined;
  readonly logLevel?: string | undefined;
}

/** Shows it. Errors: `UnknownFieldError`, those of the file. */
export async function show(io: Io, wanted: readonly string[], options: ShowOptions): Promise<void> {
  const { files } = await io.world();
  const { deployment, control, logLevel } = options;
  const network = deployment === undefined ? undefined : await readNetworkFile(files, deployment);
  const values = {
    ...(control === undefined ? {} : { cli_addr: control }),
    ...(logLevel === undefined ? {} : { log_level: logLevel }),
  };
  const file = configFileOf(io, options);
  const found = await readConfigIfAny(io, file);
  let fields: ShownField[];
  if (found !== undefined) fields = showConfig(found.text, file, { values, network });
  else if (options.config !== undefined) throw await missing(io, file);
  else {
    io.note(`there is no ${file}: this is what skyctl conf gen --nofetch would make`);
    const { config, origins } = await previewOf(io, options);
    fields = showConfig(renderConfig(config), file, { values, network }).map((field) =>
      field.origin === "file" ? { ...field, origin: originOf(origins, field) } : field
    );
  }
  const chosen = choose(fields, wanted, options.all === true);
  io.emit(
    { file: found === undefined ? null : file, fields: chosen },
    () => renderFields(chosen, options.origin === true),
  );
}

/** The error of a file that is not there. */
async function missing(io: Io, file: string): Promise<unknown> {
  const { files } = await io.world();
  return await files.read(file).then(() => new Error(`${file} came just now`), (error) => error);
}

function originOf(origins: ReadonlyMap<string, Origin>, { field }: ShownField): Origin {
  return origins.get(field) ?? "default";
}

function choose(fields: readonly ShownField[], wanted: readonly string[], isAll: boolean): ShownField[] {
  if (wanted.length === 0) return fields.filter(({ isUsed }) => isAll || isUsed);
  return wanted.flatMap((name) => {
    const within = fieldsAt(fields, name);
    if (within.length === 0) throw new UnknownFieldError(name);
    return within;
  });
}

/** Columns of a person's terminal hold no whole list of keys: what is longer is cut; `--json` has it all. */
const VALUE_CHARS_MAX = 100;

/** A table of fields. */
export function renderFields(fields: readonly ShownField[], withOrigin: boolean): string {
  return renderTable(
    withOrigin ? ["field", "origin", "value"] : ["field", "value"],
    fields.map(({ field, value, origin }) => {
      const text = value === null ? "-" : typeof value === "string" ? value : JSON.stringify(value);
      const short = text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX - 3)}...` : text;
      return withOrigin ? [field, origin, short] : [field, short];
    }),
  );
}
