/** What `skyctl conf check` does. @module */
import { CallerError } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { checkConfig, type Finding } from "../../lib/visor/conf/mod.ts";
import { configFileOf, type ConfigFileOptions, readConfig } from "./_file.ts";

/** A configuration that no visor starts with; what is wrong was said already. */
export class FaultyConfigError extends CallerError {
  readonly code = "FAULTY_CONFIG";
  constructor(file: string, errors: number) {
    super(`${file} has ${errors} ${errors === 1 ? "error" : "errors"}: a visor would not start with it`);
  }
}

/** What is wrong, and for what is an error the exit code of wrong usage. */
export async function check(io: Io, options: ConfigFileOptions): Promise<void> {
  const file = configFileOf(io, options);
  const { text, mode } = await readConfig(io, file);
  const findings = checkConfig(text, file, { mode });
  io.emit({ file, findings }, renderFindings);
  const errors = findings.filter(({ severity }) => severity === "error").length;
  if (errors > 0) throw new FaultyConfigError(file, errors);
}

/** A line for each finding, and its remedy below it. */
export function renderFindings(
  { file, findings }: { readonly file: string; readonly findings: readonly Finding[] },
): string {
  if (findings.length === 0) return `${file}: nothing is wrong`;
  return findings.map(({ severity, field, problem, remedy }) =>
    `${severity}: ${field === "" ? file : field}: ${problem}\n  remedy: ${remedy}`
  ).join("\n");
}
