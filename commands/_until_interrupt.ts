/** What commands that run until Ctrl-C share. @module */
import { type Log, type LogLevel, type LogRecord, logTo, renderLogRecord } from "../lib/base/mod.ts";
import type { Io } from "../lib/cli/mod.ts";
import type { World } from "../lib/runtime/mod.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** A Log whose lines of at least `level` are told on stderr. */
export function logToTerminal(io: Io, { clock }: Pick<World, "clock">, level: LogLevel): Log {
  const least = LEVELS.indexOf(level);
  return logTo((record: LogRecord) => {
    if (LEVELS.indexOf(record.level) >= least) io.note(renderLogRecord(record));
  }, () => clock.wallMs());
}

/** Waits for Ctrl-C, an orderly end, or for `ended`; its failure, if it has one, is thrown. */
export async function untilInterrupt(io: Io, ended: Promise<unknown>): Promise<void> {
  const { signal } = io;
  const interrupted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const failure = await Promise.race([ended, interrupted]);
  if (failure !== undefined) throw failure;
}
