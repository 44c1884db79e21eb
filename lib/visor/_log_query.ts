/**
 * Which lines of a log somebody asks for (operations.md 1), of a file's or as they come.
 *
 * @module
 */
import { CallerError, type LogLevel } from "../base/mod.ts";

/** Lines that a question can have at most. */
export const LOG_LINES_MAX = 100_000;

/** What is asked for; everything that is absent does not matter. */
export interface LogQuery {
  /** At least so severe. */
  readonly minLevel?: LogLevel;
  /** Of this module, or of a part of it: `dmsg` is `dmsg.client`, too. */
  readonly module?: string;
  /** With this text in it, as it is. */
  readonly grep?: string;
  /** Without so many lines at the beginning, whatever they are. */
  readonly sinceLine?: number;
  /** Only so many, the newest. */
  readonly limit?: number;
}

/** A query that means nothing. */
export class LogQueryError extends CallerError {
  readonly code = "LOG_QUERY";
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** The query of a URL, with Skywire's names. Errors: `LogQueryError`. */
export function parseLogQuery(
  query: URLSearchParams,
): LogQuery & { readonly follow: boolean; readonly raw: boolean } {
  const level = query.get("min-level")?.toLowerCase();
  const minLevel = LEVELS.find((each) => each === level);
  if (level !== undefined && minLevel === undefined) {
    throw new LogQueryError("min-level is one of debug, info, warn, error");
  }
  return {
    minLevel,
    module: query.get("module") ?? undefined,
    grep: query.get("grep") ?? undefined,
    sinceLine: wholeNumber(query, "since-line", 0),
    limit: wholeNumber(query, "limit", 1),
    follow: isTrue(query.get("follow")),
    raw: isTrue(query.get("raw")),
  };
}

function wholeNumber(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^[0-9]{1,15}$/.test(text) || Number(text) < least) {
    throw new LogQueryError("since-line and limit are whole numbers");
  }
  return Number(text);
}

function isTrue(text: string | null): boolean {
  return text === "1" || text === "true" || text === "";
}

/** Whether a line is meant. One that is none of ours has neither level nor module. */
export function isMeant({ minLevel = "debug", module, grep }: LogQuery): (line: string) => boolean {
  const least = LEVELS.indexOf(minLevel);
  return (line) => {
    if (line === "") return false;
    const [, level, of] = /^\[[^\]]*\] ([A-Z]+) \[([^\]]*)\]/.exec(line) ?? [];
    if (level !== undefined && LEVELS.indexOf(level.toLowerCase() as LogLevel) < least) return false;
    if (module !== undefined && of !== module && !of?.startsWith(`${module}.`)) return false;
    return grep === undefined || line.includes(grep);
  };
}

/** The lines of a log that are meant, oldest first. */
export function linesOf(content: string, query: LogQuery): string[] {
  const { sinceLine = 0, limit = LOG_LINES_MAX } = query;
  const lines = content.split("\n").slice(sinceLine).filter(isMeant(query));
  return lines.slice(-Math.min(limit, LOG_LINES_MAX));
}
