/** What `skyctl conf set` does. @module */
import { homeOf, type Io } from "../../lib/cli/mod.ts";
import { readControlFile } from "../../lib/control/file/mod.ts";
import { editFile } from "../../lib/deployment/edit/mod.ts";
import { setField } from "../../lib/visor/conf/mod.ts";
import { configFileOf, type ConfigFileOptions, readConfig, refuseNoFile } from "./_file.ts";

export interface SetOptions extends ConfigFileOptions {
  readonly dryRun?: boolean | undefined;
  readonly force?: boolean | undefined;
}

/** What `--json` prints. */
export interface SetAnswer {
  readonly file: string;
  readonly field: string;
  /** As it may be shown; null: it was not there. */
  readonly before: unknown;
  readonly after: unknown;
  readonly changed: boolean;
  readonly dryRun: boolean;
}

/** Sets it, and says what was there before. */
export async function set(io: Io, named: string, given: string, options: SetOptions): Promise<void> {
  const { dryRun = false, force = false } = options;
  const world = await io.world();
  const file = configFileOf(io, options);
  if (!dryRun) await refuseNoFile(io, file);
  const change = (text: string) => setField(text, file, { field: named, given, force });
  const { field, before, after, isChanged: changed } = dryRun
    ? change((await readConfig(io, file)).text)
    : await editFile(world, file, change, { signal: io.signal });
  io.emit({ file, field, before, after, changed, dryRun }, renderSet);
  if (changed && !dryRun && await isOfRunningVisor(io, file, options)) {
    io.note("a running visor takes it at its next start: skyctl visor stop, then skyctl visor run");
  }
}

/** Whether a visor of the home says that this is its configuration. */
async function isOfRunningVisor(io: Io, file: string, options: ConfigFileOptions): Promise<boolean> {
  const { files } = await io.world();
  const home = homeOf(io, options);
  const running = await readControlFile(files, home).catch(() => undefined); // none, or nobody's who asks here
  if (running === undefined) return false;
  const own = running.configFile ?? `${home}/visor.json`;
  return files.absolute(own) === files.absolute(file);
}

/** One line. */
export function renderSet({ file, field, before, after, changed, dryRun }: SetAnswer): string {
  const [now, then] = [JSON.stringify(after), JSON.stringify(before)];
  if (!changed) return `${field} is ${now} already in ${file}`;
  return `${field} ${dryRun ? "would be" : "is"} ${now} now in ${file}, ${
    before === null ? "was not set" : `was ${then}`
  }`;
}
