/** What `skyctl conf check` does. @module */
import { CallerError, describeError, SkyError } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { checkConfig, type Finding } from "../../lib/visor/conf/mod.ts";
import { configFileOf, type ConfigFileOptions, readConfig } from "./_file.ts";

/** A configuration that no visor starts with; what is wrong was said already. */
export class FaultyConfigError extends CallerError {
  readonly code = "FAULTY_CONFIG";
}

/** What is printed of each file. */
export interface Checked {
  readonly file: string;
  readonly findings: readonly Finding[];
}

/** What is wrong, and for what is an error the exit code of wrong usage. Of several files each has its own answer. */
export async function check(io: Io, given: readonly string[], options: ConfigFileOptions): Promise<void> {
  const files = [...new Set([...(options.config === undefined ? [] : [options.config]), ...given])];
  if (files.length <= 1) {
    const checked = await checkedFile(io, files[0] ?? configFileOf(io, options));
    io.emit(checked, renderFindings);
    return refuseErrors([checked]);
  }
  const all: Checked[] = [];
  for (const file of files) {
    io.signal.throwIfAborted();
    const checked = await checkedFile(io, file).catch((error) => ({ file, findings: [unreadable(error)] }));
    all.push(checked);
    io.emitEach(checked, (each) => renderFindings(each, { withFile: true }));
  }
  refuseErrors(all);
}

async function checkedFile(io: Io, file: string): Promise<Checked> {
  const { text, mode } = await readConfig(io, file);
  return { file, findings: checkConfig(text, file, { mode }) };
}

/** Of several files one that cannot be read is told of, and the others are looked at. */
function unreadable(error: unknown): Finding {
  if (!(error instanceof SkyError)) throw error;
  return {
    severity: "error",
    field: "",
    problem: describeError(error),
    remedy: error.hint ?? "name a file that can be read",
  };
}

/** Errors: `FaultyConfigError` where a file has errors. */
function refuseErrors(all: readonly Checked[]): void {
  const faulty = all.filter(({ findings }) => findings.some(({ severity }) => severity === "error"));
  if (faulty.length === 0) return;
  const errors = faulty.flatMap(({ findings }) => findings).filter(({ severity }) => severity === "error");
  const names = faulty.map(({ file }) => file).join(", ");
  throw new FaultyConfigError(
    `${names} ${faulty.length === 1 ? "has" : "have"} ${errors.length} ${
      errors.length === 1 ? "error" : "errors"
    }: a visor would not start with ${faulty.length === 1 ? "it" : "any of them"}`,
  );
}

/** A line for each finding, and its remedy below it. */
export function renderFindings(
  { file, findings }: Checked,
  { withFile = false }: { readonly withFile?: boolean } = {},
): string {
  if (findings.length === 0) return `${file}: nothing is wrong`;
  return findings.map(({ severity, field, problem, remedy }) => {
    const where = field === "" ? file : withFile ? `${file}: ${field}` : field;
    return `${severity}: ${where}: ${problem}\n  remedy: ${remedy}`;
  }).join("\n");
}
