/** What commands that run until Ctrl-C share. @module */
import { type Log, type LogLevel, type LogRecord, LogRing, logTo, renderLogRecord } from "../lib/base/mod.ts";
import type { Io } from "../lib/cli/mod.ts";
import type { World } from "../lib/runtime/mod.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** A Log whose lines of at least `level` are told on stderr; those from `info` on are kept for `/debug/log`. */
export function logToTerminal(io: Io, { clock }: Pick<World, "clock">, level: LogLevel): Log {
  const least = LEVELS.indexOf(level);
  const kept = Math.min(least, LEVELS.indexOf("info"));
  const recent = new LogRing();
  const take = (record: LogRecord) => {
    const rank = LEVELS.indexOf(record.level);
    if (rank < kept) return;
    const line = renderLogRecord(record);
    recent.push(line);
    if (rank >= least) io.note(line);
  };
  return logTo(take, () => clock.wallMs(), undefined, recent);
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
